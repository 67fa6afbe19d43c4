package main

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fotograma/fotograma/internal/local/mailbox"
	"github.com/fotograma/fotograma/pkg/client"
)

// backlog is what came of many videos at once.
type backlog struct {
	videos, frames int
	waiting        int // when the last was uploaded
	uploading      time.Duration
	all            time.Duration // from the first upload to the end of the last video
}

// queue uploads many videos at once, and waits until all have ended.
func (l *load) queue(ctx context.Context) error {
	before, began := len(l.uploads), time.Now()
	who := make([]*person, l.queued)
	for i := range who {
		who[i] = l.people[i%len(l.people)]
	}
	if err := l.sendAll(ctx, who, func(i int) (*clip, int) { return l.short, i%5 + 1 }); err != nil {
		return err
	}
	uploaded := time.Now()
	l.backlog = backlog{videos: l.queued, uploading: uploaded.Sub(began)}
	for _, u := range l.uploads[before:] {
		video, err := ended(ctx, u)
		if err != nil {
			return err
		}
		if video.UpdatedAt.After(uploaded) {
			l.backlog.waiting++
		}
		l.backlog.all = max(l.backlog.all, video.UpdatedAt.Sub(began))
		l.backlog.frames += u.frames
	}
	return nil
}

// lostAfter is how long after its upload a video that has not ended counts as lost.
const lostAfter = time.Hour

// ended waits until a video has ended.
func ended(ctx context.Context, u *upload) (*client.Video, error) {
	for {
		if _, err := u.person.token(ctx); err != nil {
			return nil, err
		}
		video, err := u.person.api.Video(ctx, u.id)
		switch {
		case err != nil && !client.IsCode(err, "not_found"):
			return nil, err
		case err == nil && video.Ended():
			return video, nil
		case time.Since(u.ready) > lostAfter:
			return nil, errors.Join(fmt.Errorf("video %s is lost: %+v", u.id, video), err)
		}
		sleep(ctx, 200*time.Millisecond)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("wait for video %s: %w", u.id, ctx.Err())
		}
	}
}

// steadily keeps the stack under a steady load: requests, browsers, and now and then a
// video, for which it waits in the end.
func (l *load) steadily(ctx context.Context, web string, length time.Duration) error {
	a := l.steady.attack
	a.length = length
	loading, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() { l.attacks = append(l.attacks, l.attack(ctx, web, a)) })
	all.Go(func() { l.onlookers = *crowd(loading, web, l.people[:min(l.steady.browsers, len(l.people))]) })
	var err error
	for n := 0; loading.Err() == nil && err == nil; n++ {
		var u *upload
		if u, err = l.send(ctx, l.people[n%len(l.people)], l.short, n%5+1); err == nil {
			l.uploads = append(l.uploads, u)
		}
		sleep(loading, l.steady.each)
	}
	cancel()
	all.Wait()
	if err != nil {
		return err
	}
	for _, u := range l.uploads {
		if _, err := ended(ctx, u); err != nil {
			return err
		}
	}
	return nil
}

// fileNames are the names of the files that this program uploads.
var fileNames = regexp.MustCompile(`[a-z2-7]{26}\.mp4`)

// sampled: of so many archives one is fetched.
const sampled = 20

// right checks that every video was completed with the frames that were asked for.
func (l *load) right(ctx context.Context) error {
	var mu sync.Mutex
	var errs []error
	var group errgroup.Group
	group.SetLimit(8)
	for i, u := range l.uploads {
		group.Go(func() error {
			err := u.check(ctx, i%sampled == 0)
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
			return nil
		})
	}
	return errors.Join(group.Wait(), errors.Join(errs...))
}

func (u *upload) check(ctx context.Context, whole bool) error {
	if _, err := u.person.token(ctx); err != nil {
		return err
	}
	video, err := u.person.api.Video(ctx, u.id)
	switch {
	case err != nil:
		return fmt.Errorf("video %s: %w", u.id, err)
	case video.Status != client.Completed || video.Filename != u.name || video.Archive == nil || video.Archive.Frames != u.frames:
		return fmt.Errorf("video %s of %d frames came out wrong: %+v", u.id, u.frames, video)
	case !whole:
		return nil
	}
	var archive bytes.Buffer
	if _, err := u.person.api.Download(ctx, u.id, &archive); err != nil { // it checks the SHA-256
		return fmt.Errorf("video %s: %w", u.id, err)
	}
	files, err := zip.NewReader(bytes.NewReader(archive.Bytes()), int64(archive.Len()))
	if err != nil {
		return fmt.Errorf("archive of video %s: %w", u.id, err)
	}
	frames := 0
	for _, f := range files.File {
		if strings.HasPrefix(f.Name, "frames/") {
			frames++
		}
	}
	manifest, err := u.person.api.Manifest(ctx, u.id)
	if err != nil {
		return fmt.Errorf("manifest of video %s: %w", u.id, err)
	}
	if frames != u.frames || manifest.Video.SHA256 != u.clip.sha256 {
		return fmt.Errorf("archive of video %s: %d frames of %s, want %d of %s", u.id, frames, manifest.Video.SHA256, u.frames, u.clip.sha256)
	}
	return nil
}

// mailsWithin is how long after the last video its mail may come.
const mailsWithin = 5 * time.Minute

// mails checks that each person had one mail that tells of each video of theirs, alone
// or with others. It waits for those that are missing. A digest names 40 videos of a
// kind at most, but nobody has as many here.
func (l *load) mails(ctx context.Context, aws string) error {
	waiting, cancel := context.WithTimeout(ctx, mailsWithin)
	defer cancel()
	for {
		mails, err := mailbox.All(ctx, aws)
		if err != nil {
			return err
		}
		told := tellings(mails)
		var missing, twice []string
		l.mailed = 0
		for _, u := range l.uploads {
			switch n := told[u.person.email+" "+u.name]; {
			case n == 0:
				missing = append(missing, u.id)
			case n > 1:
				twice = append(twice, u.id)
			}
		}
		l.mailed = len(l.uploads) - len(missing)
		switch {
		case len(twice) > 0:
			return fmt.Errorf("%d videos were told of twice: %s", len(twice), strings.Join(twice, ", "))
		case len(missing) == 0:
			return nil
		case waiting.Err() != nil:
			return fmt.Errorf("%d videos were not told of: %s", len(missing), strings.Join(missing, ", "))
		}
		sleep(waiting, time.Second)
	}
}

// tellings counts the mails by who was told of which file.
func tellings(mails []mailbox.Mail) map[string]int {
	told := map[string]int{}
	for _, m := range mails {
		names := fileNames.FindAllString(m.Text, -1)
		slices.Sort(names)
		for _, name := range slices.Compact(names) {
			for _, to := range m.To {
				told[strings.ToLower(to)+" "+name]++
			}
		}
	}
	return told
}
