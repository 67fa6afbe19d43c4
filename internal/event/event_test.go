package event_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/internal/event"
)

var at = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func TestAnEventComesBackAsItWent(t *testing.T) {
	sent := event.ProcessingCompleted{
		VideoRef: event.VideoRef{VideoID: "v", OwnerID: "o", Run: 2},
		Filename: "férias <1>.mp4",
		Media:    event.Media{Duration: 1.5, Width: 640, Height: 360, FrameRate: 29.97, Codec: "h264", Rotation: 90},
		Archive:  event.Archive{Key: "o/v/2.zip", Frames: 2, Size: 3, SHA256: "ab", ExpiresAt: at},
		Warnings: []string{"truncated"},
	}
	e, err := event.New("/processing", "id-1", at, sent)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := event.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if parsed.SpecVersion() != "1.0" || parsed.ID() != "id-1" || parsed.Subject() != "v" || !parsed.Time().Equal(at) {
		t.Errorf("envelope %v", parsed)
	}
	got, err := event.As[event.ProcessingCompleted](parsed)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sent, got); diff != "" {
		t.Errorf("data (-sent +got):\n%s", diff)
	}
}

func TestWhatIsNotAnEventIsMalformed(t *testing.T) {
	for name, body := range map[string]string{
		"not JSON":        "hello",
		"empty":           "",
		"no envelope":     `{"video_id": "v"}`,
		"no id":           `{"specversion":"1.0","source":"/x","type":"t"}`,
		"another version": `{"specversion":"9.9","id":"1","source":"/x","type":"t"}`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := event.Parse([]byte(body)); !errors.Is(err, event.ErrMalformed) {
				t.Errorf("error %v, want ErrMalformed", err)
			}
		})
	}
}

func TestAnEventIsNotReadAsAnother(t *testing.T) {
	e, err := event.New("/video", "id-1", at, event.VideoDeleted{VideoRef: event.VideoRef{VideoID: "v", OwnerID: "o"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := event.As[event.CancelRequested](e); !errors.Is(err, event.ErrMalformed) {
		t.Errorf("error %v, want ErrMalformed", err)
	}
}

func TestUploadMetadataComesBack(t *testing.T) {
	for name, sent := range map[string]event.Upload{
		"short": {Filename: "ação.mp4", SHA256: strings.Repeat("a", 64), Extraction: json.RawMessage(`{"mode":"fps"}`)},
		"long":  {Filename: strings.Repeat("<", 255), Extraction: json.RawMessage(`{"timestamps":` + timestamps(250) + `}`)},
	} {
		sent.VideoRef = event.VideoRef{VideoID: "v", OwnerID: "o", Run: 1}
		value, err := sent.Encode()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, r := range value {
			if r > 0x7e || r < 0x21 {
				t.Fatalf("%s: %q in S3 metadata", name, r)
			}
		}
		if len(value) > event.MaxMetadata {
			t.Errorf("%s: %d bytes", name, len(value))
		}
		got, err := event.DecodeUpload(value)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(sent, got); diff != "" {
			t.Errorf("%s (-sent +got):\n%s", name, diff)
		}
	}
}

// timestamps gives a JSON list of n instants that are some seconds apart.
func timestamps(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%.3f", float64(i)*7+float64(i*7919%1000)/1000)
	}
	return "[" + strings.Join(list, ",") + "]"
}

func TestUploadMetadataThatS3WouldRefuse(t *testing.T) {
	for name, extraction := range map[string]string{
		"more than fits":                `{"timestamps":` + timestamps(2000) + `}`,
		"more than would be read again": `{"timestamps":[` + strings.Repeat("1,", 40_000) + `1]}`,
	} {
		big := event.Upload{VideoRef: event.VideoRef{VideoID: "v", OwnerID: "o"}, Extraction: json.RawMessage(extraction)}
		if _, err := big.Encode(); !errors.Is(err, event.ErrTooLong) {
			t.Errorf("%s: %v, want ErrTooLong", name, err)
		}
	}
}

func FuzzDecodeUpload(f *testing.F) {
	value, err := event.Upload{VideoRef: event.VideoRef{VideoID: "v", OwnerID: "o", Run: 1}, Extraction: json.RawMessage(`{}`)}.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(value)
	f.Add("")
	f.Add("e30")
	f.Add("z.")
	f.Add("z.q1bKK81VslJQKk5NLlYCAA")
	f.Fuzz(func(t *testing.T, value string) {
		u, err := event.DecodeUpload(value)
		if err != nil && !errors.Is(err, event.ErrMalformed) {
			t.Errorf("error %v is not ErrMalformed", err)
		}
		if err == nil && (u.VideoID == "" || u.OwnerID == "") {
			t.Errorf("%+v names no video", u)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"specversion":"1.0","id":"1","source":"/video","type":"fotograma.video.deleted.v1","subject":"v","time":"2026-01-01T00:00:00Z","datacontenttype":"application/json","data":{"video_id":"v","owner_id":"o","run":1}}`))
	f.Add([]byte(`{"specversion":"0.3"}`))
	f.Add([]byte(`{"specversion":"1.0","id":"1","source":"%","type":"fotograma.video.deleted.v1","data_base64":"!"}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := event.Parse(body)
		if err != nil && !errors.Is(err, event.ErrMalformed) {
			t.Fatalf("error %v is not ErrMalformed", err)
		}
		if err != nil {
			return
		}
		if _, err := event.As[event.VideoDeleted](e); err != nil && !errors.Is(err, event.ErrMalformed) {
			t.Errorf("error %v is not ErrMalformed", err)
		}
		if e.ID() == "" || e.Source() == "" || e.Type() == "" {
			t.Errorf("%s has no ID, source or type", body)
		}
	})
}

func FuzzParseUploadKey(f *testing.F) {
	f.Add("owner/video")
	f.Add("owner/video/more")
	f.Add("/")
	f.Fuzz(func(t *testing.T, key string) {
		owner, video, err := event.ParseUploadKey(key)
		if err == nil && event.UploadKey(owner, video) != key {
			t.Errorf("%q became %q and %q", key, owner, video)
		}
	})
}
