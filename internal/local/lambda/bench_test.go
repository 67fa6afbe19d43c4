package lambda_test

import (
	"testing"
	"time"

	"github.com/fotograma/fotograma/internal/local/lambda"
	"github.com/fotograma/fotograma/internal/local/sam"
)

// BenchmarkColdStart invokes a function without a worker.
func BenchmarkColdStart(b *testing.B) {
	h := newHost(b, func(_ *sam.Function, c *lambda.Config) { c.IdleTimeout = time.Nanosecond })
	var init time.Duration
	cold := 0
	for b.Loop() {
		result := h.invoke(event{Do: "pid"})
		if result.InitDuration > 0 {
			cold++
			init += result.InitDuration
		}
		b.StopTimer()
		time.Sleep(20 * time.Millisecond) // the idle worker ends
		b.StartTimer()
	}
	b.ReportMetric(float64(init.Microseconds())/1000/float64(cold), "ms-init")
	b.ReportMetric(float64(cold)/float64(b.N), "cold/op")
}

// BenchmarkWarm invokes a function that has a worker, one invocation at a time.
func BenchmarkWarm(b *testing.B) {
	h := newHost(b, nil)
	h.invoke(event{Do: "pid"})
	for b.Loop() {
		h.invoke(event{Do: "echo", Value: "x"})
	}
}

// BenchmarkParallel invokes a function with four workers, as many at a time.
func BenchmarkParallel(b *testing.B) {
	h := newHost(b, func(_ *sam.Function, c *lambda.Config) { c.MaxWorkers = func(sam.Function) int { return 4 } })
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			h.invoke(event{Do: "echo", Value: "x"})
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "invocations/s")
}
