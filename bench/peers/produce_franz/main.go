// produce_franz is the workload on franz-go: batches of 1 MB that wait for 5 ms, as librdkafka's do.
package main

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"kafka-c/bench/peers/workload"
)

func main() {
	w := workload.Parse()
	options := []kgo.Opt{
		kgo.SeedBrokers(w.Broker),
		kgo.DefaultProduceTopic(w.Topic),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProducerBatchMaxBytes(1000000),
		kgo.ProducerLinger(5 * time.Millisecond),
		kgo.MaxBufferedRecords(100000),
	}
	if w.Acks == "one" {
		options = append(options, kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite())
	}
	client, err := kgo.NewClient(options...)
	workload.Die(err)
	ctx := context.Background()
	outcome := func(_ *kgo.Record, err error) { w.Outcome(1, err) }
	w.Run(func(from, count int64) {
		for i := from; i < from+count; i++ {
			client.Produce(ctx, &kgo.Record{Key: w.Key(i), Value: w.Value(i)}, outcome)
		}
	}, func() { workload.Die(client.Flush(ctx)) })
	client.Close()
}
