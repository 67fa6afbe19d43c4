package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fotograma/fotograma/internal/frames"
	"github.com/fotograma/fotograma/pkg/client"
)

// extractionFlags adds the options of an extraction.
func extractionFlags(cmd *cobra.Command, x *client.Extraction) {
	flags := cmd.Flags()
	flags.Float64Var(&x.FPS, "fps", 0, "so many frames per second of video; 1 if nothing else is said")
	flags.Float64Var(&x.Interval, "interval", 0, "one frame every so many seconds")
	flags.IntVar(&x.Count, "count", 0, "so many frames, evenly spaced")
	flags.IntVar(&x.EveryNth, "every-nth", 0, "the first picture and every nth after it")
	flags.BoolFunc("keyframes", "the pictures at which decoding can begin", setMode(x, frames.ModeKeyframes))
	flags.BoolFunc("scenes", "the first picture of each scene", setMode(x, frames.ModeScenes))
	flags.Var(optional{&x.Threshold}, "threshold", "how much a picture differs where a scene begins, 0 to 1; 0.3 if not given")
	flags.Float64SliceVar(&x.Timestamps, "timestamps", nil, "a frame at each of these seconds: 0,2.5,61.04")
	flags.Var(optional{&x.Start}, "start", "where to begin, in seconds")
	flags.Var(optional{&x.End}, "end", "where to stop, in seconds")
	flags.IntVar(&x.MaxFrames, "max-frames", 0, "stop after so many frames")
	flags.StringVar(&x.Format, "format", "", "jpeg, png or webp; jpeg if not given")
	flags.IntVar(&x.Quality, "quality", 0, "of jpeg and webp, 1 to 100; 90 if not given")
	flags.IntVar(&x.Width, "width", 0, "of the frames, in pixels; follows from the height if not given")
	flags.IntVar(&x.Height, "height", 0, "of the frames, in pixels; follows from the width if not given")
	flags.StringVar(&x.Fit, "fit", "", "how a picture is brought into width and height: contain, cover, fill or scale-down")
	flags.BoolVar(&x.Dedupe, "dedupe", false, "leave out frames that hardly differ from the one before")
	flags.BoolVar(&x.Sprite, "sprite", false, "add contact sheets and a WebVTT file for players")
	complete(cmd, "format", frames.FormatJPEG, frames.FormatPNG, frames.FormatWebP)
	complete(cmd, "fit", frames.FitContain, frames.FitCover, frames.FitFill, frames.FitScaleDown)
}

// complete has the shell offer the values of a flag.
func complete(cmd *cobra.Command, flag string, values ...string) {
	offer(cmd, flag, values, cobra.ShellCompDirectiveNoFileComp)
}

func offer(cmd *cobra.Command, flag string, values []string, directive cobra.ShellCompDirective) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, directive)); err != nil {
		panic(err) // there is no such flag
	}
}

// files has the shell offer files as arguments, and as values of some flags.
func files(cmd *cobra.Command, flags ...string) {
	cmd.ValidArgsFunction = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault)
	for _, flag := range flags {
		offer(cmd, flag, nil, cobra.ShellCompDirectiveDefault)
	}
}

// folder has the shell offer folders as values of a flag.
func folder(cmd *cobra.Command, flag string) {
	offer(cmd, flag, nil, cobra.ShellCompDirectiveFilterDirs)
}

func setMode(x *client.Extraction, mode string) func(string) error {
	return func(text string) error {
		on, err := strconv.ParseBool(text)
		if on && x.Mode != "" && x.Mode != mode {
			return fmt.Errorf("does not go with --%s", x.Mode)
		}
		if on {
			x.Mode = mode
		}
		return err
	}
}

// optional is a number of which 0 is not the same as none.
type optional struct{ to **float64 }

// Set implements [pflag.Value].
func (o optional) Set(text string) error {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return errors.New("it is not a number")
	}
	*o.to = &n
	return nil
}

// String implements [pflag.Value].
func (o optional) String() string {
	if o.to == nil || *o.to == nil {
		return ""
	}
	return strconv.FormatFloat(**o.to, 'g', -1, 64)
}

// Type implements [pflag.Value].
func (o optional) Type() string { return "float" }

// checkExtraction refuses options that do not go together, before anything is
// read or sent, also those that were given as 0.
func checkExtraction(flags *pflag.FlagSet, x client.Extraction) (frames.Extraction, error) {
	for _, name := range []string{"fps", "interval", "count", "every-nth", "max-frames", "quality", "width", "height"} {
		if f := flags.Lookup(name); f.Changed && f.Value.String() == "0" {
			return frames.Extraction{}, usageError("--%s must be more than 0", name)
		}
	}
	checked := frames.Extraction(x)
	return checked, checked.Validate()
}
