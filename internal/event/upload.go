package event

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// MetadataKey is the S3 user metadata entry (x-amz-meta-fotograma) that holds
// an [Upload].
const MetadataKey = "fotograma"

// MaxMetadata is how long the encoded Upload may be, in bytes: S3 takes 2 KB of
// user metadata with an object, keys and values together, and the trace that the
// upload belongs to is beside it (66 bytes with its key).
const MaxMetadata = 1950

// Upload is what processing must know of an uploaded file. It lies with the
// object as S3 metadata and was signed with the upload, so nobody but the video
// service can have written it, and processing reads no other service's table.
// It holds no name and no address of a person.
type Upload struct {
	VideoRef
	Filename   string          `json:"filename"`
	Size       int64           `json:"size,omitempty"`   // bytes, as announced; 0 of uploads from before it was signed
	SHA256     string          `json:"sha256,omitempty"` // lower-case hex, as announced
	Extraction json.RawMessage `json:"extraction"`
}

// ErrTooLong tells that an Upload does not fit into S3's metadata.
var ErrTooLong = errors.New("upload metadata is too long")

// deflated marks a metadata value that is compressed (RFC 1951). The dot is none
// of base64url's characters, so no other value begins with it.
const deflated = "z."

// maxUpload is how long the JSON of an Upload may be, in bytes, when it is
// decompressed.
const maxUpload = 64 << 10

// Encode gives the metadata value: JSON in base64url, since S3 metadata is
// ASCII; compressed if it must be. The error wraps ErrTooLong when even so the
// value would be longer than MaxMetadata.
func (u Upload) Encode() (string, error) {
	raw, err := json.Marshal(u)
	if err != nil {
		return "", fmt.Errorf("encode upload metadata: %w", err)
	}
	value := base64.RawURLEncoding.EncodeToString(raw)
	if len(value) <= MaxMetadata {
		return value, nil
	}
	var small bytes.Buffer
	w, err := flate.NewWriter(&small, flate.BestCompression)
	if err != nil {
		return "", fmt.Errorf("compress upload metadata: %w", err)
	}
	if _, err := w.Write(raw); err != nil {
		return "", fmt.Errorf("compress upload metadata: %w", err)
	}
	if err := w.Close(); err != nil {
		return "", fmt.Errorf("compress upload metadata: %w", err)
	}
	value = deflated + base64.RawURLEncoding.EncodeToString(small.Bytes())
	if len(value) > MaxMetadata || len(raw) > maxUpload {
		return "", fmt.Errorf("encode %d bytes: %w", len(raw), ErrTooLong)
	}
	return value, nil
}

// DecodeUpload reads the metadata value that Encode gave. The error wraps
// ErrMalformed.
func DecodeUpload(value string) (Upload, error) {
	value, compressed := strings.CutPrefix(value, deflated)
	raw, err := base64.RawURLEncoding.DecodeString(value)
	if err == nil && compressed {
		raw, err = io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(raw)), maxUpload))
	}
	if err != nil {
		return Upload{}, fmt.Errorf("%w: upload metadata: %w", ErrMalformed, err)
	}
	var u Upload
	if err := json.Unmarshal(raw, &u); err != nil {
		return Upload{}, fmt.Errorf("%w: upload metadata: %w", ErrMalformed, err)
	}
	if u.VideoID == "" || u.OwnerID == "" {
		return Upload{}, fmt.Errorf("%w: upload metadata names no video", ErrMalformed)
	}
	return u, nil
}

// UploadKey is the key of a video's file in the uploads bucket. The filename
// has no part in it.
func UploadKey(ownerID, videoID string) string {
	return ownerID + "/" + videoID
}

// ParseUploadKey is UploadKey read backwards. The error wraps ErrMalformed.
func ParseUploadKey(key string) (ownerID, videoID string, err error) {
	owner, video, ok := strings.Cut(key, "/")
	if !ok || owner == "" || video == "" || strings.Contains(video, "/") {
		return "", "", fmt.Errorf("%w: upload key %q", ErrMalformed, key)
	}
	return owner, video, nil
}
