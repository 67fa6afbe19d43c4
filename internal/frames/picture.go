package frames

import (
	"fmt"
	"math"
	"strings"
)

// turn is how stored pictures are turned to be displayed.
type turn struct {
	degrees int    // clockwise
	filters string // FFmpeg's filters that do it, "" for none
}

// sideways reports whether width and height change places.
func (t turn) sideways() bool { return t.degrees == 90 || t.degrees == 270 }

// newTurn reads the first two columns and rows of a display matrix (ISO/IEC
// 14496-12, track header). Rotations that are not by a quarter are taken as the
// nearest that is; a matrix that makes no sense turns nothing.
//
// FFmpeg could do this by itself, but it would turn every picture that it
// decodes; done here, only those that are wanted are turned.
func newTurn(matrix []int32) turn {
	if len(matrix) != 4 {
		return turn{}
	}
	a, b, c, d := float64(matrix[0]), float64(matrix[1]), float64(matrix[2]), float64(matrix[3]) // x' = ax + cy, y' = bx + dy
	if a*d-b*c == 0 {
		return turn{}
	}
	theta := math.Atan2(b/math.Hypot(b, d), a/math.Hypot(a, c)) * 180 / math.Pi
	mirrored := a*d-b*c < 0
	switch (int(math.Round(theta/90)) + 4) % 4 * 90 {
	case 90:
		return turn{90, pick(mirrored, "transpose=cclock_flip", "transpose=clock")}
	case 180:
		return turn{180, pick(mirrored, "hflip", "hflip,vflip")}
	case 270:
		return turn{270, pick(mirrored, "transpose=clock_flip", "transpose=cclock")}
	default:
		return turn{0, pick(mirrored, "vflip", "")}
	}
}

func pick(condition bool, yes, no string) string {
	if condition {
		return yes
	}
	return no
}

// picture is how decoded pictures become images.
type picture struct {
	// scaledWidth and scaledHeight are the whole picture as displayed.
	scaledWidth, scaledHeight int
	// width and height are what is kept of it: the size of the images.
	width, height int
	smaller       bool // than it is stored
	turn          turn
	pixels        string // pixel format of the images
	color         string // options of the scale filter
	encoder       string // FFmpeg's name
	options       string // the encoder's, FFmpeg's syntax
	scale         int    // the encoder's quality as FFmpeg's qscale, 0 if its options say it
}

// newPicture works out the images' size and form.
func newPicture(m Media, x Extraction) picture {
	p := picture{turn: m.turn}
	p.fit(m.Width, m.Height, x)
	switch x.Format {
	case FormatPNG:
		p.pixels = "rgb24"
		p.color = "flags=bicubic:out_range=pc" // bit for bit what FFmpeg itself would make
		p.encoder, p.options = "png", "pred=up:compression_level=1"
	case FormatWebP:
		// Lossy WebP is BT.601 in limited range (RFC 9649, section 2.5).
		p.pixels = "yuv420p"
		p.color = "flags=bicubic+accurate_rnd:out_color_matrix=bt601:out_range=tv"
		p.encoder, p.options = "libwebp", fmt.Sprintf("lossless=0:compression_level=3:quality=%d", x.Quality)
	default:
		// JFIF is BT.601 in full range (ITU-T T.871). The pixel formats that FFmpeg
		// has just for that (yuvj420p, …) would make version 7 forget the matrix, so
		// it is told the range in another way.
		p.pixels = jpegPixels(m.PixelFormat)
		p.color = "flags=bicubic+accurate_rnd:out_color_matrix=bt601:out_range=pc"
		p.encoder, p.options, p.scale = "mjpeg", "color_range=pc:strict=unofficial:qmin=1:qmax=31", jpegScale(x.Quality)
	}
	return p
}

// fit sets the sizes for a source that is displayed as w by h.
func (p *picture) fit(w, h int, x Extraction) {
	p.scaledWidth, p.scaledHeight = w, h
	if x.Width != 0 || x.Height != 0 {
		byWidth, byHeight := float64(x.Width)/float64(w), float64(x.Height)/float64(h)
		scale := byWidth
		switch {
		case x.Width == 0, x.Height != 0 && (byHeight < byWidth) != (x.Fit == FitCover):
			scale = byHeight
		}
		if x.Fit == FitScaleDown {
			scale = min(scale, 1)
		}
		p.scaledWidth = max(1, int(math.Round(float64(w)*scale)))
		p.scaledHeight = max(1, int(math.Round(float64(h)*scale)))
		if x.Fit == FitFill {
			p.scaledWidth, p.scaledHeight = x.Width, x.Height
		}
	}
	p.smaller = p.scaledWidth*p.scaledHeight < w*h
	p.width, p.height = p.scaledWidth, p.scaledHeight
	if x.Fit == FitCover {
		p.width, p.height = min(p.width, x.Width), min(p.height, x.Height)
	}
}

// filters returns FFmpeg's filters that make an image of a decoded picture. One
// that is made smaller is turned after that. Otherwise it is turned before its
// pixels are converted, as FFmpeg itself does it: with more than 8 bits the
// result depends on the order.
func (p *picture) filters() string {
	w, h := p.scaledWidth, p.scaledHeight
	if p.turn.sideways() && p.smaller {
		w, h = h, w
	}
	chain := []string{fmt.Sprintf("scale=w=%d:h=%d:%s", w, h, p.color)}
	switch {
	case p.turn.filters == "":
	case p.smaller:
		chain = append(chain, p.turn.filters)
	default:
		chain = append([]string{p.turn.filters}, chain...)
	}
	if p.width != p.scaledWidth || p.height != p.scaledHeight {
		chain = append(chain, fmt.Sprintf("crop=w=%d:h=%d:exact=1", p.width, p.height))
	}
	return strings.Join(append(chain, "format="+p.pixels), ",")
}

// jpegPixels keeps the source's chroma resolution: anything less would lose
// colour, anything more would only add bytes.
func jpegPixels(source string) string {
	switch {
	case strings.Contains(source, "444"), strings.HasPrefix(source, "gbr"),
		strings.Contains(source, "rgb"), strings.Contains(source, "bgr"), source == "pal8":
		return "yuv444p"
	case strings.Contains(source, "422"), strings.Contains(source, "411"), strings.Contains(source, "410"):
		return "yuv422p"
	default:
		return "yuv420p"
	}
}

// jpegScale maps a quality on libjpeg's scale to that of FFmpeg's JPEG encoder,
// 1 (best) to 31, so that luminance is quantized about as finely on average.
//
// libjpeg multiplies its table (average 57.6) by s = 50/quality below 50, and
// (100-quality)/50 above; FFmpeg multiplies its own (average 33.0, MPEG-1
// intra) by q/8. Equal averages give q = 14 s.
func jpegScale(quality int) int {
	s := float64(100-quality) / 50
	if quality < 50 {
		s = 50 / float64(quality)
	}
	return min(max(int(math.Round(14*s)), 1), 31)
}
