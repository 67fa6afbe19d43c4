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
}

// DefaultLimits returns the limits that [Limits] documents.
func DefaultLimits() Limits {
	return Limits{
		Duration: 12 * time.Hour,
		Pixels:   8192 * 4320,
		Frames:   100_000,
		Silence:  2 * time.Minute,
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
