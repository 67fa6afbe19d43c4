package frames

import (
	"bytes"
	"fmt"
	"time"
)

// Contact sheets: tiles of small frames, ten to a row, a hundred to a sheet.
const (
	sheetColumns = 10
	sheetTiles   = 100
	tileSide     = 160 // pixels, of the square that a tile fits into
)

// tile is the size of a frame on a contact sheet.
type tile struct{ width, height int }

func newTile(width, height int) tile {
	side := func(this, other int) int {
		n := min(this*tileSide/max(this, other), this)
		return max(2, n&^1) // 4:2:0 wants even numbers
	}
	return tile{side(width, height), side(height, width)}
}

// filters returns FFmpeg's filters that make a tile of an image.
func (t tile) filters() string {
	return fmt.Sprintf("scale=w=%d:h=%d:flags=area+accurate_rnd:out_color_matrix=bt601:out_range=pc,format=yuv420p", t.width, t.height)
}

// webVTT tells which tile belongs to which time, as video players read it: cues
// of WebVTT (W3C, 2019) whose text is a sheet's address with the tile's place as
// a media fragment (xywh, W3C Media Fragments URI 1.0). Times count from the
// first picture, as a player's do.
func webVTT(frames []Frame, media Media, origin int64) []byte {
	var out bytes.Buffer
	out.WriteString("WEBVTT\n")
	t := newTile(frames[0].Width, frames[0].Height)
	at := func(pts int64) time.Duration {
		seconds := media.base.seconds(pts - origin)
		return time.Duration(seconds * float64(time.Second))
	}
	for i, f := range frames {
		begin, end := at(f.PTS), time.Duration(media.Duration*float64(time.Second))
		if i+1 < len(frames) {
			end = at(frames[i+1].PTS)
		} else if end <= begin {
			end = begin + time.Second
		}
		if end-begin < time.Millisecond {
			continue // the same picture at two instants
		}
		x, y := i%sheetTiles%sheetColumns*t.width, i%sheetTiles/sheetColumns*t.height
		fmt.Fprintf(&out, "\n%s --> %s\nsprites/%06d.jpg#xywh=%d,%d,%d,%d\n",
			vttTime(begin), vttTime(end), i/sheetTiles+1, x, y, t.width, t.height)
	}
	return out.Bytes()
}

func vttTime(d time.Duration) string {
	d = d.Round(time.Millisecond)
	return fmt.Sprintf("%02d:%02d:%02d.%03d", d/time.Hour, d/time.Minute%60, d/time.Second%60, d/time.Millisecond%1000)
}
