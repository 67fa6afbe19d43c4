package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/fotograma/fotograma/internal/local"
	"github.com/fotograma/fotograma/internal/local/mailbox"
	"github.com/fotograma/fotograma/pkg/client"
)

func demoCommand() *cobra.Command {
	var o local.Options
	var out, extraction string
	cmd := &cobra.Command{
		Use:   "demo VIDEO",
		Short: "Walk one video through the whole system, and check what comes back",
		Long: `Start the stack (or use the one that runs), register a person, verify their address
with the code that was mailed, upload the video, wait for its frames, download and
check them, and show the mail that was sent. The exit code is 0 only if the archive is right.`,
		Example: `  fotograma demo holiday.mp4
  fotograma demo holiday.mp4 --extraction '{"mode": "scenes", "format": "webp", "width": 640}'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return demo(cmd.Context(), o, demoOf{args[0], out, extraction}, cmd.OutOrStdout())
		},
	}
	stackFlags(cmd, &o)
	cmd.Flags().StringVarP(&out, "output", "o", ".demo/frames.zip", "where the ZIP goes")
	cmd.Flags().StringVarP(&extraction, "extraction", "x", "", "what to extract, as the API takes it in JSON; by default one JPEG a second")
	files(cmd, "output")
	return cmd
}

// demoOf is what is walked through the system.
type demoOf struct {
	video, zip string // files
	extraction string // JSON; may be empty
}

func demo(ctx context.Context, o local.Options, d demoOf, out io.Writer) (err error) {
	if d.extraction != "" && !json.Valid([]byte(d.extraction)) {
		return errors.New("--extraction is not JSON")
	}
	for _, path := range []*string{&d.video, &d.zip} { // the stack changes the working directory
		if *path, err = filepath.Abs(*path); err != nil {
			return fmt.Errorf("find %s: %w", *path, err)
		}
	}
	webURL, awsURL := "http://"+o.WebAddr, cmp.Or(o.Endpoint, "http://"+o.AWSAddr)
	if answers(ctx, webURL+"/v1/health") {
		fmt.Fprintf(out, "Using the stack at %s.\n", webURL)
	} else {
		o.Output, o.Quiet = out, true
		started := time.Now()
		stack, startErr := local.Start(ctx, o)
		if startErr != nil {
			return fmt.Errorf("start the stack: %w", startErr)
		}
		defer func() {
			stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
			defer cancel()
			err = errors.Join(err, stack.Close(stopping))
		}()
		webURL, awsURL = stack.WebURL(), stack.AWSURL()
		fmt.Fprintf(out, "The stack is up at %s (%d ms).\n", webURL, time.Since(started).Milliseconds())
	}
	return walk(ctx, webURL, awsURL, d, out)
}

// answers tells whether what a stack has at an address is there, without trying twice.
func answers(ctx context.Context, address string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// walk takes one video all the way through a running stack, whose SES is at awsURL;
// that is empty for AWS itself.
func walk(ctx context.Context, webURL, awsURL string, d demoOf, out io.Writer) error {
	api := client.New(webURL)
	email := fmt.Sprintf("demo-%s@example.com", rand.Text()[:8])
	if err := register(ctx, api, email); err != nil {
		return err
	}
	fmt.Fprintf(out, "Registered %s.\n", email)
	if err := verify(ctx, api, out, awsURL, email); err != nil {
		return err
	}
	fmt.Fprintln(out)

	bars := progressBars(ctx, out)
	video, err := uploadFile(ctx, api, d, bars)
	if err == nil {
		video, err = waitFor(ctx, api, video.ID, bars)
	}
	bars.Wait()
	if err != nil {
		return err
	}
	if video.Error != nil {
		return fmt.Errorf("the video ended as %s: %s", video.Status, video.Error.Message)
	}
	if video.Status != client.Completed {
		return fmt.Errorf("the video ended as %s", video.Status)
	}
	archive, err := fetch(ctx, api, video, d.zip)
	if err != nil {
		return err
	}
	if err := show(out, video, archive); err != nil {
		return err
	}
	if err := showMail(ctx, out, awsURL, email); err != nil {
		return err
	}
	fmt.Fprintln(out, "\nFor more: make up, then open http://127.0.0.1:8080")
	return nil
}

// progressBars draws bars where a person looks on, and none in a log.
func progressBars(ctx context.Context, out io.Writer) *mpb.Progress {
	if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return mpb.NewWithContext(ctx, mpb.WithOutput(out), mpb.WithAutoRefresh())
	}
	return mpb.NewWithContext(ctx, mpb.WithOutput(nil))
}

func register(ctx context.Context, api *client.Client, email string) error {
	password := rand.Text()
	if _, err := api.Register(ctx, client.NewUser{Email: email, Password: password, Name: "Demo"}); err != nil {
		return fmt.Errorf("register: %w", err)
	}
	if err := api.Login(ctx, email, password); err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	return nil
}

func uploadFile(ctx context.Context, api *client.Client, d demoOf, bars *mpb.Progress) (*client.Video, error) {
	file, err := os.Open(d.video)
	if err != nil {
		return nil, fmt.Errorf("open the video: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at the video: %w", err)
	}
	bar := bars.AddBar(info.Size(),
		mpb.PrependDecorators(decor.Name("Uploading ", decor.WCSyncWidthR)),
		mpb.AppendDecorators(decor.CountersKibiByte("% .1f / % .1f")))
	video, err := api.Upload(ctx, file, client.NewVideo{
		Filename: filepath.Base(d.video), Size: info.Size(), ContentType: contentType(d.video),
		Extraction: json.RawMessage(d.extraction), IdempotencyKey: rand.Text(),
	}, &client.UploadOptions{Sent: func(n int) { bar.IncrBy(n) }})
	if err != nil {
		bar.Abort(false)
		return nil, fmt.Errorf("upload: %w", err)
	}
	bar.SetTotal(-1, true)
	return video, nil
}

func contentType(path string) string {
	if media := mime.TypeByExtension(filepath.Ext(path)); media != "" {
		return media
	}
	return "application/octet-stream"
}

func waitFor(ctx context.Context, api *client.Client, id string, bars *mpb.Progress) (*client.Video, error) {
	const whole = 1000
	bar := bars.AddBar(whole,
		mpb.PrependDecorators(decor.Name("Processing ", decor.WCSyncWidthR)),
		mpb.AppendDecorators(decor.Percentage()))
	video, err := api.Wait(ctx, id, func(v *client.Video) { bar.SetCurrent(int64(v.Progress * (whole - 1))) })
	if err != nil || video.Status != client.Completed {
		bar.Abort(false)
	} else {
		bar.SetCurrent(whole)
	}
	if err != nil {
		return nil, fmt.Errorf("wait for the frames: %w", err)
	}
	return video, nil
}

// fetch downloads the archive and checks it.
func fetch(ctx context.Context, api *client.Client, video *client.Video, path string) (*checkedArchive, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("make the folder of the ZIP: %w", err)
	}
	file, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("create the ZIP: %w", err)
	}
	_, err = api.Download(ctx, video.ID, file)
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	archive, err := checkArchive(path)
	if err != nil {
		return nil, fmt.Errorf("the archive is wrong: %w", err)
	}
	if len(archive.Manifest.Frames) != video.Archive.Frames {
		return nil, fmt.Errorf("the archive is wrong: %d frames, not %d", len(archive.Manifest.Frames), video.Archive.Frames)
	}
	return archive, nil
}

func show(out io.Writer, video *client.Video, a *checkedArchive) error {
	frames := a.Manifest.Frames
	first, last := frames[0], frames[len(frames)-1]
	_, err := fmt.Fprintf(out, `
%s: %s, %d × %d, %.2f frames a second, %.2f s
%d frames, %.3f s to %.3f s, %d × %d, every one checked against its SHA-256
%s (%.1f MB)
`, video.Filename, video.Media.Codec, video.Media.Width, video.Media.Height, video.Media.FrameRate, video.Media.Duration,
		len(frames), first.Time, last.Time, first.Width, first.Height, a.Path, float64(a.Size)/1e6)
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// verify gives back the code that was mailed to the person.
func verify(ctx context.Context, api *client.Client, out io.Writer, awsURL, email string) error {
	mails, err := waitMails(ctx, awsURL, email, 1)
	if errors.Is(err, mailbox.ErrNone) {
		fmt.Fprintln(out, "The address is not verified: SES does not tell what it has sent.")
		return nil
	}
	if err != nil {
		return err
	}
	code, _, _ := strings.Cut(mails[0].Subject, " ")
	if err := api.VerifyEmail(ctx, email, code); err != nil {
		return fmt.Errorf("verify the address: %w", err)
	}
	fmt.Fprintln(out, "Verified the address with the code that was mailed to it.")
	return nil
}

// showMail prints the mail that tells of the archive, once it has come after the
// one with the code.
func showMail(ctx context.Context, out io.Writer, awsURL, email string) error {
	mails, err := waitMails(ctx, awsURL, email, 2)
	if errors.Is(err, mailbox.ErrNone) {
		fmt.Fprintln(out, "\nThe mail is not shown: SES does not tell what it has sent.")
		return nil
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\nA mail went to %s: “%s”\n", email, mails[0].Subject)
	return nil
}

// waitMails waits until so many mails have come to an address, and gives them,
// newest first.
func waitMails(ctx context.Context, awsURL, email string, n int) ([]mailbox.Mail, error) {
	if awsURL == "" || awsURL == local.RealAWS {
		return nil, mailbox.ErrNone
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		mails, err := mailbox.To(ctx, awsURL, email)
		if err != nil || len(mails) >= n {
			return mails, err //nolint:wrapcheck // it says what was done
		}
		select {
		case <-ctx.Done():
			return nil, errors.New("no mail has come")
		case <-time.After(100 * time.Millisecond):
		}
	}
}
