package status_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/local/localtest"
	"github.com/fotograma/fotograma/internal/platform/cache"
	"github.com/fotograma/fotograma/internal/platform/httpapi"
	"github.com/fotograma/fotograma/internal/platform/metrics"
	"github.com/fotograma/fotograma/internal/status"
)

const (
	browsers  = 500
	busy      = 200 // of them, with a video that is processed; the others' have ended
	instances = 8   // of the function; any may get a request
	pollFor   = 30 * time.Second

	// web/app/src/poll.ts and videos.ts
	leastPause = time.Second
	mostPause  = 30 * time.Second
	listAge    = 30 * time.Second

	// processing.tick
	progressEvery = 2 * time.Second
)

// BenchmarkPolls has browsers ask for their videos as the web app does, while videos
// are processed, and counts what the queries read from DynamoDB.
func BenchmarkPolls(b *testing.B) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // a line for each request
	var uncached float64
	for _, kind := range []string{"none", "memory", "shared"} {
		b.Run(kind, func(b *testing.B) {
			p := newPolls(b, kind)
			for b.Loop() {
				p.run(b)
			}
			perRequest := float64(p.reads.Load()) / float64(p.requests.Load())
			if kind == "none" {
				uncached = perRequest
			}
			b.ReportMetric(float64(p.requests.Load())/p.took.Seconds(), "requests/s")
			b.ReportMetric(float64(p.reads.Load())/p.took.Seconds(), "reads/s")
			b.ReportMetric(100*(1-perRequest/uncached), "%saved")
			b.ReportMetric(float64(p.unchanged.Load())/float64(p.requests.Load())*100, "%304")
		})
	}
}

// polls is the queries, in several processes, and browsers.
type polls struct {
	projector                  *status.Projector
	handlers                   []http.Handler
	reads, requests, unchanged atomic.Int64
	took                       time.Duration
	events                     atomic.Int64
}

func newPolls(b *testing.B, kind string) *polls {
	cloud := localtest.Start(b)
	env := cloud.Env(b, "ProjectorFunction")
	db := dynamodb.NewFromConfig(cloud.Config)
	p := &polls{}
	var url string
	if kind == "shared" {
		url = localtest.StartRedis(b).URL()
	}
	open := func() *cache.Shared {
		s, err := cache.Open(url, "videos")
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	p.projector = status.NewProjector(status.ProjectorConfig{Table: env["STATUS_TABLE"]}, db, nil, nil, open(), time.Now, func() string { return "" })
	counted := dynamodb.NewFromConfig(cloud.Config, func(o *dynamodb.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("count",
				func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
					p.reads.Add(1)
					return next.HandleInitialize(ctx, in)
				}), middleware.Before)
		})
	})
	m := metrics.New(io.Discard, "Test", time.Now)
	for range instances {
		var kept *cache.Cache
		switch kind {
		case "memory":
			kept = cache.NewMemory(m, time.Now)
		case "shared":
			kept = cache.New(open(), m, time.Now)
		}
		api := httpapi.New(httpapi.Config{Now: time.Now, NewID: func() string { return "r" }, Metrics: m})
		status.Register(api, &status.Queries{Store: &status.Store{DB: counted, Table: env["STATUS_TABLE"]}, Cache: kept, Now: time.Now})
		p.handlers = append(p.handlers, api.Handler())
	}
	for i := range browsers {
		p.happens(b, event.VideoRegistered{VideoRef: videoOf(i), Filename: "a.mp4", ContentType: "video/mp4", Extraction: []byte(`{}`), CreatedAt: time.Now(), ExpiresAt: time.Now().AddDate(0, 0, 7)})
		if i < busy {
			p.happens(b, event.ProcessingStarted{VideoRef: videoOf(i)})
		} else {
			done := completed("v", 1)
			done.VideoRef = videoOf(i)
			p.happens(b, done)
		}
	}
	return p
}

func personOf(i int) string { return fmt.Sprintf("person-%d", i) }

func videoOf(i int) event.VideoRef {
	return event.VideoRef{VideoID: "v", OwnerID: personOf(i), Run: 1}
}

func (p *polls) happens(b *testing.B, data event.Data) {
	if err := p.projector.HandleMessage(context.Background(), encoded(b, data, int(p.events.Add(1)))); err != nil {
		b.Error(err)
	}
}

func (p *polls) run(b *testing.B) {
	ctx, stop := context.WithTimeout(context.Background(), pollFor)
	defer stop()
	began := time.Now()
	var all sync.WaitGroup
	for i := range busy {
		all.Go(func() {
			for n := 1; sleep(ctx, progressEvery); n++ {
				p.happens(b, event.ProcessingProgressed{VideoRef: videoOf(i), Progress: float64(n) / 1000})
			}
		})
	}
	for i := range browsers {
		all.Go(func() { p.browse(ctx, i) })
	}
	all.Wait()
	p.took += time.Since(began)
}

// browse is one open browser.
func (p *polls) browse(ctx context.Context, i int) {
	pause := leastPause
	tags := map[string]string{}
	var listed time.Time
	if !sleep(ctx, rand.N(leastPause)) {
		return
	}
	for {
		if time.Since(listed) > listAge {
			p.ask(i, "/v1/videos?limit=20", nil)
			listed = time.Now()
		} else if i < busy {
			p.ask(i, "/v1/videos/v", tags)
		}
		if i >= busy {
			pause = min(pause*3/2, mostPause)
		}
		if !sleep(ctx, pause) {
			return
		}
	}
}

func (p *polls) ask(i int, path string, tags map[string]string) {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if tag := tags[path]; tag != "" {
		r.Header.Set("If-None-Match", tag)
	}
	rec := httptest.NewRecorder()
	p.handlers[rand.N(len(p.handlers))].ServeHTTP(rec, r.WithContext(httpapi.WithCaller(r.Context(), httpapi.Caller{UserID: personOf(i), SessionID: "s"})))
	p.requests.Add(1)
	if rec.Code == http.StatusNotModified {
		p.unchanged.Add(1)
	}
	if tags != nil {
		tags[path] = rec.Header().Get("ETag")
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
