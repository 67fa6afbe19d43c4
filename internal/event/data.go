package event

import (
	"encoding/json"
	"time"
)

// Data is what an event says. The types of this file are all there are.
type Data interface {
	// EventType is the CloudEvents type, with its version.
	EventType() string

	// EventSubject is the ID of the video or the person it is about.
	EventSubject() string
}

// VideoRef names one video of one person, and which run of it.
type VideoRef struct {
	VideoID string `json:"video_id"`
	OwnerID string `json:"owner_id"`

	// Run counts the times that the video was asked to be processed: 1 for the
	// upload, one more for each retry. What is said of a lower run than the
	// newest one is history.
	Run int `json:"run"`
}

// EventSubject implements Data for the events of one video.
func (r VideoRef) EventSubject() string { return r.VideoID }

// Video gives the reference: all events of one video have it.
func (r VideoRef) Video() VideoRef { return r }

// Media is what was found out about the video: durations in seconds, width
// and height in pixels as displayed, rotation in degrees clockwise.
type Media struct {
	Duration  float64 `json:"duration"`
	Width     int     `json:"width"`
	Height    int     `json:"height"`
	FrameRate float64 `json:"frame_rate"`
	Codec     string  `json:"codec"`
	Rotation  int     `json:"rotation"`
}

// Archive tells where the frames are: the keys lie in the archives bucket.
type Archive struct {
	Key         string    `json:"key"`
	ManifestKey string    `json:"manifest_key"`
	Frames      int       `json:"frames"`
	Size        int64     `json:"size"`             // bytes
	SHA256      string    `json:"sha256,omitempty"` // hex; unknown where several workers wrote it at once
	ExpiresAt   time.Time `json:"expires_at"`
}

// UserRegistered says that a person has an account. Like ContactChanged,
// EmailChanged and CodeRequested it carries an address and a name, and goes from auth to notification and nowhere else.
type UserRegistered struct {
	UserID string `json:"user_id"`
	Email  string `json:"email"`
	Name   string `json:"name"`
	Locale string `json:"locale"`
}

// EventType implements Data.
func (UserRegistered) EventType() string { return "fotograma.user.registered.v1" }

// EventSubject implements Data.
func (u UserRegistered) EventSubject() string { return u.UserID }

// ContactChanged says how a person is reached from now on: all of it, whatever
// changed. It goes from auth to notification and nowhere else.
type ContactChanged struct {
	UserID   string `json:"user_id"`
	Email    string `json:"email"`
	Name     string `json:"name"`
	Locale   string `json:"locale"`
	Verified bool   `json:"verified"` // the address: the person has shown that mails reach them
	Version  int    `json:"version"`  // grows with each change; UserRegistered has 1
}

// EventType implements Data.
func (ContactChanged) EventType() string { return "fotograma.user.contact_changed.v1" }

// EventSubject implements Data.
func (c ContactChanged) EventSubject() string { return c.UserID }

// What a mailed code is for.
const (
	PurposeVerifyEmail   = "verify_email"
	PurposeResetPassword = "reset_password"
	PurposeChangeEmail   = "change_email"
)

// CodeRequested asks for a single-use code to be mailed. The code itself is in no
// event: package mailcode makes it of these members and of a key that only the
// two services have.
//
// Without an address nothing is to be mailed. Such a one is sent where there must
// be no mail, but where whoever asked must not notice that.
type CodeRequested struct {
	UserID    string    `json:"user_id"`
	Email     string    `json:"email"` // where it goes, which is not always where other mails go
	Name      string    `json:"name"`  // empty where the address is not verified
	Locale    string    `json:"locale"`
	Purpose   string    `json:"purpose"`
	Nonce     string    `json:"nonce"`
	KeyID     string    `json:"key_id"` // the version of the key's secret
	ExpiresAt time.Time `json:"expires_at"`
}

// EventType implements Data.
func (CodeRequested) EventType() string { return "fotograma.user.code_requested.v1" }

// EventSubject implements Data.
func (c CodeRequested) EventSubject() string { return c.UserID }

// PasswordChanged says that a person has a new password, for them to be told.
type PasswordChanged struct {
	UserID string `json:"user_id"`
}

// EventType implements Data.
func (PasswordChanged) EventType() string { return "fotograma.user.password_changed.v1" }

// EventSubject implements Data.
func (p PasswordChanged) EventSubject() string { return p.UserID }

// NewLogin says that a person has logged in from where they never had, for them to be
// told.
type NewLogin struct {
	UserID  string    `json:"user_id"`
	Device  string    `json:"device"`  // program and system; empty if they are not known
	Network string    `json:"network"` // IP address, or of IPv6 the /64
	At      time.Time `json:"at"`
}

// EventType implements Data.
func (NewLogin) EventType() string { return "fotograma.user.new_login.v1" }

// EventSubject implements Data.
func (n NewLogin) EventSubject() string { return n.UserID }

// EmailChanged says that a person has another address, for them to be told at the
// one before. It goes from auth to notification and nowhere else.
type EmailChanged struct {
	UserID string `json:"user_id"`
	Email  string `json:"email"` // the one before
	Name   string `json:"name"`  // empty where that was not verified
	Locale string `json:"locale"`
}

// EventType implements Data.
func (EmailChanged) EventType() string { return "fotograma.user.email_changed.v1" }

// EventSubject implements Data.
func (e EmailChanged) EventSubject() string { return e.UserID }

// AccountErased says that everything that is kept of a person must go. Whoever
// gets it erases what it has of them, and refuses what comes of them later.
type AccountErased struct {
	UserID string `json:"user_id"`
}

// EventType implements Data.
func (AccountErased) EventType() string { return "fotograma.user.erased.v1" }

// EventSubject implements Data.
func (a AccountErased) EventSubject() string { return a.UserID }

// ExportRequested asks for everything that is kept of a person to be written
// down for them.
type ExportRequested struct {
	UserID   string `json:"user_id"`
	ExportID string `json:"export_id"`
}

// EventType implements Data.
func (ExportRequested) EventType() string { return "fotograma.user.export_requested.v1" }

// EventSubject implements Data.
func (e ExportRequested) EventSubject() string { return e.UserID }

// VideoRegistered says that an upload was signed and is awaited.
type VideoRegistered struct {
	VideoRef
	Filename    string          `json:"filename"`
	Size        int64           `json:"size"` // bytes
	ContentType string          `json:"content_type"`
	Extraction  json.RawMessage `json:"extraction"`
	CreatedAt   time.Time       `json:"created_at"`
	ExpiresAt   time.Time       `json:"expires_at"`
}

// EventType implements Data.
func (VideoRegistered) EventType() string { return "fotograma.video.registered.v1" }

// VideoUploaded says that the file is there and waits for a worker. Uploads in
// one request may be processed without it: S3's own notification starts the work.
type VideoUploaded struct {
	VideoRef
}

// EventType implements Data.
func (VideoUploaded) EventType() string { return "fotograma.video.uploaded.v1" }

// UploadAbandoned says that the file did not come while the upload's signature
// was valid.
type UploadAbandoned struct {
	VideoRef
}

// EventType implements Data.
func (UploadAbandoned) EventType() string { return "fotograma.video.upload_abandoned.v1" }

// RetryRequested asks for the uploaded file to be processed once more.
type RetryRequested struct {
	VideoRef
	Extraction json.RawMessage `json:"extraction"`
	ExpiresAt  time.Time       `json:"expires_at"` // of the frames to come
}

// EventType implements Data.
func (RetryRequested) EventType() string { return "fotograma.video.retry_requested.v1" }

// CancelRequested asks for the run to end without a result.
type CancelRequested struct {
	VideoRef
}

// EventType implements Data.
func (CancelRequested) EventType() string { return "fotograma.video.cancel_requested.v1" }

// VideoDeleted says that everything that is kept of the video must go.
type VideoDeleted struct {
	VideoRef
}

// EventType implements Data.
func (VideoDeleted) EventType() string { return "fotograma.video.deleted.v1" }

// How far the upload of a video is, in a VideoSnapshot.
const (
	UploadAwaited = "awaited"
	UploadArrived = "arrived"
	UploadGivenUp = "abandoned"
)

// VideoSnapshot says once more what the video service knows of a video, for a read
// model that is made again. Its time is when that last changed: an event of then,
// which is as true as any other that comes late.
type VideoSnapshot struct {
	VideoRef                    // the newest run
	Filename    string          `json:"filename"`
	Size        int64           `json:"size"` // bytes
	ContentType string          `json:"content_type"`
	Extraction  json.RawMessage `json:"extraction"` // of the newest run
	CreatedAt   time.Time       `json:"created_at"`
	ExpiresAt   time.Time       `json:"expires_at"`
	Upload      string          `json:"upload"`
}

// EventType implements Data.
func (VideoSnapshot) EventType() string { return "fotograma.video.snapshot.v1" }

// RebuildRequested asks for the read model to be made again: the status service to
// begin with that, and the services that own the videos to tell it of all their rows.
// It is about nobody. Who works on one goes through a table page by page, and asks
// itself for the next page by such an event.
type RebuildRequested struct {
	RebuildID string `json:"rebuild_id"`

	// FromScratch has the status service delete what it has first.
	FromScratch bool `json:"from_scratch,omitempty"`

	// Segment of Segments is the part of the table that is gone through, 0 of 0
	// before that has begun; After is the key of the last row that was seen.
	Segment  int       `json:"segment,omitempty"`
	Segments int       `json:"segments,omitempty"`
	After    *TableKey `json:"after,omitempty"`
}

// TableKey is the key of a row of a service's own table.
type TableKey struct {
	PK string `json:"pk"`
	SK string `json:"sk"`
}

// EventType implements Data.
func (RebuildRequested) EventType() string { return "fotograma.status.rebuild_requested.v1" }

// EventSubject implements Data.
func (r RebuildRequested) EventSubject() string { return r.RebuildID }

// ProcessingStarted says that a worker has the video.
type ProcessingStarted struct {
	VideoRef
}

// EventType implements Data.
func (ProcessingStarted) EventType() string { return "fotograma.processing.started.v1" }

// SegmentRequested asks for one segment of a run that was shared out among
// workers. It and the next two do not leave processing, which may find them in
// its outbox and its dead letters as it does the others.
type SegmentRequested struct {
	VideoRef
	Segment int `json:"segment"` // from 0
}

// EventType implements Data.
func (SegmentRequested) EventType() string { return "fotograma.processing.segment_requested.v1" }

// CheckRequested asks for the uploaded file to be held against the hash that was
// announced for it.
type CheckRequested struct {
	VideoRef
}

// EventType implements Data.
func (CheckRequested) EventType() string { return "fotograma.processing.check_requested.v1" }

// AssemblyRequested asks for the archive to be made of the segments, which are
// all there.
type AssemblyRequested struct {
	VideoRef
}

// EventType implements Data.
func (AssemblyRequested) EventType() string { return "fotograma.processing.assembly_requested.v1" }

// ProcessingProgressed says how far the worker is. It is published without
// outbox: a lost one does no harm.
type ProcessingProgressed struct {
	VideoRef
	Progress float64 `json:"progress"` // 0 to 1
	Frames   int     `json:"frames"`
}

// EventType implements Data.
func (ProcessingProgressed) EventType() string { return "fotograma.processing.progressed.v1" }

// ProcessingCompleted says that the archive is there.
type ProcessingCompleted struct {
	VideoRef
	Filename string   `json:"filename"`
	Media    Media    `json:"media"`
	Archive  Archive  `json:"archive"`
	Warnings []string `json:"warnings,omitempty"` // codes
}

// EventType implements Data.
func (ProcessingCompleted) EventType() string { return "fotograma.processing.completed.v1" }

// ProcessingFailed says that there will be no archive from this run.
type ProcessingFailed struct {
	VideoRef
	Filename string `json:"filename"`

	// Code is from the catalogue of package problem, which also has the
	// sentence for it in every language.
	Code string `json:"code"`
}

// EventType implements Data.
func (ProcessingFailed) EventType() string { return "fotograma.processing.failed.v1" }

// ProcessingCancelled says that the run has ended, as was asked.
type ProcessingCancelled struct {
	VideoRef
}

// EventType implements Data.
func (ProcessingCancelled) EventType() string { return "fotograma.processing.cancelled.v1" }

// ArchiveExpiring says that the archive will be deleted soon, for its owner to be told.
type ArchiveExpiring struct {
	VideoRef
	Filename string  `json:"filename"`
	Archive  Archive `json:"archive"`
}

// EventType implements Data.
func (ArchiveExpiring) EventType() string { return "fotograma.processing.archive_expiring.v1" }

// ArchiveExpired says that the archive was deleted because its time was over.
type ArchiveExpired struct {
	VideoRef
}

// EventType implements Data.
func (ArchiveExpired) EventType() string { return "fotograma.processing.archive_expired.v1" }

// WebhookDue asks for a message to be brought to a person's webhook. It does not
// leave notification.
type WebhookDue struct {
	UserID     string `json:"user_id"`
	DeliveryID string `json:"delivery_id"`
}

// EventType implements Data.
func (WebhookDue) EventType() string { return "fotograma.notification.webhook_due.v1" }

// EventSubject implements Data.
func (w WebhookDue) EventSubject() string { return w.UserID }

// DigestDue asks for the mail that tells a person of the videos that ended in a window of
// time. It does not leave notification.
type DigestDue struct {
	UserID string `json:"user_id"`
	Window int64  `json:"window"` // its name: when it ends, Unix milliseconds
}

// EventType implements Data.
func (DigestDue) EventType() string { return "fotograma.notification.digest_due.v1" }

// EventSubject implements Data.
func (d DigestDue) EventSubject() string { return d.UserID }
