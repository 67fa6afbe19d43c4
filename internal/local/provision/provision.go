// Package provision makes the tables, queues, buckets, secrets, topics, sender
// identities and configuration sets of mails that a template names, on whatever endpoint speaks AWS' protocols:
// the local stack's own, LocalStack, MiniStack, moto, AWS itself.
//
// What is there already is brought to what the template says; what the template
// does not name is left alone. Nothing is ever deleted but indexes and settings,
// and a table whose keys differ is an error, since only making it anew could help.
// The template's CloudFormation spelling is turned into the APIs' shapes
// property by property: one that is not known here is an error. Tags, and what
// the package names in the types of definitions.go without reading it, are for
// accounts with bills and are not made.
//
// A setting that means nothing on one machine (encryption, ownership, backups)
// and that the endpoint does not implement is logged and passed over.
//
// Against AWS it needs dynamodb:CreateTable, DescribeTable, UpdateTable,
// DescribeTimeToLive, UpdateTimeToLive, DescribeContinuousBackups and
// UpdateContinuousBackups; sqs:CreateQueue, GetQueueUrl, GetQueueAttributes and
// SetQueueAttributes; s3:CreateBucket, ListBucket and the Get and Put actions of
// a bucket's CORS, lifecycle, notification, versioning, encryption, ownership,
// public access block and policy; ses:GetIdentityVerificationAttributes,
// ListIdentities, VerifyEmailIdentity, VerifyDomainIdentity, CreateConfigurationSet and the
// Create and Update actions of its event destinations; sns:CreateTopic and Subscribe;
// secretsmanager:DescribeSecret and
// CreateSecret.
package provision

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ses"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"

	"github.com/fotograma/fotograma/internal/local/sam"
)

// Apply makes what t names with the clients of cfg. It can be called again at any
// time, after a failure too. The first error ends it and says what was being
// done to which resource.
func Apply(ctx context.Context, cfg aws.Config, t *sam.Template, log *slog.Logger) error {
	p := &provisioner{
		log:      log,
		dynamodb: dynamodb.NewFromConfig(cfg),
		sqs:      sqs.NewFromConfig(cfg),
		s3: s3.NewFromConfig(cfg, func(o *s3.Options) {
			// Without a wildcard in the name server, only AWS has a host per bucket.
			o.UsePathStyle = o.BaseEndpoint != nil
		}),
		ses:     ses.NewFromConfig(cfg),
		secrets: secretsmanager.NewFromConfig(cfg),
		sns:     sns.NewFromConfig(cfg),
	}
	return p.apply(ctx, t)
}

type provisioner struct {
	log      *slog.Logger
	dynamodb *dynamodb.Client
	sqs      *sqs.Client
	s3       *s3.Client
	ses      *ses.Client
	secrets  *secretsmanager.Client
	sns      *sns.Client
}

func (p *provisioner) apply(ctx context.Context, t *sam.Template) error {
	for _, table := range t.Tables {
		if err := p.table(ctx, table); err != nil {
			return fmt.Errorf("table %s (%s): %w", table.Name, table.LogicalID, err)
		}
	}
	for _, queue := range deadLettersFirst(t.Queues) {
		if err := p.queue(ctx, queue); err != nil {
			return fmt.Errorf("queue %s (%s): %w", queue.Name, queue.LogicalID, err)
		}
	}
	for _, bucket := range t.Buckets {
		if err := p.bucket(ctx, bucket); err != nil {
			return fmt.Errorf("bucket %s (%s): %w", bucket.Name, bucket.LogicalID, err)
		}
	}
	for _, identity := range t.Identities {
		if err := p.identity(ctx, identity); err != nil {
			return fmt.Errorf("sender %s (%s): %w", identity.Identity, identity.LogicalID, err)
		}
	}
	for _, topic := range t.Topics {
		if err := p.topic(ctx, topic); err != nil {
			return fmt.Errorf("topic %s (%s): %w", topic.Name, topic.LogicalID, err)
		}
	}
	for _, set := range t.MailSets {
		if err := p.mailSet(ctx, set); err != nil {
			return fmt.Errorf("configuration set %s (%s): %w", set.Name, set.LogicalID, err)
		}
	}
	for _, secret := range t.Secrets {
		if err := p.secret(ctx, secret); err != nil {
			return fmt.Errorf("secret %s (%s): %w", secret.Name, secret.LogicalID, err)
		}
	}
	return nil
}

// decode reads a definition and refuses what the type does not name.
func decode(definition json.RawMessage, into any) error {
	dec := json.NewDecoder(bytes.NewReader(definition))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("read its properties: %s", strings.ReplaceAll(err.Error(), "json: unknown field", "unknown property"))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("read its properties: more than one JSON value")
	}
	return nil
}

// isCode tells whether err is one of these errors of an API.
func isCode(err error, codes ...string) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && slices.Contains(codes, api.ErrorCode())
}

// isNotImplemented tells whether the endpoint knows no such call.
func isNotImplemented(err error) bool {
	if response, ok := errors.AsType[*awshttp.ResponseError](err); ok && response.HTTPStatusCode() == http.StatusNotImplemented {
		return true
	}
	return isCode(err, "InvalidAction", "NotImplemented", "NotImplementedException", "UnknownOperation", "UnknownOperationException")
}

// optional passes over a call that the endpoint does not implement and that
// means nothing on one machine.
func (p *provisioner) optional(ctx context.Context, what, resource string, err error) error {
	if err == nil {
		return nil
	}
	if isNotImplemented(err) {
		p.log.WarnContext(ctx, "the endpoint does not implement this; going on without", "what", what, "resource", resource, "error", err)
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
