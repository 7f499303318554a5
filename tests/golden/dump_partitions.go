// Prints where Sarama sends keys as tests/golden/partitions_sarama.txt: "hash" or "reference_hash", the key in hex ("-" = empty),
// and the partition of 1, 2, 3, 7, 12, 16, 100 and 1000. Key i of 120 has i % 40 bytes, number j being (31 i + 17 j + i j) mod
// 256. "crc32" is its custom hash partitioner with the CRC of hash/crc32.
//
//	mkdir /tmp/dump && cp tests/golden/dump_partitions.go /tmp/dump && cd /tmp/dump && go mod init dump
//	go get github.com/IBM/sarama@v1.43.3 && go run . > partitions_sarama.txt
package main

import (
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"runtime/debug"

	"github.com/IBM/sarama"
)

func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/IBM/sarama" {
			return module.Version
		}
	}
	return "?"
}

func main() {
	partitioners := []struct {
		name string
		make sarama.PartitionerConstructor
	}{
		{"hash", sarama.NewHashPartitioner},
		{"reference_hash", sarama.NewReferenceHashPartitioner},
		{"crc32", sarama.NewCustomHashPartitioner(crc32.NewIEEE)},
	}
	fmt.Printf("# The hash partitioners of github.com/IBM/sarama %s, printed by tests/golden/dump_partitions.go: partitioner, "+
		"key in hex, its partition of 1, 2, 3, 7, 12, 16, 100, 1000\n", version())
	for i := 0; i < 120; i++ {
		key := make([]byte, i%40)
		for j := range key {
			key[j] = byte(31*i + 17*j + i*j)
		}
		text := hex.EncodeToString(key)
		if text == "" {
			text = "-"
		}
		for _, p := range partitioners {
			fmt.Printf("%s %s", p.name, text)
			for _, count := range []int32{1, 2, 3, 7, 12, 16, 100, 1000} {
				partition, err := p.make("t").Partition(&sarama.ProducerMessage{Key: sarama.ByteEncoder(key)}, count)
				if err != nil {
					panic(err)
				}
				fmt.Printf(" %d", partition)
			}
			fmt.Println()
		}
	}
}
