package main

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"
)

// What the store imitates of S3, as seen from a Lambda function in its region.
const (
	latency  = 30 * time.Millisecond // before each answer
	lineRate = 100_000_000           // bytes a second of each connection, each way
)

// store is shaped like S3: as much of its protocol as the pipelines use, with its
// latency and the speed of its connections, and without its signatures. Videos
// are files of one folder; what is uploaded is kept in memory until it is taken.
type store struct {
	url    string
	videos string
	server *http.Server

	mu      sync.Mutex
	traffic traffic
	parts   map[int][]byte
	archive []byte
}

// traffic is what a store was asked for.
type traffic struct {
	Gets int   // and HEADs
	Puts int   // and whatever else costs as much
	Sent int64 // bytes of answers' bodies
}

func newStore(ctx context.Context, videos string) (*store, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s := &store{url: "http://" + l.Addr().String(), videos: videos, parts: map[int][]byte{}}
	s.server = &http.Server{Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.server.Serve(slowListener{l}) }()
	return s, nil
}

func (s *store) close() error { return s.server.Close() }

// take gives what happened since it was called last, and the object that was
// uploaded last, if any was.
func (s *store) take() (traffic, []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, archive := s.traffic, s.archive
	s.traffic, s.archive = traffic{}, nil
	clear(s.parts)
	return t, archive
}

func (s *store) serve(w http.ResponseWriter, r *http.Request) {
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	if reads {
		s.count(traffic{Gets: 1})
	} else {
		s.count(traffic{Puts: 1})
	}
	time.Sleep(latency)
	w.Header().Set("ETag", `"bench"`)
	query := r.URL.Query()
	switch {
	case reads:
		http.ServeFile(&counted{w, s}, r, filepath.Join(s.videos, filepath.Base(r.URL.Path)))
	case r.Method == http.MethodPost && query.Has("uploads"):
		answer(w, struct {
			XMLName  xml.Name `xml:"InitiateMultipartUploadResult"`
			UploadID string   `xml:"UploadId"`
		}{UploadID: "bench"})
	case r.Method == http.MethodPut:
		s.put(w, r, query.Get("partNumber"))
	case r.Method == http.MethodPost && query.Has("uploadId"):
		s.complete()
		answer(w, struct {
			XMLName xml.Name `xml:"CompleteMultipartUploadResult"`
			ETag    string   `xml:"ETag"`
		}{ETag: "bench"})
	default:
		w.WriteHeader(http.StatusNoContent) // deletions and abortions
	}
}

// put keeps a part, or a whole object if it has no part number.
func (s *store) put(w http.ResponseWriter, r *http.Request, partNumber string) {
	if r.Header.Get("Content-Encoding") != "" {
		http.Error(w, "only plain bodies", http.StatusNotImplemented)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if partNumber == "" {
		s.archive = body
		return
	}
	number, err := strconv.Atoi(partNumber)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.parts[number] = body
}

func (s *store) complete() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.archive = nil
	for _, number := range slices.Sorted(maps.Keys(s.parts)) {
		s.archive = append(s.archive, s.parts[number]...)
	}
	clear(s.parts)
}

func (s *store) count(t traffic) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.traffic.Gets += t.Gets
	s.traffic.Puts += t.Puts
	s.traffic.Sent += t.Sent
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(v) // the client has gone
}

// counted counts what of an answer was sent.
type counted struct {
	http.ResponseWriter
	store *store
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.store.count(traffic{Sent: int64(n)})
	return n, err
}

// slowListener makes its connections as slow as S3's.
type slowListener struct{ net.Listener }

func (l slowListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		// What is on its way when a reader hangs up was sent for nothing, as it is
		// from S3; but not megabytes of it.
		_ = tcp.SetWriteBuffer(256 << 10)
	}
	return &slowConn{Conn: c}, nil
}

// slowConn keeps each direction to lineRate.
type slowConn struct {
	net.Conn
	in, out pace
}

func (c *slowConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.in.wait(n)
	return n, err
}

func (c *slowConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.out.wait(n)
	return n, err
}

// pace is when the bytes so far would have gone through the line.
type pace struct{ free time.Time }

func (p *pace) wait(bytes int) {
	now := time.Now()
	if p.free.Before(now) {
		p.free = now
	}
	p.free = p.free.Add(time.Duration(bytes) * time.Second / lineRate)
	if behind := p.free.Sub(now); behind > time.Millisecond { // shorter sleeps are not exact
		time.Sleep(behind)
	}
}
