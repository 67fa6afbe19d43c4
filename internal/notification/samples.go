package notification

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fotograma/fotograma/internal/event"
)

const (
	sampleOrigin = "https://fotograma.example"
	sampleVideo  = sampleOrigin + "/videos/019cb0a2-1e40-7000-8000-00000000000a"
)

var sampleTime = time.Date(2026, 12, 1, 15, 30, 0, 0, time.UTC)

// samples has all kinds of mails, with what one of each may have to say: previews show
// it, and templates are tried with it.
var samples = map[kind]content{
	kindCompleted: {
		Filename: "Férias & Sol.mp4", Frames: 1234, Size: 56_700_000, ExpiresAt: sampleTime, Notices: []string{"truncated"},
		Link: sampleVideo,
	},
	kindFailed: {
		Filename: "Férias & Sol.mp4", Notices: []string{"no_video_stream"},
		Link: sampleVideo,
	},
	kindExpiring: {
		Filename: "Férias & Sol.mp4", Frames: 1234, ExpiresAt: sampleTime,
		Link: sampleVideo,
	},
	kindDigest: {
		Digest: digest{
			Completed: group{Count: 1250, Videos: []content{
				{Filename: "Férias & Sol.mp4", Frames: 1234, Size: 56_700_000, ExpiresAt: sampleTime, Link: sampleVideo, Notices: []string{"truncated"}},
				{Filename: "Baile.mov", Frames: 1, Size: 40_000, ExpiresAt: sampleTime, Link: sampleVideo},
			}},
			Failed:   group{Count: 1, Videos: []content{{Filename: "Lista.mp4", Notices: []string{"no_video_stream"}, Link: sampleVideo}}},
			Expiring: group{Count: 1, Videos: []content{{Filename: "Carnaval.mkv", Frames: 90, ExpiresAt: sampleTime, Link: sampleVideo}}},
		},
		Link: sampleOrigin + "/",
	},
	kindVerifyEmail:     sampleCode(kindVerifyEmail),
	kindResetPassword:   sampleCode(kindResetPassword),
	kindChangeEmail:     sampleCode(kindChangeEmail),
	kindPasswordChanged: {},
	kindEmailChanged:    {},
	kindNewLogin:        {Device: "Firefox, Linux", Network: "203.0.113.7", At: sampleTime, Link: sampleOrigin + "/settings"},
}

func sampleCode(k kind) content {
	s := &Service{WebOrigin: sampleOrigin}
	return s.codeContent(k, event.CodeRequested{Email: "ana@example.com", ExpiresAt: sampleTime}, "7KQ2-M9XD")
}

// sample gives what a mail of a kind may have to say, to somebody.
func sample(k kind) content {
	c := samples[k]
	c.Name = "Ana"
	if k.optional() {
		c.Unsubscribe = sampleOrigin + "/unsubscribe#token=sample"
	}
	return c
}

// variations are what makes mails of one kind differ from each other. A template must
// do for all of them.
var variations = []struct {
	when   string
	change func(*content)
}{
	{"", func(*content) {}},
	{"to somebody without a name", func(c *content) { c.Name = "" }},
	{"with names that are scripts", func(c *content) { c.Name, c.Filename = `javascript:x("<b>")`, `javascript:x('</a>')` }},
	{"with one frame", func(c *content) { c.Frames = 1 }},
	{"with a million frames", func(c *content) { c.Frames = 1_000_000 }},
	{"with a ZIP of a petabyte", func(c *content) { c.Size = 1e15 }}, // no template can go through its bytes
	{"with no notices", func(c *content) { c.Notices = nil }},
	{"with two notices", func(c *content) { c.Notices = []string{"truncated", "truncated"} }},
	{"of one completed video", func(c *content) { c.Digest = digest{Completed: first(c.Digest.Completed)} }},
	{"of one failed video", func(c *content) { c.Digest = digest{Failed: first(c.Digest.Failed)} }},
	{"of one video that expires", func(c *content) { c.Digest = digest{Expiring: first(c.Digest.Expiring)} }},
	{"of very many videos with long names", func(c *content) { c.Digest = c.Digest.crowded() }},
	{"with an unknown device", func(c *content) { c.Device = "" }},
}

// crowded is a digest that is as long as they get, unless there is none.
func (d digest) crowded() digest {
	if len(d.videos()) == 0 {
		return d
	}
	video := content{
		Filename: strings.Repeat("m", 255), Frames: 1_000_000, Size: 1e12, ExpiresAt: sampleTime, Link: sampleVideo,
		Notices: []string{"truncated"},
	}
	full := group{Count: 1_000_000, Videos: slices.Repeat([]content{video}, namedInDigest)}
	return digest{Completed: full, Failed: full, Expiring: full}
}

// first is a group of its first video alone, if it has any.
func first(g group) group {
	g.Videos = g.Videos[:min(len(g.Videos), 1)]
	g.Count = len(g.Videos)
	return g
}

// kinds gives the kinds of mails, in the order of their names.
func kinds() []kind { return slices.Sorted(maps.Keys(samples)) }
