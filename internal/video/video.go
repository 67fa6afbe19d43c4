// Package video is the service that owns the videos as people register, upload,
// cancel, retry and delete them. It signs uploads; it never sees their bytes,
// and it does not know how processing goes: that is told by the status service.
package video

import (
	"encoding/json"
	"errors"
	"mime"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/frames"
	"github.com/fotograma/fotograma/internal/platform/problem"
)

// State is what the video service knows of a video.
type State string

// The states of a video.
const (
	// Awaited: signed, and not known to have arrived. An upload in one POST may
	// have arrived without this service being told.
	Awaited State = "awaited"

	Uploaded  State = "uploaded"
	Abandoned State = "abandoned"
	Deleted   State = "deleted"
)

// Video is one video of one person.
type Video struct {
	ID          string
	OwnerID     string
	Filename    string
	Size        int64 // bytes, as announced
	ContentType string
	SHA256      string // lower-case hex, as announced; may be empty
	Extraction  frames.Extraction

	State    State
	Run      int    // see event.VideoRef
	UploadID string // of a multipart upload; empty for one POST
	PartSize int64  // bytes; 0 for one POST

	CreatedAt      time.Time
	ChangedAt      time.Time // when the event was of what last happened
	UploadDeadline time.Time
	ExpiresAt      time.Time

	Usage Usage

	// Revision counts how often the row was written.
	Revision int
}

// fileGone is when the bucket's lifecycle has surely deleted the file: it counts
// whole days from its arrival, and deletes at midnight.
func (v *Video) fileGone(retentionDays int) time.Time {
	return v.UploadDeadline.Add(uploadSlack).AddDate(0, 0, retentionDays+1)
}

// Key is where the file lies in the uploads bucket.
func (v *Video) Key() string { return event.UploadKey(v.OwnerID, v.ID) }

// Parts is how many parts a multipart upload has.
func (v *Video) Parts() int {
	if v.PartSize == 0 {
		return 0
	}
	return int((v.Size + v.PartSize - 1) / v.PartSize)
}

// partBytes is how many bytes part n has, 1 being the first.
func (v *Video) partBytes(n int) int64 {
	return min(v.PartSize, v.Size-int64(n-1)*v.PartSize)
}

func (v *Video) ref() event.VideoRef {
	return event.VideoRef{VideoID: v.ID, OwnerID: v.OwnerID, Run: v.Run}
}

// metadata is what is signed with the upload for processing to read.
func (v *Video) metadata() (string, error) {
	extraction, err := json.Marshal(v.Extraction)
	if err != nil {
		return "", problem.Wrap("encode the extraction", err)
	}
	value, err := event.Upload{
		VideoRef: v.ref(), Filename: v.Filename, Size: v.Size, SHA256: v.SHA256, Extraction: extraction,
	}.Encode()
	if errors.Is(err, event.ErrTooLong) { // nothing but a list of timestamps can be
		return "", problem.In(problem.InvalidExtraction, "body.extraction.timestamps",
			"is too long to travel with an upload; give fewer, or upload with other options and give the list to POST /v1/videos/{id}/retry")
	}
	if err != nil {
		return "", problem.Wrap("encode the upload", err)
	}
	return value, nil
}

// Request is what a person announces.
type Request struct {
	Filename    string            `json:"filename"`
	Size        int64             `json:"size"` // bytes
	ContentType string            `json:"content_type"`
	SHA256      string            `json:"sha256"`
	Extraction  frames.Extraction `json:"extraction"`
}

// maxFilename is how long a file name may be, in bytes: as on most file systems.
const maxFilename = 255

// check tells what is wrong with a request, as a *problem.Error.
func (r *Request) check(limits Limits) error {
	if reason := checkFilename(r.Filename); reason != "" {
		return problem.In(problem.InvalidRequest, "body.filename", reason)
	}
	if r.Size > limits.UploadBytes {
		return problem.New(problem.TooLarge)
	}
	if !supported(r.ContentType, r.Filename) {
		return problem.New(problem.UnsupportedMedia)
	}
	return nil
}

func checkFilename(name string) string {
	switch {
	case strings.TrimSpace(name) == "":
		return "must not be empty"
	case len(name) > maxFilename:
		return "must not be longer than 255 bytes"
	case !utf8.ValidString(name):
		return "must be UTF-8"
	case strings.ContainsFunc(name, unicode.IsControl), strings.ContainsAny(name, `/\`):
		return "must be a name, without folders and control characters"
	}
	return ""
}

// containers are the media types of video containers that do not begin with
// "video/"; browsers send some of them, and octet-stream for what they do not
// know.
var containers = []string{"application/mp4", "application/ogg", "application/x-matroska", "application/mxf"}

// extensions tell a video by its name where the browser does not know its type.
var extensions = []string{
	".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg",
	".ogv", ".flv", ".3gp", ".3g2", ".mxf", ".wmv", ".asf", ".vob",
}

// supported tells whether a file may be a video, going by what is said of it.
// What it is, FFmpeg finds out.
func supported(contentType, filename string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil || strings.ContainsFunc(contentType, notForHeaders) {
		return false
	}
	if media == "application/octet-stream" {
		return slices.Contains(extensions, strings.ToLower(path.Ext(filename)))
	}
	return strings.HasPrefix(media, "video/") || slices.Contains(containers, media)
}

// notForHeaders tells characters that no HTTP header may hold: S3 would refuse
// the media type.
func notForHeaders(r rune) bool { return r < ' ' || r > '~' }

// multipart tells how large the parts of a video of so many bytes are; 0 when
// it is uploaded in one POST.
func multipart(size int64) int64 {
	if size <= singleUpload {
		return 0
	}
	const mib = 1 << 20
	least := (size + maxParts - 1) / maxParts
	return max(partSize, (least+mib-1)/mib*mib)
}
