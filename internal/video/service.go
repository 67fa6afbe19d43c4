package video

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/frames"
	"github.com/fotograma/fotograma/internal/platform/erasure"
	"github.com/fotograma/fotograma/internal/platform/logging"
	"github.com/fotograma/fotograma/internal/platform/metrics"
	"github.com/fotograma/fotograma/internal/platform/outbox"
	"github.com/fotograma/fotograma/internal/platform/problem"
	"github.com/fotograma/fotograma/internal/platform/tracing"
)

// source is the CloudEvents source of this service's events.
const source = "/video"

// Routes tells which queues each event of this service goes to.
func Routes(cfg Config) map[string][]string {
	status, control, processing := cfg.StatusQueueURL, cfg.ControlQueueURL, cfg.ProcessingQueueURL
	return map[string][]string{
		event.VideoRegistered{}.EventType(): {status},
		event.VideoUploaded{}.EventType():   {status},
		event.UploadAbandoned{}.EventType(): {status},
		event.RetryRequested{}.EventType():  {status, processing},
		event.CancelRequested{}.EventType(): {control},
		event.VideoDeleted{}.EventType():    {status, control},
	}
}

// Service is what people can do with their videos.
type Service struct {
	Store   *Store
	Uploads *Uploads
	Outbox  *outbox.Outbox
	Limits  Limits
	Now     func() time.Time
	NewID   func() string // sorted by time
}

// New wires the service.
func New(cfg Config, db *dynamodb.Client, queues *sqs.Client, objects *s3.Client, m *metrics.Recorder, now func() time.Time, newID func() string) *Service {
	box := &outbox.Outbox{DB: db, SQS: queues, Table: cfg.Table, Routes: Routes(cfg), Metrics: m, Now: now}
	return &Service{
		Store: &Store{
			DB: db, Table: cfg.Table, Outbox: box,
			People: &erasure.Table{DB: db, Name: cfg.Table, Now: now}, RetentionDays: cfg.RetentionDays,
		},
		Uploads: &Uploads{S3: objects, Bucket: cfg.UploadsBucket},
		Outbox:  box,
		Limits:  cfg.Limits,
		Now:     now,
		NewID:   newID,
	}
}

// Upload tells how to upload a video: a Form for one POST, or none for a
// multipart upload.
type Upload struct {
	Form      *Form
	ExpiresAt time.Time
}

// Create registers a video and signs its upload. Called again with the same
// idempotency key and request it gives the same video, signed anew.
//
// Problems: invalid_request, invalid_extraction, too_large, unsupported_media,
// quota_exceeded, idempotency_key_reused; of a key that came before also
// upload_closed, when the time of that upload is over, and not_found, when that
// video was deleted.
func (s *Service) Create(ctx context.Context, ownerID, idempotencyKey string, r Request) (*Video, Upload, error) {
	if err := r.check(s.Limits); err != nil {
		return nil, Upload{}, err
	}
	extraction, err := checkExtraction(r.Extraction)
	if err != nil {
		return nil, Upload{}, err
	}
	raw, err := json.Marshal(r)
	if err != nil {
		return nil, Upload{}, fmt.Errorf("encode request: %w", err)
	}
	if idempotencyKey != "" {
		v, err := s.Store.Recall(ctx, ownerID, idempotencyKey, raw, s.Now())
		if err != nil {
			return nil, Upload{}, err
		}
		if v != nil {
			upload, err := s.sign(ctx, v)
			return v, upload, err
		}
	}
	now := s.Now()
	v := &Video{
		ID: s.NewID(), OwnerID: ownerID, Filename: r.Filename, Size: r.Size, ContentType: r.ContentType,
		SHA256: r.SHA256, Extraction: extraction, State: Awaited, Run: 1, PartSize: multipart(r.Size),
		CreatedAt: now, UploadDeadline: now.Add(singleValidity), ExpiresAt: now.AddDate(0, 0, s.Limits.RetentionDays),
		Usage: Usage{File: r.Size, Active: true},
	}
	if v.PartSize > 0 {
		v.UploadDeadline = now.Add(multipartValidity)
	}
	if _, err := v.metadata(); err != nil { // before anything is written: a video that cannot be signed is none
		return nil, Upload{}, err
	}
	if v, err = s.create(ctx, v, idempotencyKey, raw); err != nil {
		return nil, Upload{}, err
	}
	upload, err := s.sign(ctx, v)
	return v, upload, err
}

func (s *Service) create(ctx context.Context, v *Video, key string, request []byte) (*Video, error) {
	change := Usage{}.change(v.Usage)
	if err := s.room(ctx, v.OwnerID, change, v.CreatedAt); err != nil { // before anything is begun in S3
		return nil, err
	}
	if v.PartSize > 0 {
		id, err := s.Uploads.Begin(ctx, v)
		if err != nil {
			return nil, err
		}
		v.UploadID = id
	}
	extraction, err := json.Marshal(v.Extraction)
	if err != nil {
		return nil, fmt.Errorf("encode extraction: %w", err)
	}
	e, err := s.event(v, event.VideoRegistered{
		VideoRef: v.ref(), Filename: v.Filename, Size: v.Size, ContentType: v.ContentType,
		Extraction: extraction, CreatedAt: v.CreatedAt, ExpiresAt: v.ExpiresAt,
	})
	if err != nil {
		return nil, err
	}
	v.ChangedAt = e.Time()
	err = s.charged(ctx, v.OwnerID, change, v.CreatedAt, func() error {
		return s.Store.Create(ctx, v, key, request, s.Limits, e)
	})
	if err == nil {
		return v, nil
	}
	// What was begun for a video that is not to be is taken back; where that
	// fails, the bucket's lifecycle does it.
	if abortErr := s.Uploads.Abort(ctx, v); abortErr != nil {
		slog.WarnContext(ctx, "multipart upload left to the lifecycle", "error", abortErr)
	}
	if errors.Is(err, errKeyTaken) { // by the same request at the same time
		return s.Store.Recall(ctx, v.OwnerID, key, request, v.CreatedAt)
	}
	return nil, err
}

// sign signs the upload of a video for as long as it is awaited.
func (s *Service) sign(ctx context.Context, v *Video) (Upload, error) {
	tracing.Note(ctx, tracing.VideoID(v.ID))
	if v.PartSize > 0 {
		return Upload{ExpiresAt: v.UploadDeadline}, nil
	}
	validity := v.UploadDeadline.Sub(s.Now())
	if validity <= 0 {
		return Upload{}, problem.New(problem.UploadClosed)
	}
	form, err := s.Uploads.SignPost(ctx, v, validity)
	if err != nil {
		return Upload{}, err
	}
	return Upload{Form: &form, ExpiresAt: v.UploadDeadline}, nil
}

// checkExtraction fills in what was left out and refuses what does not fit
// together.
func checkExtraction(x frames.Extraction) (frames.Extraction, error) {
	x = x.WithDefaults()
	err := x.Validate()
	if option, ok := errors.AsType[*frames.OptionError](err); ok {
		return x, problem.In(problem.InvalidExtraction, "body.extraction."+option.Member, option.Reason)
	}
	if err != nil {
		return x, fmt.Errorf("check extraction: %w", err)
	}
	return x, nil
}

// SignedPart is the signed upload of one part.
type SignedPart struct {
	Number int
	URL    string
}

// SignParts signs the upload of parts, which are counted from 1; it tells until
// when they may be used.
//
// Problems: not_found, upload_closed, invalid_parts.
func (s *Service) SignParts(ctx context.Context, ownerID, videoID string, numbers []int) ([]SignedPart, time.Time, error) {
	v, err := s.awaitedMultipart(ctx, ownerID, videoID)
	if err != nil {
		return nil, time.Time{}, err
	}
	signed := make([]SignedPart, len(numbers))
	for i, n := range numbers {
		if n < 1 || n > v.Parts() {
			return nil, time.Time{}, problem.In(problem.InvalidParts, "body.part_numbers",
				fmt.Sprintf("the video has parts 1 to %d", v.Parts()))
		}
		url, err := s.Uploads.SignPart(ctx, v, n, partValidity)
		if err != nil {
			return nil, time.Time{}, err
		}
		signed[i] = SignedPart{Number: n, URL: url}
	}
	return signed, s.Now().Add(partValidity), nil
}

// Parts lists the parts that S3 has already.
//
// Problems: not_found, upload_closed.
func (s *Service) Parts(ctx context.Context, ownerID, videoID string) ([]Part, error) {
	v, err := s.awaitedMultipart(ctx, ownerID, videoID)
	if err != nil {
		return nil, err
	}
	parts, err := s.Uploads.Parts(ctx, v)
	if errors.Is(err, errNoUpload) {
		return nil, problem.New(problem.UploadClosed)
	}
	return parts, err
}

func (s *Service) awaitedMultipart(ctx context.Context, ownerID, videoID string) (*Video, error) {
	v, err := s.Store.Get(ctx, ownerID, videoID)
	if err != nil {
		return nil, err
	}
	if v.UploadID == "" || v.State != Awaited || s.Now().After(v.UploadDeadline) {
		return nil, problem.New(problem.UploadClosed)
	}
	return v, nil
}

// Complete says that a video was uploaded. For a multipart upload it makes the
// object out of the parts, which must add up to the announced size; for one
// POST it only makes the video "queued" at once. Calling it again does no harm.
//
// Problems: not_found, upload_closed, upload_missing, invalid_parts.
func (s *Service) Complete(ctx context.Context, ownerID, videoID string, parts []Part) (*Video, error) {
	v, err := s.Store.Get(ctx, ownerID, videoID)
	if err != nil {
		return nil, err
	}
	switch v.State {
	case Uploaded:
		return v, nil
	case Awaited:
	default:
		return nil, problem.New(problem.UploadClosed)
	}
	if v.UploadID != "" {
		err = s.finish(ctx, v, parts)
	} else {
		err = s.mustHaveArrived(ctx, v)
	}
	if err != nil {
		return nil, err
	}
	return s.markUploaded(ctx, v)
}

func (s *Service) markUploaded(ctx context.Context, v *Video) (*Video, error) {
	after := *v
	after.State = Uploaded
	e, err := s.event(v, event.VideoUploaded{VideoRef: v.ref()})
	if err != nil {
		return nil, err
	}
	after.ChangedAt = e.Time()
	if err := s.Store.Update(ctx, v, &after, e); errors.Is(err, errChanged) {
		return s.uploaded(ctx, v)
	} else if err != nil {
		return nil, err
	}
	return &after, nil
}

// uploaded marks a video as uploaded that was changed meanwhile, unless somebody
// said so first, or deleted it.
func (s *Service) uploaded(ctx context.Context, v *Video) (*Video, error) {
	v, err := s.Store.Get(ctx, v.OwnerID, v.ID)
	if err != nil || v.State != Awaited {
		return v, err
	}
	return s.markUploaded(ctx, v)
}

func (s *Service) mustHaveArrived(ctx context.Context, v *Video) error {
	arrived, err := s.Uploads.Arrived(ctx, v)
	if err != nil {
		return err
	}
	if !arrived {
		return problem.New(problem.UploadMissing)
	}
	return nil
}

func (s *Service) finish(ctx context.Context, v *Video, parts []Part) error {
	have, err := s.Uploads.Parts(ctx, v)
	if err == nil {
		if err := checkParts(v, parts, have); err != nil {
			return err
		}
		err = s.Uploads.Finish(ctx, v, parts)
	}
	if errors.Is(err, errNoUpload) {
		// Completed before, by a call whose answer was lost; or aborted.
		return s.mustHaveArrived(ctx, v)
	}
	return err
}

// checkParts refuses a list that is not made of all the parts that S3 has, each
// of its right size.
func checkParts(v *Video, parts, have []Part) error {
	invalid := func(format string, args ...any) error {
		return problem.In(problem.InvalidParts, "body.parts", fmt.Sprintf(format, args...))
	}
	if len(parts) != v.Parts() {
		return invalid("the video has %d parts, not %d", v.Parts(), len(parts))
	}
	for i, p := range parts {
		if p.Number != i+1 {
			return invalid("part %d stands where part %d should", p.Number, i+1)
		}
		at := slices.IndexFunc(have, func(h Part) bool { return h.Number == p.Number })
		if at < 0 {
			return invalid("part %d was not uploaded", p.Number)
		}
		if !sameETag(have[at].ETag, p.ETag) {
			return invalid("part %d has another ETag", p.Number)
		}
		if have[at].Size != v.partBytes(p.Number) {
			return invalid("part %d has %d bytes, not %d", p.Number, have[at].Size, v.partBytes(p.Number))
		}
	}
	return nil
}

// Cancel asks processing to end the video without a result. What has ended
// already stays as it is.
//
// Problems: not_found, not_cancellable.
func (s *Service) Cancel(ctx context.Context, ownerID, videoID string) error {
	v, err := s.Store.Get(ctx, ownerID, videoID)
	if err != nil {
		return err
	}
	if v.State == Abandoned {
		return problem.New(problem.NotCancellable)
	}
	e, err := s.event(v, event.CancelRequested{VideoRef: v.ref()})
	if err != nil {
		return err
	}
	return s.Outbox.Commit(ctx, nil, e)
}

// Retry has the uploaded file processed once more; a run that goes on is
// superseded. Without extraction the last one is used again.
//
// It counts as another video, since it is as much work.
//
// Problems: not_found, not_retryable, invalid_extraction, quota_exceeded.
func (s *Service) Retry(ctx context.Context, ownerID, videoID string, extraction *frames.Extraction) (*Video, error) {
	v, err := s.Store.Get(ctx, ownerID, videoID)
	if err != nil {
		return nil, err
	}
	arrived, err := s.Uploads.Arrived(ctx, v)
	if err != nil {
		return nil, err
	}
	if !arrived {
		return nil, problem.New(problem.NotRetryable)
	}
	after := *v
	after.State, after.Run = Uploaded, v.Run+1
	after.Usage.Active, after.Usage.File = true, v.Size
	after.ExpiresAt = s.Now().AddDate(0, 0, s.Limits.RetentionDays) // of the frames to come
	if extraction != nil {
		if after.Extraction, err = checkExtraction(*extraction); err != nil {
			return nil, err
		}
	}
	raw, err := json.Marshal(after.Extraction)
	if err != nil {
		return nil, fmt.Errorf("encode extraction: %w", err)
	}
	e, err := s.event(&after, event.RetryRequested{VideoRef: after.ref(), Extraction: raw, ExpiresAt: after.ExpiresAt})
	if err != nil {
		return nil, err
	}
	after.ChangedAt = e.Time()
	now := s.Now()
	err = s.charged(ctx, ownerID, v.Usage.change(after.Usage), now, func() error {
		return s.Store.Begin(ctx, v, &after, now, s.Limits, e)
	})
	if errors.Is(err, errChanged) {
		return s.Retry(ctx, ownerID, videoID, extraction) // after what was changed
	} else if err != nil {
		return nil, err
	}
	return &after, nil
}

// Delete deletes the file at once, and has the other services delete what they
// keep.
//
// Problems: not_found.
func (s *Service) Delete(ctx context.Context, ownerID, videoID string) error {
	v, err := s.Store.Get(ctx, ownerID, videoID)
	if err != nil {
		return err
	}
	// What stays, for as long as events of it may be under way, is that there
	// was such a video: nothing of what it was.
	after := Video{ID: v.ID, OwnerID: v.OwnerID, State: Deleted, Run: v.Run, ExpiresAt: v.ExpiresAt}
	e, err := s.event(v, event.VideoDeleted{VideoRef: v.ref()})
	if err != nil {
		return err
	}
	after.ChangedAt = e.Time()
	// The row first: when the removal fails, the event still has the file
	// removed; the other way round a row could stay without its file.
	if err := s.Store.Update(ctx, v, &after, e); errors.Is(err, errChanged) {
		return s.Delete(ctx, ownerID, videoID)
	} else if err != nil {
		return err
	}
	return s.Uploads.Remove(ctx, v)
}

// sweepAtOnce is how many overdue uploads one sweep looks at.
const sweepAtOnce = 100

// Sweep publishes what is left in the outbox, gives up on uploads that did not
// arrive in time, lets go of files whose time is over, and goes on with erasures.
func (s *Service) Sweep(ctx context.Context) error {
	published, outboxErr := s.Outbox.Sweep(ctx)
	erasing, eraseErr := s.Store.People.Repeat(ctx, s.erase)
	overdue, overdueErr := s.Store.Overdue(ctx, s.Now(), sweepAtOnce)
	stale, staleErr := s.Store.Stale(ctx, s.Now(), sweepAtOnce)
	failures := []error{outboxErr, eraseErr, overdueErr, staleErr}
	each := func(videos []*Video, do func(context.Context, *Video) error) {
		for _, v := range videos {
			ctx := logging.With(ctx, slog.String("video_id", v.ID))
			if err := do(ctx, v); err != nil && !errors.Is(err, errChanged) {
				failures = append(failures, fmt.Errorf("settle video %s: %w", v.ID, err))
			}
		}
	}
	each(overdue, s.settle)
	each(stale, s.letGo)
	slog.InfoContext(ctx, "swept", "published", published, "overdue", len(overdue), "stale", len(stale), "erasing", erasing)
	return errors.Join(failures...)
}

// letGo sees to it that a file is gone whose time is over, and counts it no more.
func (s *Service) letGo(ctx context.Context, v *Video) error {
	if err := s.Uploads.Remove(ctx, v); err != nil {
		return err
	}
	after := *v
	after.Usage.File = 0
	return s.Store.Update(ctx, v, &after)
}

// settle finds out what became of an upload whose time is over.
func (s *Service) settle(ctx context.Context, v *Video) error {
	arrived, err := s.Uploads.Arrived(ctx, v)
	if err != nil {
		return err
	}
	if arrived {
		_, err := s.markUploaded(ctx, v)
		return err
	}
	after := *v
	after.State, after.Usage.Active, after.Usage.File = Abandoned, false, 0
	e, err := s.event(v, event.UploadAbandoned{VideoRef: v.ref()})
	if err != nil {
		return err
	}
	after.ChangedAt = e.Time()
	if err := s.Store.Update(ctx, v, &after, e); err != nil {
		return err
	}
	slog.InfoContext(ctx, "upload abandoned")
	return s.Uploads.Abort(ctx, v)
}

func (s *Service) event(v *Video, data event.Data) (event.Event, error) {
	e, err := event.New(source, s.NewID(), s.Now(), data)
	if err != nil {
		return event.Event{}, fmt.Errorf("video %s: %w", v.ID, err)
	}
	return e, nil
}
