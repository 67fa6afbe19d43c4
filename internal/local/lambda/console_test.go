package lambda_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/internal/local/lambda"
)

func TestConsoleLines(t *testing.T) {
	at := time.Date(2026, 3, 1, 15, 4, 5, 6e6, time.UTC)
	tests := []struct {
		name  string
		entry lambda.Entry
		want  string
	}{
		{
			"a slog line", lambda.Entry{Text: `{"time":"2026-03-01T15:04:05Z","level":"INFO","msg":"video registered","function":"fotograma-video","video_id":"0198","size":1024}`},
			"15:04:05.006 Fn  video registered video_id=0198 size=1024\n",
		},
		{
			"a warning with a group", lambda.Entry{Text: `{"level":"WARN","msg":"slow","media":{"codec":"h264","ok":true},"took":1.5}`},
			"15:04:05.006 Fn  WARN slow media.codec=h264 media.ok=true took=1.5\n",
		},
		{
			"values that need quotes", lambda.Entry{Text: `{"msg":"m","a":"two words","b":"","c":"x=y","d":"say \"hi\""}`},
			"15:04:05.006 Fn  m a=\"two words\" b=\"\" c=\"x=y\" d=\"say \\\"hi\\\"\"\n",
		},
		{
			"lists and null", lambda.Entry{Text: `{"msg":"m","ids":[1,2],"none":null}`},
			"15:04:05.006 Fn  m ids=[1,2] none=null\n",
		},
		{
			"several lines", lambda.Entry{Text: `{"level":"ERROR","msg":"panicked","stack":"main.go:1\nmain.go:2\n"}`},
			"15:04:05.006 Fn  ERROR panicked\n    stack:\n    main.go:1\n    main.go:2\n",
		},
		{
			"an error that aws-lambda-go writes",
			lambda.Entry{Text: `2026/03/01 15:04:05 {"errorMessage":"boom","errorType":"string","stackTrace":[{"path":"main.go","line":7,"label":"handle"}]}`},
			"15:04:05.006 Fn  ERROR boom errorType=string\n    handle main.go:7\n",
		},
		{"text", lambda.Entry{Text: "frame=  100 fps= 25"}, "15:04:05.006 Fn  frame=  100 fps= 25\n"},
		{"JSON that is no object", lambda.Entry{Text: `["msg"]`}, "15:04:05.006 Fn  [\"msg\"]\n"},
		{"broken JSON", lambda.Entry{Text: `{"msg":"m"`}, "15:04:05.006 Fn  {\"msg\":\"m\"\n"},
		{"an unknown level", lambda.Entry{Text: `{"msg":"m","level":"LOUD"}`}, "15:04:05.006 Fn  m level=LOUD\n"},
		{"terminal escapes", lambda.Entry{Text: "a\x1b[2Jb"}, `15:04:05.006 Fn  a\x1b[2Jb` + "\n"},
		{"terminal escapes in a message", lambda.Entry{Text: `{"msg":"a\u001b[2Jb"}`}, `15:04:05.006 Fn  a\x1b[2Jb` + "\n"},
		{
			"the host's own", lambda.Entry{Text: "Task timed out", Platform: true, Level: slog.LevelError},
			"15:04:05.006 Fn  ERROR Task timed out\n",
		},
		{"less serious than asked for", lambda.Entry{Text: "REPORT", Platform: true, Level: slog.LevelDebug}, ""},
		{"a debug line of the function", lambda.Entry{Text: `{"msg":"m","level":"DEBUG"}`}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			console := lambda.NewConsole(&out, lambda.ConsoleOptions{Location: time.UTC})
			tt.entry.Time, tt.entry.Function = at, "Fn"
			console.Print(tt.entry)
			if diff := cmp.Diff(tt.want, out.String()); diff != "" {
				t.Error(diff)
			}
			if err := console.Err(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestConsoleAlignsAndColours(t *testing.T) {
	var out bytes.Buffer
	console := lambda.NewConsole(&out, lambda.ConsoleOptions{Location: time.UTC, Level: slog.LevelDebug})
	console.Print(lambda.Entry{Function: "LongName", Text: "a"})
	console.Print(lambda.Entry{Function: "Short", Text: "REPORT", Platform: true, Level: slog.LevelDebug})
	want := "00:00:00.000 LongName  a\n00:00:00.000 Short     DEBUG REPORT\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	out.Reset()
	console = lambda.NewConsole(&out, lambda.ConsoleOptions{Location: time.UTC, Color: true})
	console.Print(lambda.Entry{Function: "Fn", Text: `{"level":"ERROR","msg":"m"}`})
	if got := out.String(); !strings.Contains(got, "\x1b[31mERROR\x1b[0m m\n") {
		t.Errorf("%q", got)
	}
}

type closedWriter struct{}

var errClosedPipe = errors.New("closed pipe")

func (closedWriter) Write([]byte) (int, error) { return 0, errClosedPipe }

func TestConsoleKeepsTheErrorOfItsWriter(t *testing.T) {
	console := lambda.NewConsole(closedWriter{}, lambda.ConsoleOptions{})
	console.Print(lambda.Entry{Text: "a"})
	if err := console.Err(); !errors.Is(err, errClosedPipe) {
		t.Errorf("error %v", err)
	}
}

func FuzzConsole(f *testing.F) {
	for _, line := range []string{`{"msg":"m","a":{"b":[1]}}`, `2026/03/01 15:04:05 {"errorMessage":1}`, "\x00\xff", `{"stackTrace":[{}]}`} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		var out bytes.Buffer
		console := lambda.NewConsole(&out, lambda.ConsoleOptions{Location: time.UTC, Level: slog.LevelDebug - 100})
		console.Print(lambda.Entry{Function: "Fn", Text: line})
		if strings.ContainsAny(out.String(), "\x1b\x07\r") {
			t.Errorf("control characters reach the terminal: %q", out.String())
		}
	})
}
