package lambda

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOutputIsCutIntoLines(t *testing.T) {
	tests := []struct {
		name   string
		writes []string
		want   []string
	}{
		{"one by one", []string{"a\n", "b\n"}, []string{"a", "b"}},
		{"two at once", []string{"a\nb\n"}, []string{"a", "b"}},
		{"in pieces", []string{"a", "b", "c\nd", "e\n"}, []string{"abc", "de"}},
		{"the last without an end", []string{"a\nb"}, []string{"a", "b"}},
		{"of Windows", []string{"a\r\nb\r\n"}, []string{"a", "b"}},
		{"empty ones", []string{"\n\na\n\n"}, []string{"a"}},
		{"longer than a chunk", []string{strings.Repeat("x", 40<<10) + "\n"}, []string{strings.Repeat("x", 40<<10)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			o, writer, err := newOutput(func(line []byte) { got = append(got, string(line)) })
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range tt.writes {
				if _, err := writer.WriteString(text); err != nil {
					t.Fatal(err)
				}
				o.drain()
			}
			if err := o.close(); err != nil {
				t.Fatal(err)
			}
			if err := writer.Close(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOverlongLineIsCut(t *testing.T) {
	var lengths []int
	o, writer, err := newOutput(func(line []byte) { lengths = append(lengths, len(line)) })
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		o.follow()
	}()
	const length = maxLine + maxLine/2
	if _, err := writer.WriteString(strings.Repeat("x", length) + "\n"); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	<-done
	total := 0
	for _, n := range lengths {
		total += n
	}
	if total != length || slices.Max(lengths) > maxLine+len(o.chunk) || len(lengths) < 2 {
		t.Errorf("%d bytes came as lines of %v", length, lengths)
	}
	if err := o.close(); err != nil {
		t.Error(err)
	}
}

func TestClosingEndsFollowing(t *testing.T) {
	o, writer, err := newOutput(func([]byte) {})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = writer.Close() }() // it stays open, as in a program that escaped
	done := make(chan struct{})
	go func() {
		defer close(done)
		o.follow()
	}()
	if err := o.close(); err != nil {
		t.Fatal(err)
	}
	<-done
}

func TestTailKeepsTheEnd(t *testing.T) {
	var log tail
	for range 1000 {
		log.add([]byte("0123456789"))
	}
	log.add([]byte("the end"))
	got := string(log.bytes())
	if len(got) != maxTail || !strings.HasSuffix(got, "0123456789\nthe end\n") {
		t.Errorf("%d bytes that end with %q", len(got), got[len(got)-20:])
	}
	var none *tail
	none.add([]byte("x"))
	if none.bytes() != nil {
		t.Error("nothing kept something")
	}
}

func TestEmbeddedMetrics(t *testing.T) {
	for line, want := range map[string]bool{
		`{"_aws":{"CloudWatchMetrics":[{}]}}`:               true,
		`{"a":1,"_aws":{"CloudWatchMetrics":[{"a":1}]}}`:    true,
		`{"_aws":{"CloudWatchMetrics":[]}}`:                 false,
		`{"_aws":{}}`:                                       false,
		`{"msg":"\"_aws\""}`:                                false,
		`text with "_aws" in it`:                            false,
		`{"outer":{"_aws":{"CloudWatchMetrics":[{}]}}}`:     false,
		`{"_aws":{"CloudWatchMetrics":[{}]}} and something`: false,
	} {
		if got := isEmbeddedMetric([]byte(line)); got != want {
			t.Errorf("%s: %t", line, got)
		}
	}
}
