package processing

import (
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/fotograma/fotograma/internal/platform/metrics"
	"github.com/fotograma/fotograma/internal/platform/problem"
)

// stage is what a worker that began a run did of it.
func (j *running) stage() metrics.Stage {
	if j.shared {
		return metrics.Share
	}
	return metrics.Extract
}

func (u *unit) stage() metrics.Stage {
	if u.task.Step == Check {
		return metrics.Check
	}
	return metrics.Segment
}

// measureWait records how long a message waited for a worker. One that comes again
// had one before.
func (w *Worker) measureWait(m events.SQSMessage) {
	sent, err := strconv.ParseInt(m.Attributes["SentTimestamp"], 10, 64)
	if err != nil || m.Attributes["ApproximateReceiveCount"] != "1" {
		return
	}
	waited := max(w.Now().Sub(time.UnixMilli(sent)), 0) // the clocks are two
	metrics.Record(w.Metrics, metrics.ByStage{Stage: metrics.Wait}, metrics.JobDuration.Of(waited.Seconds()))
}

// measureStage records how long a stage took that is done, and gives it.
func (w *Worker) measureStage(stage metrics.Stage, since time.Time) time.Duration {
	took := w.Now().Sub(since)
	metrics.Record(w.Metrics, metrics.ByStage{Stage: stage}, metrics.JobDuration.Of(took.Seconds()))
	return took
}

// measureRate records how fast one worker extracted frames.
func (w *Worker) measureRate(frames int, took time.Duration) {
	if took > 0 {
		metrics.Record(w.Metrics, metrics.None{}, metrics.FramesPerSecond.Of(float64(frames)/took.Seconds()))
	}
}

// measureCost records what a stage cost, however it ended. The calls are all that
// were made since the last one: Lambda gives a process one message at a time.
func (w *Worker) measureCost(stage metrics.Stage, since time.Time) {
	const millionths = 1e6
	dollars := w.Prices.Of(w.Now().Sub(since), w.Memory, w.Calls.Take())
	metrics.Record(w.Metrics, metrics.ByStage{Stage: stage}, metrics.JobCost.Of(dollars*millionths))
}

// measure records a job that has been completed.
func (j *running) measure() {
	stage, archive := j.stage(), j.completed.Archive
	if j.task.Step == Assemble {
		stage = metrics.Assemble
	}
	took := j.measureStage(stage, j.claimed)
	if stage == metrics.Extract {
		j.measureRate(archive.Frames, took)
	}
	j.measureStage(metrics.Total, j.started)
	metrics.Record(j.Metrics, metrics.None{},
		metrics.FramesExtracted.Of(float64(archive.Frames)),
		metrics.UploadSize.Of(float64(j.size)),
		metrics.ArchiveSize.Of(float64(archive.Size)))
}

// countFailure counts a run that has ended as failed.
func (b *base) countFailure(code problem.Code) {
	metrics.Record(b.Metrics, metrics.ByCode{Code: code}, metrics.JobFailures.Of(1))
}
