package notification

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/batch"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/locale"
)

// kindDigest is the mail that tells of many videos, and the switch that says whether a
// person wants such.
const kindDigest kind = "digest"

// digestKinds are the mails that a digest can stand for.
var digestKinds = []kind{kindCompleted, kindFailed, kindExpiring}

// errEarly is why the message that asks for a digest comes again.
var errEarly = errors.New("the window has not ended")

// namedInDigest is how many videos of each kind a digest names, so that it stays below
// maxMail. It says how many more there are.
const namedInDigest = 40

// digest is what one mail tells of many videos.
type digest struct {
	Completed, Failed, Expiring group
}

// videos gives all that are named.
func (d digest) videos() []content {
	return slices.Concat(d.Completed.Videos, d.Failed.Videos, d.Expiring.Videos)
}

// group is the videos of one kind.
type group struct {
	Videos []content // the first of them
	Count  int       // all of them
}

// More is how many videos have no place in the mail.
func (g group) More() int { return g.Count - len(g.Videos) }

func (g *group) add(video content) {
	g.Count++
	if len(g.Videos) < namedInDigest {
		g.Videos = append(g.Videos, video)
	}
}

func (g group) readable(l locale.Locale) group {
	videos := make([]content, len(g.Videos))
	for i, video := range g.Videos {
		videos[i] = video.readable(l)
	}
	return group{Videos: videos, Count: g.Count}
}

func (d digest) readable(l locale.Locale) digest {
	return digest{Completed: d.Completed.readable(l), Failed: d.Failed.readable(l), Expiring: d.Expiring.readable(l)}
}

// digestOf makes a digest of videos.
func (s *Service) digestOf(videos []collected) digest {
	var d digest
	groups := map[kind]*group{kindCompleted: &d.Completed, kindFailed: &d.Failed, kindExpiring: &d.Expiring}
	for _, video := range videos {
		groups[video.Kind].add(s.contentOf(video))
	}
	return d
}

// maxDecisions is how often a mail's place is looked for while others take such.
const maxDecisions = 5

// alone tells whether the mail of an event goes out now; else a digest tells of it. What
// was decided once for an event stays, but for a mail that could not be sent.
func (s *Service) alone(ctx context.Context, e event.Event, userID string, k kind, c content, wanted switches) (alone bool, err error) {
	if !slices.Contains(digestKinds, k) {
		return true, nil
	}
	video := collected{
		Kind: k, VideoID: e.Subject(), Filename: c.Filename, Frames: c.Frames, Size: c.Size, ExpiresAt: c.ExpiresAt, Notices: c.Notices,
	}
	for range maxDecisions {
		alone, err = s.decide(ctx, userID, e.ID(), video, wanted)
		if !errors.Is(err, errWindowChanged) {
			break
		}
	}
	if errors.Is(err, errWindowChanged) || dynamo.Contended(err) {
		wait := time.Duration(1+rand.IntN(5)) * time.Second //nolint:gosec // spreads load, guards nothing
		return false, &batch.PostponedError{By: wait, Cause: err}
	}
	return alone, err
}

// decide decides of an event, unless that was done before; errWindowChanged if others did
// at the same moment.
func (s *Service) decide(ctx context.Context, userID, eventID string, video collected, wanted switches) (alone bool, err error) {
	kept, err := s.Store.kept(ctx, userID, eventID)
	switch {
	case err != nil:
		return false, err
	case kept != nil && kept.Digest != 0:
		return false, s.askAgain(ctx, userID, kept.Digest)
	case kept != nil || s.DigestWindow == 0 || !wanted.on(kindDigest):
		return true, nil
	}
	return s.place(ctx, userID, eventID, video)
}

// place finds the place of an event in a window of the person's, and tells whether that
// is among those whose mails go alone.
func (s *Service) place(ctx context.Context, userID, eventID string, video collected) (alone bool, err error) {
	w, err := s.openWindow(ctx, userID, eventID)
	switch {
	case err != nil:
		return false, err
	case slices.Contains(w.Alone, eventID):
		return true, nil
	case !w.Streaming && len(w.Alone) < aloneInWindow:
		err := s.Store.goAlone(ctx, w, eventID)
		return err == nil, err
	}
	if err := s.Store.collect(ctx, userID, w, eventID, video); err != nil {
		return false, err
	}
	slog.InfoContext(ctx, "mail waits for a digest", "kind", string(video.Kind))
	return false, s.ask(ctx, userID, w)
}

// openWindow gives the window that the person's videos end in now. It begins one with an
// event if need be.
func (s *Service) openWindow(ctx context.Context, userID, eventID string) (window, error) {
	newest, err := s.Store.window(ctx, userID)
	if err != nil || newest.open(s.Now()) {
		return newest, err
	}
	w := newest.next(s.Now(), s.DigestWindow)
	if !w.Streaming {
		w.Alone = []string{eventID}
	}
	return w, s.Store.openWindow(ctx, w, newest)
}

// ask sends the message that has a window's digest written when it ends. Workers that
// collect at the same moment may send several, which does no harm; one that dies before
// it has sent any, gets its own message again.
func (s *Service) ask(ctx context.Context, userID string, w window) error {
	if w.Asked {
		return nil
	}
	due := event.DigestDue{UserID: userID, Window: w.EndsAt}
	wait := min(max(untilSecond(time.UnixMilli(w.EndsAt).Sub(s.Now())), 0), longestDelay)
	if err := s.Queue.send(ctx, digestID(w.EndsAt), s.Now(), due, wait); err != nil {
		return err
	}
	return s.Store.markAsked(ctx, w)
}

// longestDelay is for how long SQS holds a message back.
const longestDelay = 15 * time.Minute

// untilSecond is a duration in whole seconds, not less.
func untilSecond(d time.Duration) time.Duration {
	return (d + time.Second - time.Nanosecond).Truncate(time.Second)
}

// askAgain is ask, for an event that was collected before: perhaps the worker died that
// had done so.
func (s *Service) askAgain(ctx context.Context, userID string, endsAt int64) error {
	newest, err := s.Store.window(ctx, userID)
	if err != nil {
		return err
	}
	if newest.EndsAt != endsAt { // whether somebody asked for it, is not known any more
		newest = window{Key: newest.Key, EndsAt: endsAt}
	}
	return s.ask(ctx, userID, newest)
}

// digestDue tells a person of what was collected in a window, in one mail, once however
// often it is asked. What they have switched off meanwhile is not in it.
func (s *Service) digestDue(ctx context.Context, e event.Event, due event.DigestDue) error {
	if early := time.UnixMilli(due.Window).Sub(s.Now()); early > 0 {
		return &batch.PostponedError{By: untilSecond(early), Cause: errEarly}
	}
	if err := s.Store.closeWindow(ctx, window{Key: windowKey(due.UserID), EndsAt: due.Window}); err != nil {
		return err
	}
	videos, err := s.Store.collected(ctx, due.UserID, due.Window)
	if err != nil || len(videos) == 0 { // else it was done before
		return err
	}
	if err := s.tellTogether(ctx, e, due.UserID, videos); err != nil {
		return err
	}
	return s.Store.forget(ctx, videos)
}

func (s *Service) tellTogether(ctx context.Context, e event.Event, userID string, videos []collected) error {
	contact, err := s.Store.Contact(ctx, userID)
	if err != nil {
		return err
	}
	wanted, err := s.Store.switches(ctx, userID)
	if err != nil {
		return err
	}
	left := slices.DeleteFunc(slices.Clone(videos), func(video collected) bool {
		return !wanted.on(video.Kind) || video.Kind == kindExpiring && !s.Now().Before(video.ExpiresAt)
	})
	if len(left) == 0 {
		slog.InfoContext(ctx, "digest not sent: all that it tells of is over, or switched off by the person")
		return nil
	}
	if len(left) == 1 { // a mail as it would have been alone
		about := e.Clone()
		about.SetSubject(left[0].VideoID)
		return s.deliver(ctx, about, contact, left[0].Kind, s.contentOf(left[0]))
	}
	return s.deliver(ctx, e, contact, kindDigest, content{Digest: s.digestOf(left), Link: s.WebOrigin + "/"})
}

// contentOf is what a mail says of a video.
func (s *Service) contentOf(video collected) content {
	return content{
		Filename: video.Filename, Frames: video.Frames, Size: video.Size, ExpiresAt: video.ExpiresAt,
		Notices: video.Notices, Link: s.link(video.VideoID),
	}
}
