package event

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
)

// MetadataKey is the S3 user metadata entry (x-amz-meta-fotograma) that holds
// an [Upload].
const MetadataKey = "fotograma"

// MaxMetadata is how long the encoded Upload may be, in bytes: S3 takes 2 KB of
// user metadata with an object, keys and values together.
const MaxMetadata = 2000

// Upload is what processing must know of an uploaded file. It lies with the
// object as S3 metadata and was signed with the upload, so nobody but the video
// service can have written it, and processing reads no other service's table.
// It holds no name and no address of a person.
type Upload struct {
	VideoRef
	Filename   string          `json:"filename"`
	SHA256     string          `json:"sha256,omitempty"` // lower-case hex, as announced
	Extraction json.RawMessage `json:"extraction"`
}

// Encode gives the metadata value: JSON in base64url, since S3 metadata is
// ASCII. It fails when the value would be longer than MaxMetadata.
func (u Upload) Encode() (string, error) {
	raw, err := json.Marshal(u)
	if err != nil {
		return "", fmt.Errorf("encode upload metadata: %w", err)
	}
	value := base64.RawURLEncoding.EncodeToString(raw)
	if len(value) > MaxMetadata {
		return "", fmt.Errorf("encode upload metadata: %d bytes, S3 takes %d", len(value), MaxMetadata)
	}
	return value, nil
}

// DecodeUpload reads the metadata value that Encode gave. The error wraps
// ErrMalformed.
func DecodeUpload(value string) (Upload, error) {
	raw, err := base64.RawURLEncoding.DecodeString(value)
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
