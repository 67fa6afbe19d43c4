package frames

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTraceIsRead(t *testing.T) {
	const text = "frame:0    pts:0       pts_time:0\nfotograma_decoded=1\n" +
		"frame:0    pts:1       pts_time:0.0001\nfotograma_selected=1\n" +
		"frame:1    pts:-512    pts_time:-0.04\nfotograma_decoded=1\n" +
		"frame:2    pts:NOPTS   pts_time:NOPTS\nfotograma_decoded=1\n" +
		"frame:123456 pts:3600126000 pts_time:40001.4\nfotograma_decoded=1\n" +
		"frame:7    pts:9   pts_ti"
	want := []traced{
		{traceDecoded, 0, true},
		{traceSelected, 1, true},
		{traceDecoded, -512, true},
		{traceDecoded, 0, false},
		{traceDecoded, 3600126000, true},
	}
	reader := newTraceReader(strings.NewReader(text))
	var got []traced
	for {
		picture, err := reader.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, picture)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(traced{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestTraceIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"something else":           "hello\n",
		"no timestamp":             "frame:1 n:2\nk=1\n",
		"a timestamp out of range": "frame:1 pts:99999999999999999999\nk=1\n",
		"no key":                   "frame:1 pts:1\nframe:2 pts:2\n",
		"a line that does not end": "frame:" + strings.Repeat("1", 10_000),
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := newTraceReader(strings.NewReader(text)).next(); err == nil || errors.Is(err, io.EOF) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func FuzzTrace(f *testing.F) {
	f.Add("frame:0    pts:0       pts_time:0\nfotograma_decoded=1\nframe:2    pts:NOPTS   pts_time:NOPTS\nx=1\n")
	f.Fuzz(func(t *testing.T, text string) {
		reader := newTraceReader(strings.NewReader(text))
		for range len(text) + 1 {
			if _, err := reader.next(); err != nil {
				return
			}
		}
		t.Fatal("more pictures than bytes")
	})
}

func FuzzProbe(f *testing.F) {
	f.Add(`{"program_version":{"version":"5.1"},"streams":[{"index":0,"codec_name":"h264","codec_type":"video","width":854,"height":480,
		"avg_frame_rate":"24/1","time_base":"1/12288","start_pts":0,"duration_ts":368640,"disposition":{"default":1},
		"side_data_list":[{"displaymatrix":"\n00000000: 0 65536 0\n00000001: -65536 0 0\n00000002: 0 0 1073741824\n"}]}],
		"format":{"format_name":"mov","duration":"30.022000"}}`)
	f.Add(`{"streams":[{"codec_type":"video","codec_name":"x","width":1,"height":1,"avg_frame_rate":"0/0","time_base":"1001/2147483647"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		m, err := readProbe([]byte(text), "", DefaultLimits())
		if err != nil {
			if !errors.As(err, new(*Error)) {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		x := Extraction{FPS: 29.97, Start: new(1.5)}.WithDefaults()
		if m.Width < 1 || m.Height < 1 {
			t.Fatalf("%d by %d", m.Width, m.Height)
		}
		p := newPicture(m, x)
		if p.filters() == "" {
			t.Fatal("no filters")
		}
		newSelection(newGrid(x, m.base), m, 1)
	})
}
