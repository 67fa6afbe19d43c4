package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fotograma/fotograma/pkg/client"
)

// film is what is uploaded.
type film struct {
	data       []byte
	extraction string // JSON
}

// scenario is one way to disturb the system.
type scenario struct {
	name     string
	what     string // is disturbed, and how
	mails    int    // that may tell of one video's end; 0 for 1
	extract  string // what of each video, as JSON; empty for six frames
	every    int    // of so many calls one is hit, at most; 0 for each
	settings settings
	run      func(ctx context.Context, d *drive) error
}

// drive is a scenario under way.
type drive struct {
	*person
	film      film
	reference frames
	length    time.Duration // of a disturbance that lasts
	every     int           // of how many steps one is disturbed
	started   int           // videos so far
	disturbed int           // what the scenario itself counts, beside the layer
	notes     []string
}

// next uploads another video.
func (d *drive) next(ctx context.Context) (*client.Video, error) {
	d.started++
	return d.upload(ctx, fmt.Sprintf("video-%03d.mp4", d.started), d.film)
}

// undisturbed is how a video goes when nothing is the matter.
func (d *drive) undisturbed(ctx context.Context) error {
	v, err := d.next(ctx)
	if err != nil {
		return err
	}
	if v, err = d.ended(ctx, v.ID); err != nil {
		return err
	}
	if v.Status != client.Completed {
		return fmt.Errorf("undisturbed, %s ended as %s: %+v", v.Filename, v.Status, v.Error)
	}
	if d.reference, err = d.frames(ctx, v.ID); err != nil {
		return err
	}
	return d.settled(ctx)
}

// videosPerWindow is how many videos people begin with while a disturbance lasts.
const videosPerWindow = 6

// during uploads videos while a rule is in force.
func during(rule func() func(call) answer) func(context.Context, *drive) error {
	return func(ctx context.Context, d *drive) error {
		d.system.layer.set(rule())
		over := time.AfterFunc(d.length, func() { d.system.layer.set(nil) })
		defer over.Stop()
		return d.crowd(ctx)
	}
}

// crowd uploads videos, all through the time that a disturbance lasts, and returns
// when that is over and they are uploaded.
func (d *drive) crowd(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	pause := time.NewTicker(d.length / videosPerWindow)
	defer pause.Stop()
	for range videosPerWindow {
		d.started++
		name := fmt.Sprintf("video-%03d.mp4", d.started)
		group.Go(func() error {
			_, err := d.upload(ctx, name, d.film)
			return err
		})
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
	}
	return group.Wait()
}

func always(rule func(call) answer) func() func(call) answer {
	return func() func(call) answer { return rule }
}

// fewer is how long a step of a function is waited for, which another run of the same
// may not have.
const fewer = 20 * time.Second

// kills kills a function at each of its calls, before it is carried out and after, in
// the course of what a play does: of one video after the other.
func kills(function string, play func(context.Context, *drive) (start func() error, err error)) func(context.Context, *drive) error {
	return func(ctx context.Context, d *drive) error {
		calls, err := d.learn(ctx, function, play)
		if err != nil {
			return err
		}
		killed, missed := 0, 0
		for n := 1; n <= len(calls); n += d.every {
			for _, after := range []bool{false, true} {
				sprung, err := d.kill(ctx, newTrap(function, n, after), play)
				if err == nil && !sprung { // the next may make as many calls as the first has made
					sprung, err = d.kill(ctx, newTrap(function, n, after), play)
				}
				if err != nil {
					return err
				}
				if sprung {
					killed++
				} else {
					missed++
				}
			}
		}
		d.disturbed = killed
		d.notes = append(d.notes, fmt.Sprintf("%d calls: %s", len(calls), inShort(calls)))
		if missed > 0 {
			d.notes = append(d.notes, fmt.Sprintf("%d times it made fewer calls", missed))
		}
		return nil
	}
}

// learn finds out which calls a function makes in a play.
func (d *drive) learn(ctx context.Context, function string, play func(context.Context, *drive) (func() error, error)) ([]string, error) {
	start, err := play(ctx, d)
	if err != nil {
		return nil, err
	}
	t := newTrap(function, 0, false)
	d.system.layer.set(t.rule)
	defer d.system.layer.set(nil)
	if err := start(); err != nil {
		return nil, err
	}
	if err := d.allEnded(ctx); err != nil {
		return nil, err
	}
	if err := d.settled(ctx); err != nil {
		return nil, err
	}
	if len(t.seen()) == 0 {
		return nil, fmt.Errorf("%s makes no calls", function)
	}
	return t.seen(), nil
}

// kill plays once with a trap; false if that did not spring.
func (d *drive) kill(ctx context.Context, t *trap, play func(context.Context, *drive) (func() error, error)) (bool, error) {
	start, err := play(ctx, d)
	if err != nil {
		return false, err
	}
	d.system.layer.set(t.rule)
	defer d.system.layer.set(nil)
	if err := start(); err != nil {
		return false, err
	}
	select {
	case <-t.sprung:
		return true, nil
	case <-time.After(fewer):
		return false, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// uploading is the play of a video that is uploaded.
func uploading(ctx context.Context, d *drive) (func() error, error) {
	return func() error {
		_, err := d.next(ctx)
		return err
	}, nil
}

// oneByOne is uploading, when all that went before has ended.
func oneByOne(ctx context.Context, d *drive) (func() error, error) {
	if err := d.allEnded(ctx); err != nil {
		return nil, err
	}
	return uploading(ctx, d)
}

// allEnded waits until all videos have ended.
func (d *drive) allEnded(ctx context.Context) error {
	for _, v := range d.videos {
		if _, err := d.ended(ctx, v.ID); err != nil {
			return err
		}
	}
	return nil
}

// deleting is the play of a video that is deleted when it is completed.
func deleting(ctx context.Context, d *drive) (func() error, error) {
	v, err := d.next(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := d.ended(ctx, v.ID); err != nil {
		return nil, err
	}
	return func() error { return d.remove(ctx, v) }, nil
}

// inShort writes the same call in a row but once.
func inShort(calls []string) string {
	var parts []string
	for i := 0; i < len(calls); {
		n := 1
		for i+n < len(calls) && calls[i+n] == calls[i] {
			n++
		}
		part := calls[i]
		if n > 1 {
			part += fmt.Sprintf(" ×%d", n)
		}
		parts = append(parts, part)
		i += n
	}
	return strings.Join(parts, ", ")
}

// lateness is how much later a slow service answers.
const lateness = time.Second

// scenarios gives all of them.
func scenarios() []scenario {
	var all []scenario
	for _, service := range []string{s3Service, sqsService, dynamoDBService, sesService} {
		all = append(all,
			scenario{name: service + " slow", what: fmt.Sprintf("each call of %s answers %s later", service, lateness), run: during(always(on(service, slow(lateness))))},
			scenario{name: service + " throttling", what: fmt.Sprintf("each call of %s is refused as too many", service), run: during(always(on(service, butDeleting(throttle))))},
			scenario{name: service + " failing", what: fmt.Sprintf("each call of %s is refused as it is ill", service), run: during(always(on(service, butDeleting(fail))))},
		)
	}
	short := map[string]string{"LeaseSeconds": "3"}
	return append(all,
		scenario{name: "S3 hanging up", what: "connections to S3 are reset, half of them when the call has been carried out", run: during(func() func(call) answer { return on(s3Service, reset()) })},
		scenario{name: "SQS hanging up", what: "the same of SQS, but for messages that are received", run: during(func() func(call) answer { return on(sqsService, butReceiving(reset())) })},
		scenario{name: "DynamoDB hanging up", what: "the same of DynamoDB", run: during(func() func(call) answer { return on(dynamoDBService, reset()) })},
		scenario{name: "SES hanging up", what: "connections to SES are reset before the mail is sent", run: during(always(on(sesService, unheard)))},
		scenario{name: "SES unheard", what: "each mail is sent, and the first answer is lost", mails: 2, run: during(func() func(call) answer { return on(sesService, firstAnswerLost()) })},
		scenario{name: "messages twice and in any order", what: "every message of every queue comes twice, each up to six seconds late", run: shuffled},
		scenario{
			name: "process killed", what: "ProcessFunction is killed at each of its calls, before and after it is carried out",
			settings: settings{parameters: short, visible: "30"}, run: kills("process", oneByOne),
		},
		scenario{
			name: "process of segments killed", what: "the same at every third call, of a video that is shared out", every: 3,
			settings: settings{parameters: map[string]string{"LeaseSeconds": "3", "SegmentWork": "20", "MaxSegments": "3"}, visible: "30"}, extract: `{"mode":"fps","fps":10}`, run: kills("process", oneByOne),
		},
		scenario{name: "video killed", what: "the same of VideoFunction, which answers who uploads", run: kills("video", uploading)},
		scenario{name: "projector killed", what: "the same of ProjectorFunction", run: kills("projector", uploading)},
		scenario{name: "notify killed", what: "the same of NotifyFunction", mails: 2, run: kills("notify", uploading)},
		scenario{name: "videoevents killed", what: "the same of VideoEventsFunction", run: kills("videoevents", uploading)},
		scenario{name: "processcontrol killed", what: "the same of ProcessControlFunction, while a video is deleted", run: kills("processcontrol", deleting)},
		scenario{name: "disk full", what: "the disk that S3, SQS, DynamoDB and SES keep everything on has no room", settings: settings{data: smallDisk}, run: diskFull},
		scenario{name: "clocks that differ", what: fmt.Sprintf("each process of a function is right, %s behind or %s behind", skew/2, skew), settings: settings{functions: skewed}, run: during(always(untimely))},
	)
}

// newDrive gives a scenario its person, and the frames that every video must have.
func (sc scenario) newDrive(ctx context.Context, s *system, o options) (*drive, error) {
	data, err := os.ReadFile(filepath.Join(s.root, "testdata", "media", "bottle-detection.mp4"))
	if err != nil {
		return nil, fmt.Errorf("read the film: %w", err)
	}
	p, err := s.newPerson(ctx)
	if err != nil {
		return nil, err
	}
	d := &drive{person: p, film: film{data, cmp.Or(sc.extract, `{"mode":"count","count":6}`)}, length: o.length, every: max(o.every, sc.every, 1)}
	return d, d.undisturbed(ctx)
}
