package frames

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// input is a Source on its way to FFmpeg: a range server on the loopback
// interface, on a port of its own and under a path that nobody can guess, for
// as long as one extraction takes.
//
// HTTP, and not a pipe, because an MP4 file's index is often at its end and
// FFmpeg has to seek; and not FFmpeg's file protocol even for local files, so
// that a hostile file that talks FFmpeg into opening another one finds every
// file protocol closed.
type input struct {
	url    string
	cache  *cache
	server *http.Server
	done   chan error
}

// serve starts to serve src. The caller must close the input.
func serve(ctx context.Context, src Source, life func()) (*input, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for FFmpeg: %w", err)
	}
	path := "/" + rand.Text()
	in := &input{
		url:   "http://" + listener.Addr().String() + path,
		cache: newCache(src, life),
		done:  make(chan error, 1),
	}
	in.server = &http.Server{
		Handler:           in.handler(path),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	go func() { in.done <- in.server.Serve(listener) }()
	return in, nil
}

func (in *input) handler(path string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path || (r.Method != http.MethodGet && r.Method != http.MethodHead) {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", time.Time{}, io.NewSectionReader(in.cache, 0, in.cache.src.Size()))
	})
}

// close stops the server and waits until the source is left alone.
func (in *input) close() error {
	err := in.server.Close()
	if served := <-in.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	in.cache.wait()
	return err
}
