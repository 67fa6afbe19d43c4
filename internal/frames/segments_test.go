package frames

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
)

// inSegments extracts by a plan of many segments, each by an engine of its own,
// and through JSON as between machines.
func inSegments(t *testing.T, path string, x Extraction, o PlanOptions) ([]byte, Plan) {
	t.Helper()
	ctx := context.Background()
	plan, err := engine(t, Config{}).Plan(ctx, open(t, path), x, o)
	if err != nil {
		t.Fatalf("planning: %v", err)
	}
	text, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	var runs []Run
	var state json.RawMessage
	opts := ExtractOptions{Filename: "clip"}
	for i := range plan.Segments {
		var carried Plan
		if err := json.Unmarshal(text, &carried); err != nil {
			t.Fatal(err)
		}
		run, err := engine(t, Config{}).ExtractSegment(ctx, open(t, path), carried, i, state, opts, &out)
		if err != nil {
			t.Fatalf("segment %d of %d: %v", i, len(plan.Segments), err)
		}
		if plan.Chained {
			state = run.State
		}
		travelled, err := json.Marshal(run)
		if err != nil {
			t.Fatal(err)
		}
		var arrived Run
		if err := json.Unmarshal(travelled, &arrived); err != nil {
			t.Fatal(err)
		}
		runs = append(runs, arrived)
	}
	if _, err := engine(t, Config{}).Finish(plan, runs, opts, &out); err != nil {
		t.Fatalf("finishing: %v", err)
	}
	return out.Bytes(), plan
}

func TestSegmentsMakeTheSameArchive(t *testing.T) {
	paths := []string{
		made("vfr.mp4"), made("held.mp4"), made("open-gop.mp4"), made("hevc.mp4"), made("fast.mp4"), made("sound.ts"), made("offset.mkv"),
		made("fragmented.mp4"), made("edited.mp4"), made("vp9.webm"), made("prores.mov"), made("mpeg4.avi"), made("backwards.mkv"), made("hevc.ts"), footage(bunny),
	}
	for i, x := range []Extraction{
		{FPS: 7.0 / 3, Start: new(0.35), End: new(9.7)},
		{FPS: 31, Format: FormatPNG, Width: 64, MaxFrames: 70},
		{FPS: 12, Sprite: true, Width: 48},
		{Timestamps: []float64{0, 0, 0.2, 0.21, 1.5, 2, 9, 28.3}},
		{EveryNth: 3, Start: new(0.1), Width: 48},
		{FPS: 10, Dedupe: true, Sprite: true, Width: 48, MaxFrames: 110},
		{Mode: ModeKeyframes},
		{Mode: ModeScenes, Threshold: new(0.02), Start: new(0.5), End: new(20.0)},
		{Count: 13},
		{EveryNth: 4, Dedupe: true, Sprite: true, Width: 48},
	} {
		for j, path := range paths {
			// Each kind of extraction on real footage, and on half of the rest.
			if j != len(paths)-1 && i > 2 && (i+j)%2 == 0 {
				continue
			}
			name := fmt.Sprintf("%s/%s", filepath.Base(path), describe(x))
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				sequential, err := tryExtract(t, engine(t, Config{}), open(t, path), x)
				if errors.Is(err, &Error{Code: CodeNoFrames}) {
					t.Skip("nothing to be cut")
				}
				if err != nil {
					t.Fatal(err)
				}
				got, plan := inSegments(t, path, x, PlanOptions{Work: 1, MaxSegments: 5})
				if len(plan.Segments) < 2 && sequential.result.Frames > 100 {
					t.Errorf("%d segments for %d frames", len(plan.Segments), sequential.result.Frames)
				}
				if !bytes.Equal(got, sequential.bytes) {
					parallel := unpack(t, Result{}, got)
					t.Errorf("%d segments give %d frames in %d bytes, one run %d frames in %d bytes",
						len(plan.Segments), len(parallel.manifest.Frames), len(got), sequential.result.Frames, len(sequential.bytes))
				}
			})
		}
	}
}

func describe(x Extraction) string {
	text, err := json.Marshal(x)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func TestTooMuchWorkIsLeftToAPlan(t *testing.T) {
	try := func(path string, x Extraction, work int64) (int, error) {
		var out bytes.Buffer
		_, err := engine(t, Config{}).Extract(context.Background(), open(t, path), x, ExtractOptions{MaxWork: work}, &out)
		return out.Len(), err
	}
	// Bunny's 720 pictures of 854 by 480 are the work of 142 of 1920 by 1080.
	if _, err := try(footage(bunny), Extraction{FPS: 1}, 1000); err != nil {
		t.Errorf("a short video: %v", err)
	}
	for name, x := range map[string]Extraction{"decoding": {FPS: 1}, "encoding": {FPS: 100, End: new(1.0)}, "scenes": {Mode: ModeScenes}} {
		if n, err := try(footage(bunny), x, 30); !errors.Is(err, ErrTooMuch) || n > 0 {
			t.Errorf("%s: %v after %d bytes", name, err, n)
		}
	}
	if _, err := try(footage(bunny), Extraction{Timestamps: []float64{29}}, 100); err != nil {
		t.Errorf("one picture: %v", err)
	}
}
