package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/fotograma/fotograma/internal/local/dynamodb"
	"github.com/fotograma/fotograma/internal/local/s3"
	"github.com/fotograma/fotograma/internal/local/secrets"
	"github.com/fotograma/fotograma/internal/local/ses"
	"github.com/fotograma/fotograma/internal/local/sns"
	"github.com/fotograma/fotograma/internal/local/sqs"
)

// Endpoints are the AWS services that run in this process, on one port.
type Endpoints struct {
	dynamodb *dynamodb.Server
	sqs      *sqs.Server
	ses      *ses.Server
	secrets  *secrets.Server
	sns      *sns.Server
	s3       *s3.Server

	pages http.Handler // for people and tests: below /_fotograma/, and LocalStack's /_aws/ses
}

// OpenEndpoints opens the services over the files in dir, which must exist. base
// is the address that they are reached at ("http://127.0.0.1:4566"); mails are
// relayed to smtpURL if that is not empty. A process can have one S3 open at a
// time.
func OpenEndpoints(dir, base, smtpURL string, log *slog.Logger) (*Endpoints, error) {
	e := &Endpoints{}
	e.sns = sns.New(sns.Options{Region: Region, AccountID: AccountID, Send: func(ctx context.Context, queueARN, body string) error {
		return e.sqs.Send(ctx, queueARN, body)
	}})
	err := errors.Join(
		open(&e.dynamodb, func() (*dynamodb.Server, error) {
			return dynamodb.Open(filepath.Join(dir, "dynamodb.db"), dynamodb.Options{Region: Region, AccountID: AccountID, Logger: log})
		}),
		open(&e.sqs, func() (*sqs.Server, error) {
			return sqs.Open(filepath.Join(dir, "sqs.db"), sqs.Options{BaseURL: base, Region: Region, AccountID: AccountID, Logger: log})
		}),
		open(&e.ses, func() (*ses.Server, error) {
			return ses.Open(filepath.Join(dir, "ses.db"), ses.Options{Region: Region, SMTPURL: smtpURL, Logger: log, Publish: func(ctx context.Context, topic, message string) error {
				_, err := e.sns.Publish(ctx, topic, message)
				return err
			}})
		}),
		open(&e.secrets, func() (*secrets.Server, error) {
			return secrets.Open(filepath.Join(dir, "secrets.db"), secrets.Options{Region: Region, AccountID: AccountID})
		}),
	)
	if err == nil {
		err = open(&e.s3, func() (*s3.Server, error) {
			return s3.Open(filepath.Join(dir, "s3"), s3.Options{
				AccessKey: AccessKey, SecretKey: SecretKey, Region: Region, Notify: e.sqs.Send, Logger: log,
			})
		})
	}
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	pages := http.NewServeMux()
	pages.Handle(ses.InboxPath, e.ses.Inbox())
	pages.Handle(ses.LocalStackPath, e.ses.Inbox())
	pages.Handle("/_fotograma/", http.RedirectHandler(ses.InboxPath, http.StatusSeeOther))
	e.pages = pages
	return e, nil
}

func open[T any](into *T, opener func() (T, error)) error {
	opened, err := opener()
	if err == nil {
		*into = opened
	}
	return err
}

// Close closes what was opened, S3 first since it sends to SQS.
func (e *Endpoints) Close() error {
	var errs []error
	if e.s3 != nil {
		errs = append(errs, e.s3.Close())
	}
	if e.secrets != nil {
		errs = append(errs, e.secrets.Close())
	}
	if e.ses != nil {
		errs = append(errs, e.ses.Close())
	}
	if e.sqs != nil {
		errs = append(errs, e.sqs.Close())
	}
	if e.dynamodb != nil {
		errs = append(errs, e.dynamodb.Close())
	}
	return errors.Join(errs...)
}

// sweepEvery is how often S3 and DynamoDB look for what has expired. AWS does so
// within days.
const sweepEvery = time.Minute

// sweep deletes expired objects and items, until ctx ends.
func (e *Endpoints) sweep(ctx context.Context, log *slog.Logger) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		if err := e.s3.Sweep(ctx); err != nil && ctx.Err() == nil {
			log.Warn("S3 lifecycle", "error", err)
		}
		if _, err := e.dynamodb.Sweep(ctx); err != nil && ctx.Err() == nil {
			log.Warn("DynamoDB time to live", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// maxForm is the largest body, in bytes, of a call of the query protocol: SES
// takes mails of 10 MB, which base64 and URL encoding make longer.
const maxForm = 40 << 20

// ServeHTTP finds the service that a request is for. DynamoDB, SQS and Secrets
// Manager name themselves in X-Amz-Target, SES in its form's version; all else
// is S3's.
func (e *Endpoints) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target, _, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch {
	case strings.HasPrefix(target, "DynamoDB"):
		e.dynamodb.ServeHTTP(w, r)
	case target == "AmazonSQS":
		e.sqs.ServeHTTP(w, r)
	case target == "secretsmanager":
		e.secrets.ServeHTTP(w, r)
	case strings.HasPrefix(r.URL.Path, "/_fotograma/"), r.URL.Path == ses.LocalStackPath:
		e.pages.ServeHTTP(w, r)
	case r.URL.Path == "/" && r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html"):
		http.Redirect(w, r, "/_fotograma/", http.StatusSeeOther) // a person, not a program
	case isForm(r):
		e.serveForm(w, r)
	default:
		e.s3.ServeHTTP(w, r)
	}
}

// isForm tells calls of the query protocol from S3's: browser uploads, which are
// multipart forms, and others that say in the query what they are, whatever
// curl makes of their type.
func isForm(r *http.Request) bool {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && media == "application/x-www-form-urlencoded" && r.Method == http.MethodPost && r.URL.RawQuery == ""
}

// serveForm hands a call of the query protocol on: to SES, SNS, or to SQS which says
// that it does not speak it. The protocol's version names the service.
func (e *Endpoints) serveForm(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if err != nil {
		http.Error(w, fmt.Sprintf("read request: %v", err), http.StatusRequestEntityTooLarge)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if bytes.Contains(body, []byte("Version=2012-11-05")) {
		e.sqs.ServeHTTP(w, r)
		return
	}
	if bytes.Contains(body, []byte("Version="+sns.Version)) {
		e.sns.ServeHTTP(w, r)
		return
	}
	e.ses.ServeHTTP(w, r)
}
