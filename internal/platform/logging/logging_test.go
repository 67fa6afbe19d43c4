package logging_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/fotograma/fotograma/internal/platform/logging"
	"github.com/fotograma/fotograma/internal/platform/tracing"
)

func TestTheContextsAttributesStandOnEveryLine(t *testing.T) {
	t.Setenv("AWS_LAMBDA_FUNCTION_NAME", "VideoFunction")
	var out bytes.Buffer
	log := logging.New(&out, slog.LevelInfo).With("component", "test")

	outer := logging.With(t.Context(), slog.String("request_id", "r1"))
	logging.With(outer, slog.String("video_id", "other")) // must not leak into its sibling
	inner := logging.With(outer, slog.String("video_id", "v1"))
	inner = tracing.Continue(inner, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	log.DebugContext(inner, "too fine")
	log.InfoContext(inner, "done", "n", 1)

	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("not one JSON line: %v\n%s", err, out.String())
	}
	for name, want := range map[string]any{
		"msg": "done", "level": "INFO", "function": "VideoFunction", "component": "test",
		"request_id": "r1", "video_id": "v1", "n": 1.0, "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
	} {
		if line[name] != want {
			t.Errorf("%s is %v, want %v", name, line[name], want)
		}
	}
}
