package tracing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// client sends spans by OTLP over HTTP, in protobuf: an otlptrace.Client. The one
// of OpenTelemetry's own brings all of gRPC along, 3 MB of each function.
//
// Source: "OTLP/HTTP" in the OpenTelemetry Protocol Specification 1.
type client struct {
	url    string
	header http.Header
}

// newClient makes a client for an endpoint, to whose path that of traces is added.
func newClient(cfg Config) (*client, error) {
	endpoint, err := url.Parse(cfg.Endpoint)
	if err != nil || endpoint.Host == "" || endpoint.Scheme != "http" && endpoint.Scheme != "https" {
		return nil, errors.New("OTEL_EXPORTER_OTLP_ENDPOINT must be http://… or https://…") // it may have a password
	}
	c := &client{url: endpoint.JoinPath("v1", "traces").String(), header: http.Header{}}
	for pair := range strings.SplitSeq(cfg.Headers, ",") {
		name, value, _ := strings.Cut(pair, "=")
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if value, err = url.PathUnescape(strings.TrimSpace(value)); err != nil {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_HEADERS: the value of %s is not percent-encoded", name)
		}
		c.header.Set(name, value)
	}
	c.header.Set("Content-Type", "application/x-protobuf")
	return c, nil
}

// Start implements otlptrace.Client.
func (c *client) Start(context.Context) error { return nil }

// Stop implements otlptrace.Client.
func (c *client) Stop(context.Context) error { return nil }

// UploadTraces implements otlptrace.Client. TracesData is, on the wire, the request
// of an export.
func (c *client) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	raw, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return fmt.Errorf("encode spans: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("send spans: %w", err)
	}
	req.Header = c.header.Clone()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("send spans: %w", err)
	}
	defer resp.Body.Close()
	const most = 64 << 10 // bytes; read for the connection to be used again
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, most))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("send spans: the collector answers %s", resp.Status)
	}
	return nil
}
