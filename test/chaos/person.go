package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fotograma/fotograma/pkg/client"
)

// person is somebody with an account and a verified address, who tries again what
// does not work.
type person struct {
	*client.Client
	system *system
	id     string
	email  string

	mu      sync.Mutex
	videos  []*client.Video // as they were uploaded, but for those that were deleted
	deleted []*client.Video
}

// aCode is how the subject of a mail with a code begins.
var aCode = regexp.MustCompile("^[0-9A-Z]{4}-[0-9A-Z]{4} ")

// patience is how long anything may take that takes a message's visibility timeout at
// most: three minutes, and what goes on around them.
const patience = 6 * time.Minute

// newPerson opens an account.
func (s *system) newPerson(ctx context.Context) (*person, error) {
	p := &person{Client: s.client(), system: s, email: strings.ToLower(rand.Text()) + "@example.com"}
	password := rand.Text()
	user, err := p.Register(ctx, client.NewUser{Email: p.email, Password: password, Name: "Ana", Locale: "en"})
	if err == nil {
		err = p.Login(ctx, p.email, password)
	}
	if err != nil {
		return nil, fmt.Errorf("open an account: %w", err)
	}
	p.id = user.ID
	err = s.until(ctx, time.Minute, "the code is there", func(ctx context.Context) (bool, error) {
		mails, err := p.mails(ctx)
		return len(mails) > 0, err
	})
	if err != nil {
		return nil, err
	}
	mails, err := p.mails(ctx)
	if err != nil {
		return nil, err
	}
	code, _, _ := strings.Cut(mails[0].Subject, " ")
	return p, p.VerifyEmail(ctx, p.email, code)
}

// upload uploads the film under a name, again and again until that works.
func (p *person) upload(ctx context.Context, name string, f film) (*client.Video, error) {
	key := rand.Text()
	var video *client.Video
	err := p.system.until(ctx, patience, name+" is uploaded", func(ctx context.Context) (bool, error) {
		var err error
		video, err = p.Upload(ctx, bytes.NewReader(f.data), client.NewVideo{
			Filename: name, Size: int64(len(f.data)), ContentType: "video/mp4", Extraction: json.RawMessage(f.extraction), IdempotencyKey: key,
		}, nil)
		if client.IsCode(err, "upload_closed") { // it was uploaded, and the answer was lost
			video, err = p.named(ctx, name)
		}
		return err == nil, err
	})
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.videos = append(p.videos, video)
	return video, nil
}

// remove deletes a video.
func (p *person) remove(ctx context.Context, v *client.Video) error {
	p.videos = slices.DeleteFunc(p.videos, func(other *client.Video) bool { return other.ID == v.ID })
	p.deleted = append(p.deleted, v)
	return p.system.until(ctx, patience, v.Filename+" is deleted", func(ctx context.Context) (bool, error) {
		err := p.Delete(ctx, v.ID)
		if client.IsCode(err, "not_found") { // deleted, and the answer was lost
			return true, nil
		}
		return err == nil, err
	})
}

// named finds a video by its file's name.
func (p *person) named(ctx context.Context, name string) (*client.Video, error) {
	page, err := p.Videos(ctx, "", "", 100)
	if err != nil {
		return nil, err
	}
	for _, v := range page.Videos {
		if v.Filename == name {
			return &v, nil
		}
	}
	return nil, fmt.Errorf("%s is not in the list", name)
}

// ended waits until a video has ended, and gives it.
func (p *person) ended(ctx context.Context, id string) (*client.Video, error) {
	var video *client.Video
	err := p.system.until(ctx, patience, "video "+id+" has ended", func(ctx context.Context) (bool, error) {
		var err error
		video, err = p.Video(ctx, id)
		return err == nil && video.Ended(), err
	})
	return video, err
}

// mail is one that went to a person.
type mail struct {
	Subject string `json:"subject"`
	Text    string `json:"text"`
}

// mails gives those that went to the person so far.
func (p *person) mails(ctx context.Context) ([]mail, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.system.url+"/_fotograma/inbox/messages?limit=500&to="+url.QueryEscape(p.email), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("ask for the mails: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask for the mails: %w", err)
	}
	defer resp.Body.Close()
	var inbox struct {
		Messages []mail `json:"messages"`
	}
	err = json.NewDecoder(resp.Body).Decode(&inbox)
	return inbox.Messages, err
}

// mailsAbout counts the mails that tell of a video's end, by its file's name.
func (p *person) mailsAbout(ctx context.Context, name string) (int, error) {
	mails, err := p.mails(ctx)
	n := 0
	for _, m := range mails {
		if !aCode.MatchString(m.Subject) && strings.Contains(m.Subject+m.Text, name) {
			n++
		}
	}
	return n, err
}
