package frames

import "fmt"

// Codes of an [Error]. They are stable; other packages translate them.
const (
	// CodeEmptyFile: the file has no content.
	CodeEmptyFile = "empty_file"
	// CodeNotAVideo: the file is not in any video format that is supported.
	CodeNotAVideo = "not_a_video"
	// CodeNoVideoStream: the file has sound, or a cover picture, but no moving picture.
	CodeNoVideoStream = "no_video_stream"
	// CodeUnsupportedCodec: the picture is compressed in a way that cannot be decoded here.
	CodeUnsupportedCodec = "unsupported_codec"
	// CodeUndecodable: it looks like a video, but not one picture could be decoded; it is damaged, incomplete or encrypted.
	CodeUndecodable = "undecodable"
	// CodeNoFrames: the wanted range begins after the video has ended.
	CodeNoFrames = "no_frames"
	// CodeTooLong: the video lasts longer than is allowed.
	CodeTooLong = "too_long"
	// CodeTooManyPixels: the picture, or the size asked for, is larger than is allowed.
	CodeTooManyPixels = "too_many_pixels"
	// CodeTooManyFrames: more frames were asked for than are allowed in one archive.
	CodeTooManyFrames = "too_many_frames"
	// CodeTooMuchMemory: decoding takes more memory than is allowed.
	CodeTooMuchMemory = "too_much_memory"
	// CodeTooMuchCPU: decoding takes more computing than is allowed.
	CodeTooMuchCPU = "too_much_cpu"
	// CodeOutputTooLarge: the archive would be larger than is allowed.
	CodeOutputTooLarge = "output_too_large"
	// CodeStalled: decoding stood still for longer than is allowed.
	CodeStalled = "stalled"
	// CodeEngineFailed: FFmpeg could not be run or broke; not the video's fault as far as can be known, so worth another try.
	CodeEngineFailed = "engine_failed"
)

// Codes of a [Warning].
const (
	// WarnTruncated: the file ends before its video does; the archive holds what was there.
	WarnTruncated = "truncated"
	// WarnDamaged: parts of the video could not be decoded; some frames may be missing or flawed.
	WarnDamaged = "damaged"
	// WarnHDR: the video has a high dynamic range and was not tone mapped; its frames look flat.
	WarnHDR = "hdr_not_tone_mapped"
)

// warnings holds the English sentence of each warning's code, as it goes into
// the manifest.
var warnings = map[string]string{
	WarnTruncated: "The file ends before its video does; the archive holds what was there.",
	WarnDamaged:   "Parts of the video could not be decoded; some frames may be missing or flawed.",
	WarnHDR:       "The video has a high dynamic range and was not tone mapped; its frames look flat.",
}

// Error is a failure with a code from the catalogue above. Failures of the
// source, of the archive's writer and of the context are passed on as they are.
type Error struct {
	// Code is one of the Code constants.
	Code string
	// Detail is for the log: what was found, or what FFmpeg said. It can hold
	// text from the video and is not for the eyes of the person who sent it.
	Detail string
}

// Error returns the code and the detail.
func (e *Error) Error() string {
	if e.Detail == "" {
		return e.Code
	}
	return e.Code + ": " + e.Detail
}

// Is reports whether target is an [*Error] of the same code, so that
// errors.Is(err, &frames.Error{Code: frames.CodeTooLong}) works.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

func fail(code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...)}
}
