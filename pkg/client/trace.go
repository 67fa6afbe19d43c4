package client

import (
	"context"
	"crypto/rand"
	"encoding/hex"
)

// traceHeader is the header of W3C Trace Context.
const traceHeader = "Traceparent"

type traceKey struct{}

// WithTraceparent has the calls of a context say that they belong to a trace, as W3C
// Trace Context has it ("00-<trace>-<span>-01"). The server's log has the trace's ID,
// and so has every [Problem]. [Client.Upload] makes a trace of its own where the
// context has none.
func WithTraceparent(ctx context.Context, traceparent string) context.Context {
	return context.WithValue(ctx, traceKey{}, traceparent)
}

func traceparentOf(ctx context.Context) string {
	traceparent, _ := ctx.Value(traceKey{}).(string)
	return traceparent
}

// traced gives ctx a trace if it has none.
func traced(ctx context.Context) context.Context {
	if traceparentOf(ctx) != "" {
		return ctx
	}
	const trace, span = 16, 8 // bytes
	var id [trace + span]byte
	_, _ = rand.Read(id[:]) // never fails
	return WithTraceparent(ctx, "00-"+hex.EncodeToString(id[:trace])+"-"+hex.EncodeToString(id[trace:])+"-01")
}
