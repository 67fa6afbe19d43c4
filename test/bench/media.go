package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/fotograma/fotograma/internal/frames"
)

// clip is a video that FFmpeg makes of its own pictures, once.
type clip struct {
	name    string  // of the file, before what it is made of is added
	seconds float64 // how long it is
	from    *clip   // what it is made of, if not of FFmpeg's sources; comes as the input
	input   []string
	output  []string
}

// The pictures are a zoom into the Mandelbrot set under noise that changes with
// every picture: x264 makes 11 Mbit/s of them, and no two pictures are alike.
const pictures = "mandelbrot=size=1920x1080:rate=30:end_pts=2000"

// x264 is FFmpeg's H.264 encoder with its defaults: a keyframe at least every
// 250 pictures, three B-frames with a pyramid, CRF 23.
var x264 = []string{"-c:v", "libx264", "-pix_fmt", "yuv420p"}

// source is a clip with sound, made of the pictures. Its index is at its end, as
// FFmpeg and most cameras write it.
func source(name string, seconds float64) *clip {
	length := fmt.Sprint(seconds)
	return &clip{
		name: name, seconds: seconds,
		input:  []string{"-f", "lavfi", "-i", pictures, "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"},
		output: append([]string{"-t", length, "-vf", "noise=alls=4:allf=t", "-c:a", "aac"}, x264...),
	}
}

// screen is a clip of FFmpeg's test picture that takes little to decode, as a
// recorded screen does.
func screen(name string, seconds float64) *clip {
	return &clip{
		name: name, seconds: seconds,
		input:  []string{"-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=30"},
		output: append([]string{"-t", fmt.Sprint(seconds), "-crf", "40"}, x264...),
	}
}

// loop is a clip repeated, without its sound, and without encoding it again.
func loop(name string, of *clip, times int) *clip {
	return &clip{
		name: name, seconds: of.seconds * float64(times), from: of,
		input:  []string{"-stream_loop", strconv.Itoa(times - 1)},
		output: []string{"-an", "-c", "copy"},
	}
}

// encode is a clip in another size, codec or container, without its sound.
func encode(name string, of *clip, seconds float64, filter string, output ...string) *clip {
	return &clip{
		name: name, seconds: seconds, from: of,
		output: append([]string{"-t", fmt.Sprint(seconds), "-an", "-vf", filter}, output...),
	}
}

// remux is a clip in another container.
func remux(name string, of *clip, output ...string) *clip {
	return &clip{name: name, seconds: of.seconds, from: of, output: append([]string{"-c", "copy"}, output...)}
}

// file is the name of a clip's file. It changes when what it is made of does.
func (c *clip) file() string {
	extension := filepath.Ext(c.name)
	return strings.TrimSuffix(c.name, extension) + "-" + c.recipe()[:8] + extension
}

func (c *clip) recipe() string {
	made := fmt.Sprintf("%q %q", c.input, c.output)
	if c.from != nil {
		made += c.from.recipe()
	}
	return fmt.Sprintf("%x", sha256.Sum256([]byte(made)))
}

// film gives the path of a clip, which is made where it is missing.
func (c *clip) film(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, c.file())
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	args := append([]string{"-loglevel", "error", "-y"}, c.input...)
	if c.from != nil {
		from, err := c.from.film(ctx, dir)
		if err != nil {
			return "", err
		}
		args = append(args, "-i", from)
	}
	fmt.Fprintf(os.Stderr, "making %s\n", c.file())
	made := filepath.Join(dir, "new-"+c.file()) // its extension tells FFmpeg the container
	args = append(append(args, c.output...), made)
	if out, err := exec.CommandContext(ctx, "ffmpeg", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("make %s: %w: %s", c.name, err, out)
	}
	return path, os.Rename(made, path)
}

// packet is a picture as it lies in the file, in decoding order.
type packet struct {
	shown float64 // when, in seconds
	size  int64   // bytes
	key   bool
}

// needed is how many bytes of a video hold the wanted pictures and those without
// which they do not decode: from each keyframe to the last wanted picture before
// the next.
func needed(ctx context.Context, video string, x frames.Extraction) (int64, error) {
	out, err := exec.CommandContext(ctx, "ffprobe", "-loglevel", "error", "-select_streams", "v",
		"-show_entries", "packet=pts_time,size,flags", "-of", "csv=print_section=0", video).Output()
	if err != nil {
		return 0, fmt.Errorf("list the packets of %s: %w", video, err)
	}
	var packets []packet
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		fields := strings.Split(lines.Text(), ",")
		if len(fields) < 3 {
			continue
		}
		shown, errShown := strconv.ParseFloat(fields[0], 64)
		size, errSize := strconv.ParseInt(fields[1], 10, 64)
		if errShown != nil || errSize != nil {
			return 0, fmt.Errorf("list the packets of %s: %q", video, lines.Text())
		}
		packets = append(packets, packet{shown, size, strings.HasPrefix(fields[2], "K")})
	}
	return sumNeeded(packets, every(x)), nil
}

// sumNeeded looks at one group of pictures after the other.
func sumNeeded(packets []packet, step float64) int64 {
	shown := make([]float64, len(packets))
	for i, p := range packets {
		shown[i] = p.shown
	}
	slices.Sort(shown)
	var sum, group, upToWanted int64
	for _, p := range packets {
		if p.key {
			sum += upToWanted
			group, upToWanted = 0, 0
		}
		group += p.size
		i, _ := slices.BinarySearch(shown, p.shown)
		next := shown[min(i+1, len(shown)-1)]
		if instant := math.Ceil((p.shown-shown[0]-microsecond)/step) * step; instant < next-shown[0]-microsecond {
			upToWanted = group
		}
	}
	return sum + upToWanted
}

// microsecond is how exactly ffprobe prints times.
const microsecond = 1e-6
