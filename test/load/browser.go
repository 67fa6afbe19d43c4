package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
	"golang.org/x/sync/errgroup"

	"github.com/fotograma/fotograma/pkg/client"
)

// How the web app asks: web/app/src/poll.ts and list.ts, with which a test compares it.
const (
	leastPause    = time.Second
	mostPause     = 30 * time.Second
	slower        = 1.5 // the pause grows by, without news
	slowerFailing = 2   // the same, without an answer
	single        = 5   // with more videos under way the list is asked for, not each
	listAge       = 30 * time.Second
	firstPage     = "/v1/videos?limit=24"
)

// browser is the web app's list of videos, open and seen.
type browser struct {
	person *person
	web    string
	http   *http.Client
	note   func(path string, sent time.Time, code int)

	active []string // videos under way
	listed time.Time
	pause  time.Duration
}

// watch asks until the context ends, as Poll does in poll.ts.
func (b *browser) watch(ctx context.Context) {
	b.pause = leastPause
	for ctx.Err() == nil {
		soon, err := b.ask(ctx)
		switch {
		case err != nil:
			b.pause = min(b.pause*slowerFailing, mostPause)
		case soon:
			b.pause = leastPause
		default:
			b.pause = min(time.Duration(float64(b.pause)*slower), mostPause)
		}
		sleep(ctx, b.pause)
	}
}

// ask asks for what may have changed, as VideoList does in list.ts, and tells whether
// there is news to be expected soon.
func (b *browser) ask(ctx context.Context) (soon bool, err error) {
	if len(b.active) > single || time.Since(b.listed) > listAge {
		err = b.list(ctx)
	} else {
		err = b.each(ctx)
	}
	return len(b.active) > 0, err
}

func (b *browser) list(ctx context.Context) error {
	var page struct {
		Videos []client.Video `json:"videos"`
	}
	code, err := b.get(ctx, firstPage, &page)
	if err != nil {
		return err
	}
	b.listed = time.Now()
	if code == http.StatusNotModified {
		return nil
	}
	b.active = nil
	for _, v := range page.Videos {
		if underWay(v.Status) {
			b.active = append(b.active, v.ID)
		}
	}
	return nil
}

func underWay(status string) bool { return status == client.Queued || status == client.Processing }

func (b *browser) each(ctx context.Context) error {
	var mu sync.Mutex
	var ended []string
	asking, ctx := errgroup.WithContext(ctx)
	for _, id := range b.active {
		asking.Go(func() error {
			var v client.Video
			code, err := b.get(ctx, "/v1/videos/"+id, &v)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case code == http.StatusNotFound:
				b.listed = time.Time{}
				return nil
			case code == http.StatusOK && !underWay(v.Status):
				ended = append(ended, id)
			}
			return err
		})
	}
	err := asking.Wait()
	b.active = slices.DeleteFunc(b.active, func(id string) bool { return slices.Contains(ended, id) })
	return err
}

func (b *browser) get(ctx context.Context, path string, into any) (code int, err error) {
	token, err := b.person.token(ctx)
	if err != nil {
		return 0, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.web+path, nil)
	if err != nil {
		return 0, err
	}
	r.Header = bearer(token)
	sent := time.Now()
	resp, err := b.http.Do(r)
	if ctx.Err() != nil {
		if err == nil {
			_ = resp.Body.Close()
		}
		return 0, ctx.Err()
	}
	if err != nil {
		b.note(path, sent, 0)
		return 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	b.note(path, sent, resp.StatusCode)
	switch {
	case err != nil:
		return 0, err
	case resp.StatusCode == http.StatusNotModified:
		return resp.StatusCode, nil
	case resp.StatusCode != http.StatusOK:
		return resp.StatusCode, fmt.Errorf("%s: %s", path, resp.Status)
	}
	return resp.StatusCode, json.Unmarshal(body, into)
}

// sleep waits, unless the context ends before.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// crowd has people look on until the context ends; they come within a second. It returns
// when all have gone.
func crowd(ctx context.Context, web string, people []*person) *vegeta.Metrics {
	var mu sync.Mutex
	var metrics vegeta.Metrics
	note := func(_ string, sent time.Time, code int) {
		mu.Lock()
		defer mu.Unlock()
		metrics.Add(&vegeta.Result{Timestamp: sent, Latency: time.Since(sent), Code: uint16(code)})
	}
	shared := caller()
	var all sync.WaitGroup
	for _, p := range people {
		all.Go(func() {
			sleep(ctx, rand.N(leastPause)) //nolint:gosec // G404: a load is no secret
			(&browser{person: p, web: web, http: shared, note: note}).watch(ctx)
		})
	}
	all.Wait()
	metrics.Close()
	return &metrics
}
