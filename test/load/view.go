package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
	"golang.org/x/sync/errgroup"

	"github.com/fotograma/fotograma/test/measuring"
)

// view is what came of people looking on with one kind of cache.
type view struct {
	cached
	metrics       vegeta.Metrics
	reads, writes int64 // calls of DynamoDB by StatusFunction; its writes are the log of queries
	ended         int   // videos, while they looked on
}

// perRequest is how many reads of DynamoDB a request cost.
func (v *view) perRequest() float64 { return float64(v.reads) / float64(v.metrics.Requests) }

// longFrames is how many frames the videos have that are looked at: enough that their
// progress is seen.
const longFrames = 100

// view has all people look on while the videos of some are processed.
func (l *load) view(ctx context.Context, kind cached) (out *view, err error) {
	o := l.stack()
	counted, err := newCounter(l.work)
	if err != nil {
		return nil, err
	}
	defer counted.server.Close()
	o.Functions = counted.functions
	if kind.url == "redis" {
		server, err := startRedis(ctx)
		if err != nil {
			return nil, err
		}
		defer server.stop()
		kind.url = server.url
	}
	o.Env = []string{"CACHE_URL=" + kind.url}
	s, err := measuring.StartStack(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	counted.to(s.AWS)
	if l.people == nil {
		if err := l.register(ctx, s); err != nil {
			return nil, err
		}
	}
	l.meet(s)

	before := len(l.uploads)
	if err := l.sendAll(ctx, l.people[:l.busy], func(int) (*clip, int) { return l.long, longFrames }); err != nil {
		return nil, err
	}
	looking, cancel := context.WithTimeout(ctx, l.look)
	defer cancel()
	reads, writes := counted.reads.Load(), counted.writes.Load()
	metrics := crowd(looking, s.Web, l.people)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	out = &view{cached: kind, metrics: *metrics, reads: counted.reads.Load() - reads, writes: counted.writes.Load() - writes}
	until := time.Now()
	l.begunf("the rest of their videos")
	for _, u := range l.uploads[before:] {
		video, err := ended(ctx, u)
		if err != nil {
			return nil, err
		}
		if video.UpdatedAt.Before(until) {
			out.ended++
		}
	}
	return out, nil
}

// sendAll uploads a video of each of some people, 16 at a time.
func (l *load) sendAll(ctx context.Context, people []*person, what func(i int) (*clip, int)) error {
	sent := make([]*upload, len(people))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for i, p := range people {
		group.Go(func() (err error) {
			c, frames := what(i)
			sent[i], err = l.send(ctx, p, c, frames)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	l.uploads = append(l.uploads, sent...)
	return nil
}

// counter stands between StatusFunction and DynamoDB, and counts.
type counter struct {
	functions     string // folder; StatusFunction's program in it goes by the counter
	server        *httptest.Server
	dynamo        atomic.Pointer[url.URL]
	reads, writes atomic.Int64
}

func newCounter(work string) (*counter, error) {
	c := &counter{}
	c.serve()
	var err error
	if c.functions, err = os.MkdirTemp(work, "functions-"); err != nil {
		return nil, err
	}
	return c, c.link()
}

// serve opens the counter.
func (c *counter) serve() {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(c.dynamo.Load())
			r.Out.Host = r.In.Host // which is signed
		},
		Transport: &http.Transport{MaxIdleConnsPerHost: 100},
	}
	c.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch _, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), "."); operation {
		case "GetItem", "Query":
			c.reads.Add(1)
		default:
			c.writes.Add(1)
		}
		// The proxy would go on reading it when the answer comes, which closes it, and with
		// that the connection that the rest of the answer is to come on.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	}))
}

// link makes the folder of functions.
func (c *counter) link() error {
	built, err := filepath.Abs("build/functions")
	if err != nil {
		return err
	}
	programs, err := os.ReadDir(built)
	if err != nil {
		return fmt.Errorf("find the functions (make build?): %w", err)
	}
	for _, program := range programs {
		if program.Name() == "status" {
			continue
		}
		if err := os.Symlink(filepath.Join(built, program.Name()), filepath.Join(c.functions, program.Name())); err != nil {
			return err
		}
	}
	script := fmt.Sprintf("#!/bin/sh\nexport AWS_ENDPOINT_URL_DYNAMODB='%s'\nexec '%s'\n", c.server.URL, filepath.Join(built, "status"))
	return os.WriteFile(filepath.Join(c.functions, "status"), []byte(script), 0o700) //nolint:gosec // G306: it is a program
}

// to says where DynamoDB is.
func (c *counter) to(aws string) {
	u, err := url.Parse(aws)
	if err != nil {
		panic(err) // it is a stack's
	}
	c.dynamo.Store(u)
}

// redis is a running redis-server.
type redis struct {
	url     string
	process *exec.Cmd
}

func startRedis(ctx context.Context) (*redis, error) {
	address, err := measuring.FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "redis-server", "--bind", host, "--port", port, "--save", "", "--appendonly", "no")
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start redis-server: %w", err)
	}
	return &redis{"redis://" + net.JoinHostPort(host, port), cmd}, nil
}

func (r *redis) stop() {
	_ = r.process.Process.Kill()
	_ = r.process.Wait()
}
