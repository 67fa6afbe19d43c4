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
//	Source ── cache ◀── byte ranges ──▶ fotograma-frames ──▶ images ──▶ ZIP
//
// Decoding, converting and encoding happen in a process of their own, a program
// on FFmpeg's libraries (layers/ffmpeg/frames; package frames talks to it in
// wire.go). It says what is in the file ([Media]) and is told which instants are
// wanted, worked out with exact rational arithmetic ([Extraction], instants.go).
// From the packets' times it knows which pictures are on display then, before
// any is decoded, and decodes those and what they refer to. What the decoder
// gives is held against that, and where they differ the program is run again and
// decodes everything ([Result].Plain).
//
// A long video is cut into segments, for several workers, whose entries make the
// very same archive ([Engine.Plan], [Engine.ExtractSegment], [Engine.Finish]).
//
// Which picture is taken, in every odd case, is specified in docs/extraction.md.
//
// # What the program may do
//
// Every input is taken to be hostile. The program gets four pipes and nothing
// else: no shell, no inherited environment, no file, no network, only the demuxers
// of real containers (no playlists, no image sequences, no devices), bounds on
// picture size, memory, CPU time, silence and the archive's size, and a process group
// that is killed as a whole when the context ends or a limit is reached. It takes
// from itself the system calls that it does not need (confine.c).
package frames
