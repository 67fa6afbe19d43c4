package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	collector "github.com/fotograma/fotograma/internal/local/traces"
	"github.com/fotograma/fotograma/pkg/client"
)

// The trace that the tests' client names, of which it has exported no span.
const (
	traceID     = "4bf92f3577b34da6a3ce929d0e0e4736"
	clientSpan  = "00f067aa0ba902b7"
	traceparent = "00-" + traceID + "-" + clientSpan + "-01"
)

// spans gives what is kept of a trace, by its ID or a video's.
func (s *stack) spans(t *testing.T, id string) []collector.Span {
	t.Helper()
	resp, err := http.Get("http://" + s.web + collector.Path + id + "/spans")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return nil
	}
	var kept struct {
		Spans []collector.Span `json:"spans"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&kept); err != nil {
		t.Fatal(err)
	}
	return kept.Spans
}

// step is a span as a test names it.
type step struct{ service, name string }

// connected checks that the spans hang together: each below another one, or below the
// client's. It gives the steps.
func connected(t *testing.T, spans []collector.Span) map[step]int {
	t.Helper()
	known := map[string]bool{clientSpan: true}
	for _, span := range spans {
		known[span.ID] = true
	}
	steps := map[step]int{}
	for _, span := range spans {
		if span.TraceID != traceID || !known[span.ParentID] {
			t.Errorf("%s of %s is in trace %s below %q, which is not there", span.Name, span.Service, span.TraceID, span.ParentID)
		}
		steps[step{plain(span.Service), plain(span.Name)}]++
	}
	return steps
}

// plain is a name without the stack's, which functions' and queues' begin with.
func plain(name string) string { return strings.ReplaceAll(name, "fotograma-", "") }

// traced uploads a video within the tests' trace, waits until its mail has come, and
// gives the steps of all that came of it, and the video.
func (s *stack) traced(t *testing.T, extraction string, last ...step) (map[step]int, string) {
	t.Helper()
	p := s.person(t, "en")
	file := read(t, bunny)
	video, err := p.Upload(client.WithTraceparent(t.Context(), traceparent), bytes.NewReader(file), client.NewVideo{
		Filename: "secret-name.mp4", Size: int64(len(file)), ContentType: "video/mp4", Extraction: json.RawMessage(extraction),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.completed(video.ID)
	p.waitMails(1)
	var steps map[step]int
	until(t, "the last functions have told of their spans", func() bool {
		steps = map[step]int{}
		for _, span := range s.spans(t, traceID) {
			steps[step{plain(span.Service), plain(span.Name)}]++
		}
		return !slices.ContainsFunc(last, func(l step) bool { return steps[l] == 0 })
	})
	s.settled(t)
	spans := s.spans(t, traceID)
	if byVideo := s.spans(t, video.ID); len(byVideo) == 0 || byVideo[0].TraceID != traceID {
		t.Errorf("by its video the trace is not found")
	}
	for _, span := range spans {
		for name, value := range span.Attributes {
			if strings.Contains(value, "secret-name") || strings.Contains(value, p.email) || strings.Contains(value, "Ana") {
				t.Errorf("%s of %s tells %s = %s", span.Name, span.Service, name, value)
			}
		}
	}
	return connected(t, spans), video.ID
}

func TestOneUploadIsOneTraceFromTheRequestToTheMail(t *testing.T) {
	needsBuiltIn(t, "the names of the functions' queues")
	t.Parallel()
	s := ownStack(t)
	steps, video := s.traced(t, `{"fps":1}`, step{"NotifyFunction", "process notification"}, step{"ProjectorFunction", "process status"})
	for _, want := range []step{
		{"VideoFunction", "POST /v1/videos"},
		{"VideoFunction", "DynamoDB/TransactWriteItems"},
		{"VideoFunction", "send status"},
		{"VideoFunction", "POST /v1/videos/{id}/complete"},
		{"ProcessFunction", "process processing"},
		{"ProcessFunction", "S3/GetObject"},
		{"ProcessFunction", "probe"},
		{"ProcessFunction", "decode"},
		{"ProcessFunction", "zip"},
		{"ProcessFunction", "upload"},
		{"ProcessFunction", "send notification"},
		{"ProjectorFunction", "process status"},
		{"ProjectorFunction", "DynamoDB/PutItem"},
		{"VideoEventsFunction", "process video-events"},
		{"NotifyFunction", "process notification"},
		{"NotifyFunction", "SES/SendRawEmail"},
	} {
		if steps[want] == 0 {
			t.Errorf("no %q of %s in %v", want.name, want.service, steps)
		}
	}
	for _, once := range []step{{"ProcessFunction", "process processing"}, {"NotifyFunction", "SES/SendRawEmail"}} {
		if n := steps[once]; n != 1 {
			t.Errorf("%d times %q of %s", n, once.name, once.service)
		}
	}
	code, stdout, stderr := s.fotograma(t, "trace", video, "--addr", s.web)
	first, mailed := strings.Index(stdout, "POST /v1/videos"), strings.Index(stdout, "SES/SendRawEmail")
	if code != 0 || stderr != "" || first < 0 || mailed < first || !strings.HasPrefix(stdout, "BEGAN") {
		t.Errorf("exit %d, %s, shows\n%s", code, stderr, stdout)
	}
}

func TestAVideoInSegmentsIsOneTraceToo(t *testing.T) {
	needsBuiltIn(t, "the names of the functions' queues")
	t.Parallel()
	steps, _ := sharing(t).traced(t, long, step{"NotifyFunction", "process notification"})
	if n := steps[step{"ProcessFunction", "process segments"}]; n < 5 {
		t.Errorf("%d messages of segments", n)
	}
	for _, want := range []step{{"ProcessFunction", "plan"}, {"ProcessFunction", "send segments"}, {"ProcessFunction", "decode"}, {"ProcessFunction", "verify"}, {"NotifyFunction", "SES/SendRawEmail"}} {
		if steps[want] == 0 {
			t.Errorf("no %q of %s in %v", want.name, want.service, steps)
		}
	}
}

// wantTraced waits until steps are in one trace, which is found by its ID or a video's:
// functions tell of their spans when they have ended.
func (s *stack) wantTraced(t *testing.T, id string, want ...step) {
	t.Helper()
	for _, w := range want {
		until(t, fmt.Sprintf("%q of %s is in the trace of %s", w.name, w.service, id), func() bool {
			spans := s.spans(t, id)
			return slices.ContainsFunc(spans, func(span collector.Span) bool {
				return step{plain(span.Service), plain(span.Name)} == w && span.TraceID == spans[0].TraceID
			})
		})
	}
}

func TestAProblemNamesTheTraceOfItsLogLines(t *testing.T) {
	needsBuiltIn(t, "the log of the functions")
	t.Parallel()
	s := ownStack(t)
	p := s.person(t, "en")
	_, err := p.Video(client.WithTraceparent(t.Context(), traceparent), "nothing")
	if problem, ok := errors.AsType[*client.Problem](err); !ok || problem.TraceID != traceID {
		t.Fatalf("the problem is %+v", err)
	}
	_, err = p.Video(t.Context(), "nothing")
	problem, ok := errors.AsType[*client.Problem](err)
	if !ok || len(problem.TraceID) != len(traceID) || problem.TraceID == traceID {
		t.Fatalf("without a trace the problem is %+v", err)
	}
	for _, id := range []string{traceID, problem.TraceID} {
		until(t, "the log has the trace", func() bool {
			log, _ := os.ReadFile(filepath.Join(s.dir, "stack.log"))
			return bytes.Contains(log, []byte(id))
		})
	}
}
