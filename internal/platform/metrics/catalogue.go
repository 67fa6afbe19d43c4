package metrics

import (
	"slices"
	"strings"

	"github.com/fotograma/fotograma/internal/platform/problem"
)

// Definition is what the catalogue says of a metric.
type Definition struct {
	Name       string
	Unit       Unit
	Dimensions []Dimension
	Meaning    string

	// Derived metrics are made by AWS out of API Gateway's access log (see
	// template.yaml), and by the local gateway itself; no function writes them.
	Derived bool
}

// Dimension is by what a metric is told apart. Each combination of values is a
// metric of its own that CloudWatch bills, so there are few.
type Dimension struct {
	Name string

	// Values are all that there can be; anything else is recorded as "other". Nil
	// where they are as many as Bound says.
	Values []string
	Bound  string
}

// Labels are the values of a metric's dimensions.
type Labels interface {
	dimensions() []Dimension
	values() []string // of the dimensions, in their order
}

// Metric is one of the catalogue; there are none but those of this package.
type Metric[L Labels] struct{ definition *Definition }

// Of is a measurement of the metric, in its unit.
func (m Metric[L]) Of(value float64) Value[L] { return Value[L]{m.definition, value} }

// Value is one measurement.
type Value[L Labels] struct {
	definition *Definition
	value      float64
}

// The catalogue. docs/metrics.md is made of it.
var (
	// How videos are worked on.

	JobFailures     = define[ByCode]("JobFailures", Count, "Runs that ended as failed.")
	JobDuration     = define[ByStage]("JobDuration", Seconds, "How long a stage of a job took: `wait`, from the message until a worker had it; `extract`, a whole video by one worker; `share`, until a long one was shared out; `segment`, `check` and `assemble`, its parts; `total`, all of one run, without the wait.")
	FramesExtracted = define[None]("FramesExtracted", Count, "Frames in archives that were completed.")
	FramesPerSecond = define[None]("FramesPerSecond", CountPerSecond, "Frames that one worker wrote in each second of `extract` or `segment`.")
	UploadSize      = define[None]("UploadSize", Bytes, "Size of a video that was completed: bytes in.")
	ArchiveSize     = define[None]("ArchiveSize", Bytes, "Size of its archive: bytes out.")
	JobCost         = define[ByStage]("JobCost", Count, "What a stage cost, in millionths of a US dollar; `total` and `wait` have none. The sum over the stages, by the runs that ended, is the cost of one. See the formula.")

	// The API.

	RequestDuration = define[ByRoute]("RequestDuration", Milliseconds, "How long a function worked on a request; the number of samples is the number of requests.")
	Problems        = define[ByCode]("Problems", Count, "Problem documents that were answered.")
	Throttles       = derive("Throttles", Count, "Requests that API Gateway itself refused with 429, by the limits of `MethodSettings`.")
	ColdStarts      = define[ByFunction]("ColdStarts", Count, "Processes of a function that began.")

	// The cache of what the status service answers.

	CacheHits   = define[None]("CacheHits", Count, "Reads that the cache answered.")
	CacheMisses = define[None]("CacheMisses", Count, "Reads that went to the table.")
	CacheErrors = define[None]("CacheErrors", Count, "Calls of the cache that failed; the reads went to the table.")

	// Mails.

	MailsSent       = define[ByKind]("MailsSent", Count, "Mails that SES took.")
	MailsRefused    = define[ByKind]("MailsRefused", Count, "Mails that SES did not take: for now, and they are tried again, or for good.")
	MailsBounced    = define[ByBounce]("MailsBounced", Count, "Mails that came back.")
	MailsComplained = define[None]("MailsComplained", Count, "Mails that their reader called spam.")
	TemplatesFailed = define[ByKind]("TemplatesFailed", Count, "Mails that an edited template was no good for: they were written with the shipped one.")

	// Webhooks.

	WebhooksDelivered = define[None]("WebhooksDelivered", Count, "Messages that a person's program took.")
	WebhooksFailed    = define[None]("WebhooksFailed", Count, "Messages that were given up after the last try.")

	// What people do.

	Events = define[ByEvent]("Events", Count, "What happened to accounts and videos, each once, when it was committed.")
)

// None is for metrics without dimensions.
type None struct{}

func (None) dimensions() []Dimension { return nil }
func (None) values() []string        { return nil }

// ByCode tells problems apart.
type ByCode struct{ Code problem.Code }

func (ByCode) dimensions() []Dimension {
	codes := make([]string, 0, len(problem.Codes()))
	for _, code := range problem.Codes() {
		codes = append(codes, string(code))
	}
	slices.Sort(codes)
	return []Dimension{{Name: "Code", Values: codes, Bound: "the codes of `internal/platform/problem`"}}
}
func (l ByCode) values() []string { return []string{string(l.Code)} }

// Stage is a part of the work on a video.
type Stage string

// The stages; see JobDuration.
const (
	Wait     Stage = "wait"
	Extract  Stage = "extract"
	Share    Stage = "share"
	Segment  Stage = "segment"
	Check    Stage = "check"
	Assemble Stage = "assemble"
	Total    Stage = "total"
)

// ByStage tells the stages of a job apart.
type ByStage struct{ Stage Stage }

func (ByStage) dimensions() []Dimension {
	return []Dimension{enumerated("Stage", Wait, Extract, Share, Segment, Check, Assemble, Total)}
}
func (l ByStage) values() []string { return []string{string(l.Stage)} }

// Class is a class of HTTP statuses.
type Class string

// ClassOf gives the class of a status.
func ClassOf(status int) Class {
	if status < 200 || status > 599 {
		return other
	}
	return Class(string(rune('0'+status/100)) + "xx")
}

// ByRoute tells requests apart.
type ByRoute struct {
	Route  string // method and path as registered
	Status Class
}

func (ByRoute) dimensions() []Dimension {
	return []Dimension{
		{Name: "Route", Bound: "the routes of `api/openapi.yaml`, and `unmatched`"},
		enumerated[Class]("Status", "2xx", "3xx", "4xx", "5xx"),
	}
}
func (l ByRoute) values() []string { return []string{l.Route, string(l.Status)} }

// ByFunction tells functions apart.
type ByFunction struct{ Function string }

func (ByFunction) dimensions() []Dimension {
	return []Dimension{{Name: "Function", Bound: "the functions of `template.yaml`, as AWS names them"}}
}
func (l ByFunction) values() []string { return []string{l.Function} }

// ByKind tells mails apart.
type ByKind struct{ Kind string }

func (ByKind) dimensions() []Dimension {
	return []Dimension{{Name: "Kind", Bound: "the kinds of mail of `internal/notification`"}}
}
func (l ByKind) values() []string { return []string{l.Kind} }

// Bounce is how SES calls the kind of a bounce, in small letters.
type Bounce string

// ByBounce tells bounces apart.
type ByBounce struct{ Bounce Bounce }

func (ByBounce) dimensions() []Dimension {
	return []Dimension{enumerated[Bounce]("Bounce", "permanent", "transient", "undetermined")}
}
func (l ByBounce) values() []string { return []string{string(l.Bounce)} }

// ByEvent tells events apart, by their type without "fotograma." and the version.
type ByEvent struct{ Event string }

func (ByEvent) dimensions() []Dimension {
	return []Dimension{enumerated("Event",
		"user.registered", "user.erased", "user.export_requested",
		"video.registered", "video.uploaded", "video.upload_abandoned", "video.retry_requested", "video.deleted",
		"processing.started", "processing.completed", "processing.failed", "processing.cancelled", "processing.archive_expired")}
}
func (l ByEvent) values() []string { return []string{l.Event} }

// CountEvent counts an event of a CloudEvents type, unless it is one by which
// services only work together.
func CountEvent(r *Recorder, eventType string) {
	name := strings.TrimPrefix(eventType, "fotograma.")
	if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
		name = name[:dot] // the version
	}
	if slices.Contains(Events.definition.Dimensions[0].Values, name) {
		Record(r, ByEvent{name}, Events.Of(1))
	}
}

// other stands for values that a dimension does not have.
const other = "other"

func enumerated[T ~string](name string, values ...T) Dimension {
	d := Dimension{Name: name}
	for _, v := range values {
		d.Values = append(d.Values, string(v))
	}
	return d
}

var catalogue []*Definition

func define[L Labels](name string, unit Unit, meaning string) Metric[L] {
	var labels L
	d := &Definition{Name: name, Unit: unit, Dimensions: labels.dimensions(), Meaning: meaning}
	catalogue = append(catalogue, d)
	return Metric[L]{d}
}

func derive(name string, unit Unit, meaning string) Definition {
	m := define[None](name, unit, meaning)
	m.definition.Derived = true
	return *m.definition
}

// Catalogue gives all metrics that there are.
func Catalogue() []Definition {
	all := make([]Definition, len(catalogue))
	for i, d := range catalogue {
		all[i] = *d
	}
	return all
}
