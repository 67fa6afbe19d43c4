package frames

import (
	"fmt"
	"time"
)

// Limits bound what one video may cost. What exceeds a limit is refused with
// that limit's code; nothing is cut silently.
type Limits struct {
	// Duration is the longest video ([CodeTooLong]). 12 hours.
	Duration time.Duration
	// Pixels is the largest picture, width times height, of the video and of
	// the frames ([CodeTooManyPixels]). 8192 by 4320.
	Pixels int64
	// Frames is the largest number of frames in one archive
	// ([CodeTooManyFrames]). 100,000.
	Frames int64
	// Silence is the longest time that FFmpeg may work without reading,
	// decoding or writing anything ([CodeStalled]). 2 minutes.
	Silence time.Duration
	// Memory is how many bytes the program may have that can be written to,
	// whether it touches them or not ([CodeTooMuchMemory]). 4 GiB.
	Memory int64
	// CPU is how long the program may compute for one call of the engine, the
	// time of all its threads together ([CodeTooMuchCPU]). 1 hour, which is far
	// more than honest videos take. Fractions of a second count as one.
	CPU time.Duration
	// Output is the size of the largest archive, in bytes ([CodeOutputTooLarge]).
	// 50 GiB.
	Output int64
}

// DefaultLimits returns the limits that [Limits] documents.
func DefaultLimits() Limits {
	return Limits{
		Duration: 12 * time.Hour,
		Pixels:   8192 * 4320,
		Frames:   100_000,
		Silence:  2 * time.Minute,
		Memory:   4 << 30,
		CPU:      time.Hour,
		Output:   50 << 30,
	}
}

// Validate returns an error naming the first limit that is not positive, or
// that is beyond what FFmpeg can be told.
func (l Limits) Validate() error {
	for _, limit := range []struct {
		name       string
		value, max int64
	}{
		{"Duration", int64(l.Duration), int64(30 * 24 * time.Hour)},
		{"Pixels", l.Pixels, MaxSide * MaxSide},
		{"Frames", l.Frames, 100_000_000},
		{"Silence", int64(l.Silence), int64(24 * time.Hour)},
		{"Memory", l.Memory, 1 << 50},
		{"CPU", int64(l.CPU), int64(365 * 24 * time.Hour)},
		{"Output", l.Output, 1 << 50},
	} {
		if limit.value < 1 || limit.value > limit.max {
			return fmt.Errorf("limit %s is %d; it must be 1 to %d", limit.name, limit.value, limit.max)
		}
	}
	return nil
}

// allocation returns the largest single block, in bytes, that FFmpeg may
// allocate: room for a picture in the widest pixel format, with its edges.
func (l Limits) allocation() int64 { return 64<<20 + 16*l.Pixels }

// maxImage returns the size of the largest encoded image of so many pixels, in
// bytes: PNG in RGB that did not compress at all, and some.
func maxImage(pixels int64) int { return int(1<<20 + 4*pixels) }
