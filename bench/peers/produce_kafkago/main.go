// produce_kafkago is the workload on kafka-go: an asynchronous Writer with batches of 1 MB that wait for 5 ms, given 64
// messages at a time, since a call costs much there. It knows no idempotence: acks all is only that.
package main

import (
	"context"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"kafka-c/bench/peers/workload"
)

const (
	perCall     = 64
	outstanding = 100000 // as librdkafka's default: the Writer itself has no limit
)

func main() {
	w := workload.Parse()
	var lock sync.Mutex
	changed := sync.NewCond(&lock)
	unacknowledged := 0
	await := func(most, added int) { // until there are no more than `most`, then adds some
		lock.Lock()
		for unacknowledged > most {
			changed.Wait()
		}
		unacknowledged += added
		lock.Unlock()
	}
	writer := &kafka.Writer{
		Addr:         kafka.TCP(w.Broker),
		Topic:        w.Topic,
		Balancer:     &kafka.RoundRobin{},
		BatchSize:    10000, // it allocates for so many at once
		BatchBytes:   1000000,
		BatchTimeout: 5 * time.Millisecond,
		RequiredAcks: kafka.RequireAll,
		Async:        true,
		Completion: func(messages []kafka.Message, err error) {
			w.Outcome(len(messages), err)
			lock.Lock()
			unacknowledged -= len(messages)
			lock.Unlock()
			changed.Signal()
		},
	}
	if w.Acks == "one" {
		writer.RequiredAcks = kafka.RequireOne
	}
	if w.HasKeys() {
		writer.Balancer = kafka.Murmur2Balancer{}
	}
	w.Run(func(from, count int64) {
		for i := from; i < from+count; {
			messages := make([]kafka.Message, 0, perCall)
			for ; len(messages) < perCall && i < from+count; i++ {
				messages = append(messages, kafka.Message{Key: w.Key(i), Value: w.Value(i)})
			}
			await(outstanding, len(messages))
			workload.Die(writer.WriteMessages(context.Background(), messages...))
		}
	}, func() { await(0, 0) })
	workload.Die(writer.Close())
}
