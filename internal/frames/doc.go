// Package frames is Fotograma's extraction engine. It takes a video and a
// description of which frames are wanted, and writes a ZIP archive that holds
// those frames and a manifest.
//
// It knows nothing of AWS. A video is anything that can be read at an offset
// (a [Source]: an S3 object by range requests, or a local file), the archive
// goes to an [io.Writer], and both happen in one pass without temporary files
// and with memory that does not depend on the video's length.
//
// # How a frame travels
//
//	Source ── cache ── loopback HTTP ──▶ ffmpeg ──▶ images ──▶ ZIP
//	                                        └──────▶ trace of timestamps ─┘
//
// FFmpeg decodes, converts and encodes in a process of its own. It reads the
// video from a range server on 127.0.0.1 under an unguessable path ([serve]),
// writes the images to one pipe and to a second pipe, for every picture that
// it decodes, that picture's presentation timestamp. From those timestamps the
// engine works out, with exact rational arithmetic, which picture is on display
// at which wanted instant ([timeline]); FFmpeg's filter graph makes the same
// decision ([selection]) so that pictures nobody wants are not encoded, and the
// two decisions are compared for every picture.
//
// Which picture that is, in every odd case, is specified in docs/extraction.md.
//
// # What FFmpeg may do
//
// Every input is taken to be hostile. FFmpeg gets no shell, no standard input,
// no inherited environment, no protocol but HTTP over TCP to that one address,
// only the demuxers of real containers (no playlists, no image sequences, no
// devices), bounds on picture size, allocation and silence, and a process group
// that is killed as a whole when the context ends or a limit is reached.
package frames
