package frames

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// Manifest describes an archive; it is the archive's manifest.json.
type Manifest struct {
	Video      Video      `json:"video"`
	Extraction Extraction `json:"extraction"`
	// Frames are in time order, as in the archive.
	Frames []Frame `json:"frames"`
	// Warnings say what a person should know about these frames.
	Warnings []Warning `json:"warnings,omitempty"`
	Engine   Build     `json:"engine"`
}

// Video is where the frames come from.
type Video struct {
	Filename string `json:"filename"`
	// SHA256 of the file in hexadecimal, if it is known.
	SHA256 string `json:"sha256,omitempty"`
	Media  Media  `json:"media"`
}

// Frame is one image in the archive.
type Frame struct {
	// Index counts from 1, as the file names do.
	Index int `json:"index"`
	// File is the name within the archive, "frames/000001.jpg".
	File string `json:"file"`
	// PTS is the presentation timestamp of the picture that is shown, in units
	// of the video's time base. Frames that show the same picture have the same.
	PTS int64 `json:"pts"`
	// Time is PTS in seconds.
	Time float64 `json:"time"`
	// Width and Height of the image in pixels.
	Width  int `json:"width"`
	Height int `json:"height"`
	// Size of the image in bytes.
	Size int64 `json:"size"`
	// SHA256 of the image in hexadecimal.
	SHA256 string `json:"sha256"`
}

// Warning is something that a person should know about an archive.
type Warning struct {
	// Code is one of the Warn constants.
	Code string `json:"code"`
	// Message is an English sentence.
	Message string `json:"message"`
}

// Build is what made an archive.
type Build struct {
	Name   string `json:"name"`
	FFmpeg string `json:"ffmpeg"`
}

// encode writes the manifest as indented JSON with one line per frame, which
// people can read and line-based tools can search.
func (m *Manifest) encode(w io.Writer) error {
	out := bufio.NewWriter(w)
	member := func(name string, value any, end string) error {
		text, err := json.MarshalIndent(value, "  ", "  ")
		if err != nil {
			return fmt.Errorf("writing the manifest's %s: %w", name, err)
		}
		_, err = fmt.Fprintf(out, "  %q: %s%s\n", name, text, end)
		return err
	}
	_, _ = out.WriteString("{\n") // Flush returns what goes wrong
	if err := member("video", m.Video, ","); err != nil {
		return err
	}
	if err := member("extraction", m.Extraction, ","); err != nil {
		return err
	}
	_, _ = out.WriteString("  \"frames\": [")
	for i, frame := range m.Frames {
		text, err := json.Marshal(frame)
		if err != nil {
			return fmt.Errorf("writing frame %d into the manifest: %w", frame.Index, err)
		}
		_, _ = out.WriteString(pick(i == 0, "\n    ", ",\n    "))
		_, _ = out.Write(text)
	}
	_, _ = out.WriteString("\n  ],\n")
	if len(m.Warnings) > 0 {
		if err := member("warnings", m.Warnings, ","); err != nil {
			return err
		}
	}
	if err := member("engine", m.Engine, ""); err != nil {
		return err
	}
	_, _ = out.WriteString("}\n")
	return out.Flush()
}
