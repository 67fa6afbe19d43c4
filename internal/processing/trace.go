package processing

import (
	"context"
	"errors"
	"log/slog"

	"github.com/aws/aws-lambda-go/events"
	"go.opentelemetry.io/otel/trace"

	"github.com/fotograma/fotograma/internal/frames"
	"github.com/fotograma/fotograma/internal/platform/logging"
	"github.com/fotograma/fotograma/internal/platform/tracing"
)

// follow gives the context for a task that a message asks for, which is the trace's
// that the task belongs to. Of a file that S3 tells of, the file itself says which that
// is; the file is given too, unless it was not found. The span is to be ended.
func (b *base) follow(ctx context.Context, m events.SQSMessage, task Task) (context.Context, trace.Span, *Source) {
	var src *Source
	var span trace.Span = unended{trace.SpanFromContext(ctx)}
	if task.Notified {
		parent := ""
		if found, err := b.Objects.Find(ctx, task.Key()); err == nil { // else there will be another look
			src, parent = found, found.trace
		}
		ctx, span = tracing.Notification(ctx, m, parent)
	}
	span.SetAttributes(tracing.VideoID(task.Ref.VideoID))
	return logging.With(ctx, slog.String("video_id", task.Ref.VideoID), slog.Int("run", task.Ref.Run)), span, src
}

// unended is the span of the message itself, which others end.
type unended struct{ trace.Span }

func (unended) End(...trace.SpanEndOption) {}

// stages gives what makes a span of each stage of an extraction as it begins, and
// what ends the last one.
func stages(ctx context.Context) (begin func(stage string), end func(error)) {
	var current trace.Span
	end = func(err error) {
		if current != nil {
			endStage(current, err)
			current = nil
		}
	}
	return func(stage string) {
		end(nil)
		_, current = tracing.Stage(ctx, stage)
	}, end
}

// endStage ends the span of a stage, with the code by which people know what went
// wrong if there is one. That a video is too much for one worker is no failure.
func endStage(span trace.Span, err error) {
	if errors.Is(err, frames.ErrTooMuch) {
		err = nil
	}
	if code := judge(err, nil).failed; code != "" {
		tracing.Fail(span, string(code))
		err = nil
	}
	tracing.End(span, err)
}

// inStage does one stage.
func inStage(ctx context.Context, stage string, do func(context.Context) error) error {
	ctx, span := tracing.Stage(ctx, stage)
	err := do(ctx)
	endStage(span, err)
	return err
}
