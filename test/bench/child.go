package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/fotograma/fotograma/internal/frames"
	"github.com/fotograma/fotograma/internal/processing"
)

// childCommand is the argument by which this program knows that it is to run one
// pipeline, in a process whose CPU time and memory are nobody else's.
const childCommand = "run-one"

// job is what a child is told to run.
type job struct {
	Pipeline   string            `json:"pipeline"`       // a name in pipelines
	Store      string            `json:"store"`          // URL of the S3 in which the video lies
	Key        string            `json:"key"`            // of the video
	File       string            `json:"file"`           // the same video on disk
	Seconds    float64           `json:"seconds"`        // how long it is
	Extraction frames.Extraction `json:"extraction"`     // with its defaults
	Twice      bool              `json:"twice"`          // measure the second run of two
	API        string            `json:"api,omitempty"`  // URL of a running stack
	Keep       string            `json:"keep,omitempty"` // where the archive goes, if not into the store
	Segment    int               `json:"segment"`        // the one to extract of so many that the work is divided into
	Segments   int               `json:"segments"`
}

// outcome is what a child has measured of itself and the processes it ran.
type outcome struct {
	Wall      time.Duration `json:"wall"`
	CPU       time.Duration `json:"cpu"`
	FirstByte time.Duration `json:"first_byte"` // when the first byte of the archive was ready to be uploaded
	Plain     string        `json:"plain"`      // why the engine had every picture decoded, if it had
}

// run is a job under way.
type run struct {
	job
	outcome

	began time.Time
}

// The names of the pipelines.
const (
	ofEngine     = "engine"
	ofLimit      = "limit"
	ofNaive      = "naive"
	ofNaivePNG   = "naive-png"
	ofStreaming  = "streaming"
	ofNull       = "null"
	ofReferences = "references"
	ofSeeks      = "seeks"
	ofStack      = "stack"
	ofNaiveStack = "stack-naive"
	ofPlan       = "plan"
	ofSegment    = "segment"
)

// pipelines are the ways to get frames that are compared. Each prepares what a
// warm worker has ready, then does its work in [run.measure].
var pipelines = map[string]func(context.Context, *run) error{
	ofEngine:     engine,
	ofLimit:      limit,
	ofNaive:      naive,
	ofNaivePNG:   naivePNG,
	ofStreaming:  streaming,
	ofNull:       null,
	ofReferences: references,
	ofSeeks:      seeks,
	ofStack:      throughStack,
	ofNaiveStack: naiveStack,
	ofPlan:       plan,
	ofSegment:    segment,
}

// child runs the job that stands in its arguments and prints the outcome.
func child(ctx context.Context, arg string) error {
	var r run
	if err := json.Unmarshal([]byte(arg), &r.job); err != nil {
		return fmt.Errorf("read job: %w", err)
	}
	if err := pipelines[r.Pipeline](ctx, &r); err != nil {
		return fmt.Errorf("%s of %s: %w", r.Pipeline, r.Key, err)
	}
	return json.NewEncoder(os.Stdout).Encode(r.outcome)
}

// measure does what is to be measured.
func (r *run) measure(do func() error) error {
	if r.Twice {
		if err := do(); err != nil {
			return err
		}
		r.FirstByte = 0
	}
	cpu := cpuTime()
	r.began = time.Now()
	err := do()
	r.Wall, r.CPU = time.Since(r.began), cpuTime()-cpu
	return err
}

// cpuTime is what this process and all that it ran and waited for have used.
func cpuTime() time.Duration {
	var sum time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var usage syscall.Rusage
		if err := syscall.Getrusage(who, &usage); err == nil {
			sum += time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
		}
	}
	return sum
}

// firstByte is a writer that notes when it is written to first.
type firstByte struct {
	io.Writer
	run *run
}

func (f firstByte) Write(p []byte) (int, error) {
	f.run.note()
	return f.Writer.Write(p)
}

// note notes that there is something to be uploaded.
func (r *run) note() {
	if r.FirstByte == 0 {
		r.FirstByte = time.Since(r.began)
	}
}

// The store's buckets, and what archives are called.
const (
	videosBucket   = "videos"
	archivesBucket = "archives"
	archiveKey     = "frames.zip"
)

func (r *run) s3() *s3.Client {
	return s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: &r.Store, UsePathStyle: true,
		Credentials: aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider("test", "test", "")),
	})
}

// objects is how the deployed worker reads and writes S3.
func (r *run) objects() *processing.Objects {
	return &processing.Objects{S3: r.s3(), Uploads: videosBucket, Archives: archivesBucket}
}

// url is where a program without an SDK reads the video.
func (r *run) url() string { return r.Store + "/" + videosBucket + "/" + r.Key }

// upload uploads what is written while it is written, as the worker does.
func (r *run) upload(ctx context.Context, objects *processing.Objects, write func(io.Writer) error) error {
	archive := objects.Create(ctx, archiveKey, "application/zip")
	if err := write(firstByte{archive, r}); err != nil {
		archive.Abandon()
		return err
	}
	return archive.Close()
}
