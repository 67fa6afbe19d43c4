package s3

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3err"
)

// ErrOpen is returned by [Open] while another Server is open in this process.
var ErrOpen = errors.New("an S3 server is already open in this process: its storage needs the working directory")

// working is held by the open Server, because the working directory is.
var working atomic.Bool

const (
	dirMode  = 0o700
	fileMode = 0o600

	maxCopy  = 5 << 30   // bytes S3 copies in one CopyObject or UploadPartCopy
	ioBuffer = 256 << 10 // bytes buffered for each upload under way
)

// Options configure a [Server].
type Options struct {
	AccessKey string // the one account's access key id; "test" if empty
	SecretKey string // its secret; "test" if empty
	Region    string // "us-east-1" if empty

	// Notify sends a message to an SQS queue. It is called until it succeeds,
	// for one message at a time and in order for each queue, so the same
	// message can come twice. An error for a test event refuses the bucket's
	// notification configuration. Required.
	Notify func(ctx context.Context, queueARN, body string) error

	Now    func() time.Time // the clock of events and lifecycle rules; time.Now if nil
	Logger *slog.Logger     // slog.Default if nil
}

func (o Options) withDefaults() Options {
	if o.AccessKey == "" {
		o.AccessKey = "test"
	}
	if o.SecretKey == "" {
		o.SecretKey = "test"
	}
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// Server is an S3 endpoint. It is an [http.Handler] that must see requests as
// they came: behind an [http.ServeMux], which cleans paths, signatures fail.
type Server struct {
	options Options
	store   *store
	outbox  *outbox
	backend *observed
	gateway *gateway

	stop     context.CancelFunc // ends requests under way and the outbox
	stopped  context.Context    // done once the Server is closing
	requests sync.RWMutex       // read-locked by each request, locked for good once none is left
	delivery sync.WaitGroup
	undo     []func() error // what Close does, last first
}

// Open opens or creates the object store in a directory. It changes the
// process's working directory until the Server is closed; see the package
// comment. It returns [ErrOpen] if another Server is open, and fails if the
// file system lacks user extended attributes or another process uses the
// directory. Events that an earlier process left are delivered from now on.
func Open(dir string, opts Options) (*Server, error) {
	if opts.Notify == nil {
		return nil, errors.New("open S3: Options.Notify is missing")
	}
	if !working.CompareAndSwap(false, true) {
		return nil, ErrOpen
	}
	s := &Server{options: opts.withDefaults()}
	s.stopped, s.stop = context.WithCancel(context.Background())
	s.undo = append(s.undo, func() error { working.Store(false); return nil })
	if err := s.open(dir); err != nil {
		return nil, errors.Join(fmt.Errorf("open S3 in %s: %w", dir, err), s.Close())
	}
	return s, nil
}

func (s *Server) open(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	buckets, versions := filepath.Join(dir, "buckets"), filepath.Join(dir, "versions")
	for _, d := range []string{buckets, versions} {
		if err := os.MkdirAll(d, dirMode); err != nil { //nolint:gosec // the person who runs the stack says where
			return err
		}
	}
	if err := checkXattrs(buckets); err != nil {
		return err
	}
	s.store, err = openStore(s.stopped, filepath.Join(dir, "state.db"))
	if err != nil {
		return err
	}
	s.undo = append(s.undo, s.store.close)
	if err := repairUploads(buckets); err != nil {
		return err
	}
	if err := s.openBackend(buckets, versions); err != nil {
		return err
	}
	s.gateway, err = newGateway(s.backend, s.backend.settings, s.options)
	if err != nil {
		return err
	}
	s.undo = append(s.undo, func() error { s.requests.Lock(); return nil })
	s.delivery.Go(func() { s.outbox.run(s.stopped) })
	s.undo = append(s.undo, func() error { s.delivery.Wait(); return nil })
	return nil
}

// openBackend opens the storage and brings the state beside it up to date.
func (s *Server) openBackend(buckets, versions string) error {
	before, err := os.Getwd()
	if err != nil {
		return err
	}
	s.undo = append(s.undo, func() error { return os.Chdir(before) })
	files := posix.PosixOpts{
		VersioningDir:       versions,
		ForceNoObjLockFile:  true, // the state file keeps other processes out
		CopyObjectThreshold: maxCopy,
		IOBufferSize:        ioBuffer,
	}
	files.SetNewDirPerm(dirMode)
	files.SetNewFilePerm(fileMode)
	var storage *posix.Posix
	err = quietly(func() error {
		storage, err = posix.New(buckets, attributes{}, files)
		return err
	})
	if err != nil {
		return err
	}
	s.undo = append(s.undo, func() error { storage.Shutdown(); return nil })
	return s.observe(storage)
}

// quietly keeps out of the standard output what versitygw prints there when it
// starts: commands print their results there.
func quietly(do func() error) error {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	output := os.Stdout
	os.Stdout = null
	err = do()
	os.Stdout = output
	return errors.Join(err, null.Close())
}

// observe puts settings and outbox around the storage.
func (s *Server) observe(storage *posix.Posix) error {
	set := &settings{store: s.store, notify: s.options.Notify, now: s.options.Now, logger: s.options.Logger}
	if err := openSettings(s.stopped, set); err != nil {
		return err
	}
	if err := set.forgetLost(s.stopped, storage); err != nil {
		return err
	}
	s.outbox = &outbox{
		store: s.store, rules: set.rulesOf, notify: s.options.Notify, now: s.options.Now,
		region: s.options.Region, owner: s.options.AccessKey, logger: s.options.Logger,
		wake: make(chan struct{}, 1), retries: map[string]retry{},
	}
	s.backend = &observed{Backend: storage, outbox: s.outbox, settings: set}
	s.outbox.probe = s.backend.probe
	return s.outbox.recover(s.stopped)
}

// checkXattrs fails if files in the directory cannot have the attributes that
// hold an object's metadata. Sidecar files, which versitygw has for such file
// systems, are no way out: they are not written in one step with the object.
func checkXattrs(dir string) (err error) {
	file, err := os.CreateTemp(dir, ".xattr-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }() //nolint:gosec // as created above
	if err := (attributes{}).StoreAttribute(file, "", "", "fotograma-test", []byte("1")); err != nil {
		return fmt.Errorf("the file system of %s does not support user extended attributes, which hold the metadata of objects; "+
			"choose a data directory on another one (ext4, XFS, Btrfs, APFS): %w", dir, err)
	}
	return nil
}

// ServeHTTP answers an S3 request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.stopped.Err() != nil || !s.requests.TryRLock() {
		answerError(w, s3err.GetAPIError(s3err.ErrSlowDown))
		return
	}
	defer s.requests.RUnlock()
	defer context.AfterFunc(s.stopped, func() { interrupt(w) })()
	s.gateway.ServeHTTP(w, r)
}

// interrupt makes reading a request's body and writing its response fail.
func interrupt(w http.ResponseWriter) {
	connection := http.NewResponseController(w)
	past := time.Unix(1, 0)
	// A writer that cannot do this (a recorder in a test) does not block either.
	_ = connection.SetReadDeadline(past)
	_ = connection.SetWriteDeadline(past)
}

// Close cuts off requests under way, waits until the storage is idle, and
// restores the working directory. Events not delivered yet are delivered by the
// next Server on the directory. Closing again does nothing.
func (s *Server) Close() error {
	s.stop()
	var err error
	for len(s.undo) > 0 {
		last := len(s.undo) - 1
		err = errors.Join(err, s.undo[last]())
		s.undo = s.undo[:last]
	}
	return err
}
