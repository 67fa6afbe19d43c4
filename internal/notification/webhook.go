package notification

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	secretstypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/mailcode"
	"github.com/fotograma/fotograma/internal/platform/problem"
)

// webhook is where a person wants their programs to be told of their videos.
type webhook struct {
	dynamo.Key
	URL   string    `dynamodbav:"url"`
	Since time.Time `dynamodbav:"since"` // when the secret was made

	// KeyID and Nonce are what the secret is made of: see WebhookSecrets.
	KeyID string `dynamodbav:"key_id"`
	Nonce string `dynamodbav:"nonce"`
}

func webhookKey(userID string) dynamo.Key {
	return dynamo.Key{PK: "user#" + userID, SK: "webhook"}
}

// webhook gives a person's webhook; nil if they have none.
func (s *Store) webhook(ctx context.Context, userID string) (*webhook, error) {
	found, err := dynamo.Get[webhook](ctx, s.DB, s.Table, webhookKey(userID))
	if err != nil {
		return nil, fmt.Errorf("get webhook: %w", err)
	}
	return found, nil
}

// putWebhook keeps a person's webhook; errNobody if they were erased.
func (s *Store) putWebhook(ctx context.Context, userID string, w webhook) error {
	w.Key = webhookKey(userID)
	item, err := dynamo.Marshal(w)
	if err != nil {
		return err
	}
	put := types.TransactWriteItem{Put: &types.Put{TableName: &s.Table, Item: item}}
	return s.commitAbout(ctx, put, s.People.Standing(userID))
}

func (s *Store) deleteWebhook(ctx context.Context, userID string) error {
	_, err := s.DB.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &s.Table, Key: webhookKey(userID).Item()})
	if err != nil {
		return fmt.Errorf("delete webhook: %w", err)
	}
	return nil
}

// testEvery is how often a person may have their webhook tried.
const testEvery = 5 * time.Second

// countTest counts a trial of a person's webhook. It tells how long they must wait
// before the next, if they must.
func (s *Store) countTest(ctx context.Context, userID string, now time.Time) (wait time.Duration, err error) {
	_, err = s.DB.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:           &s.Table,
		Key:                 webhookKey(userID).Item(),
		UpdateExpression:    aws.String("SET tested_at = :now"),
		ConditionExpression: aws.String("attribute_exists(pk) AND (attribute_not_exists(tested_at) OR tested_at <= :before)"),
		ExpressionAttributeValues: dynamo.Item{
			":now": dynamo.N(now.UnixMilli()), ":before": dynamo.N(now.Add(-testEvery).UnixMilli()),
		},
	})
	if dynamo.ConditionFailed(err) {
		return testEvery, nil
	}
	if err != nil {
		return 0, fmt.Errorf("count trial of the webhook: %w", err)
	}
	return 0, nil
}

// WebhookSecrets makes the secrets that webhooks are signed with. None of them is
// kept: each is the HMAC-SHA-256 of the person and a random nonce, with a key that is
// in Secrets Manager. So whoever reads the table has none, and a person has another
// when they have another nonce.
//
// A secret is good for as long as Secrets Manager keeps the version of the key that it
// was made with.
type WebhookSecrets struct {
	Keys *mailcode.Keys
}

// webhookPurpose sets these MACs apart from all others.
const webhookPurpose = "fotograma webhook v1"

// errSecretLost is that Secrets Manager does not keep the key any more which a secret
// was made with.
var errSecretLost = errors.New("the webhook's secret is lost with its key")

// renew gives a webhook another secret.
func (s *WebhookSecrets) renew(ctx context.Context, userID string, w *webhook, now time.Time) (secret string, err error) {
	keyID, _, err := s.Keys.Current(ctx)
	if err != nil {
		return "", err
	}
	w.KeyID, w.Nonce, w.Since = keyID, rand.Text(), now
	return s.secret(ctx, userID, *w)
}

// secret gives the secret of a webhook, as the Standard Webhooks specification spells
// it: "whsec_" and base64. It gives errSecretLost if there is none any more.
func (s *WebhookSecrets) secret(ctx context.Context, userID string, w webhook) (string, error) {
	key, err := s.Keys.Version(ctx, w.KeyID)
	if _, unknown := errors.AsType[*secretstypes.ResourceNotFoundException](err); unknown {
		return "", fmt.Errorf("%w: %w", errSecretLost, err)
	}
	if err != nil {
		return "", err
	}
	return "whsec_" + base64.StdEncoding.EncodeToString(mailcode.MAC(key, webhookPurpose, userID, w.Nonce)), nil
}

// maxWebhookURL is the longest address of a webhook, in bytes.
const maxWebhookURL = 2000

// Reasons why an address is no webhook's.
const (
	wantHTTPS  = "must be an address that begins with https://"
	wantNoUser = "must have no user name, password or fragment"
	wantPublic = "must have the name of a host on the internet"
)

// checkWebhookURL tells what is wrong with a webhook's address as far as one sees from
// it: where its host's name leads is looked at when it is called. loopback allows
// plain HTTP to this machine.
func checkWebhookURL(text string, loopback bool) error {
	refuse := func(reason string) error { return problem.In(problem.InvalidRequest, "body.webhook.url", reason) }
	if len(text) > maxWebhookURL {
		return refuse(fmt.Sprintf("must have at most %d bytes", maxWebhookURL))
	}
	address, err := url.Parse(text)
	if err != nil || address.Hostname() == "" || address.Opaque != "" {
		return refuse(wantHTTPS)
	}
	if address.User != nil || address.Fragment != "" {
		return refuse(wantNoUser)
	}
	if loopback && isLoopback(address.Hostname()) {
		return nil
	}
	if address.Scheme != "https" {
		return refuse(wantHTTPS)
	}
	if isLoopback(address.Hostname()) || net.ParseIP(address.Hostname()) != nil {
		return refuse(wantPublic)
	}
	return nil
}

// isLoopback tells whether a host is this machine by its name.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
