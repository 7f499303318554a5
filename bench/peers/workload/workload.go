// Package workload is the Go half of bench/workload.h: its options, messages of the same kind, and the line that is printed.
// Only --mode load is here: how fast a client writes, and whether all of it was acknowledged.
package workload

import (
	"flag"
	"fmt"
	"math/rand"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	values = 64
	keys   = 4096
)

// Workload is what the options say.
type Workload struct {
	Broker, Topic, Acks     string
	Messages, Warm          int64
	size, key               int
	values, keys            [][]byte
	outcomes, failed        atomic.Int64
	firstFailureWasReported atomic.Bool
}

var words = []string{"request", "user", "session", "GET", "status=200", "duration_ms=", "host", "path=/api/v2/", "error",
	"retry", "orders", "eu-west-1", "payment", "queue", "timeout", "INFO"}

// Parse reads the options; it ends the program when they are wrong.
func Parse() *Workload {
	w := &Workload{}
	flag.StringVar(&w.Broker, "broker", "", "host:port")
	flag.StringVar(&w.Topic, "topic", "load", "")
	flag.StringVar(&w.Acks, "acks", "all", "all or one")
	flag.Int64Var(&w.Messages, "messages", 100000, "")
	flag.Int64Var(&w.Warm, "warm", 2000, "messages before the clock starts")
	flag.IntVar(&w.size, "size", 100, "bytes of a value")
	flag.IntVar(&w.key, "key", 0, "bytes of a key, 0 = none")
	flag.Parse()
	if w.Broker == "" || w.size < 1 || w.key < 0 || (w.Acks != "all" && w.Acks != "one") {
		Die(fmt.Errorf("wrong options; see bench/workload.h"))
	}
	random := rand.New(rand.NewSource(1))
	for range values {
		var text []byte
		for len(text) < w.size {
			text = append(text, words[random.Intn(len(words))]+" "...)
		}
		w.values = append(w.values, text[:w.size])
	}
	for i := 0; w.key > 0 && i < keys; i++ {
		key := make([]byte, w.key)
		for j := range key {
			key[j] = "0123456789abcdef"[random.Intn(16)]
		}
		w.keys = append(w.keys, key)
	}
	return w
}

// Value is that of the i-th message.
func (w *Workload) Value(i int64) []byte { return w.values[i%values] }

// Key is nil without keys.
func (w *Workload) Key(i int64) []byte {
	if w.key == 0 {
		return nil
	}
	return w.keys[i%keys]
}

// HasKeys tells whether messages go where their keys say.
func (w *Workload) HasKeys() bool { return w.key > 0 }

// Outcome counts count messages that have theirs.
func (w *Workload) Outcome(count int, err error) {
	w.outcomes.Add(int64(count))
	if err == nil {
		return
	}
	w.failed.Add(int64(count))
	if w.firstFailureWasReported.CompareAndSwap(false, true) {
		fmt.Fprintln(os.Stderr, err)
	}
}

func cpu() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		Die(err)
	}
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}

// Run writes all messages and prints the line. send takes messages from..from+count-1, flush waits for their outcomes.
func (w *Workload) Run(send func(from, count int64), flush func()) {
	send(0, w.Warm)
	flush()
	before, begin := cpu(), time.Now()
	send(0, w.Messages)
	flush()
	seconds, used := time.Since(begin).Seconds(), cpu()-before
	missing := w.Messages + w.Warm - w.outcomes.Load()
	fmt.Printf("messages=%d seconds=%.6f cpu=%.6f failed=%d\n", w.Messages, seconds, used, w.failed.Load()+missing)
}

// Die ends the program when err is one.
func Die(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
