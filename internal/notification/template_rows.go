package notification

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/fotograma/fotograma/internal/platform/dynamo"
)

var (
	// ErrNoVersion is that a template has no such version.
	ErrNoVersion = errors.New("there is no such version")

	// ErrEditedMeanwhile is that another version is in use than was thought.
	ErrEditedMeanwhile = errors.New("it was changed meanwhile")
)

// TemplateVersion is one version of a template.
type TemplateVersion struct {
	Version int // from 1; 0 is the shipped one
	Source
	At time.Time // when it was made; zero for the shipped one

	// ShippedChanged is whether the shipped template is another than when this one
	// was made.
	ShippedChanged bool
}

// TemplateState is which version of a template is in use.
type TemplateState struct {
	InUse  int // 0 for the shipped one
	Newest int // 0 if it was never edited
}

// templateRow is an edited template.
type templateRow struct {
	dynamo.Key
	Source
	Version int       `dynamodbav:"version"`
	At      time.Time `dynamodbav:"at"`
	Shipped string    `dynamodbav:"shipped"` // SHA-256 of the shipped template when it was made
}

// stateRow is a TemplateState.
type stateRow struct {
	dynamo.Key
	InUse  int `dynamodbav:"version"`
	Newest int `dynamodbav:"newest"`
}

func (n TemplateName) key(sk string) dynamo.Key {
	pk := "template#" + n.Kind
	if n.Locale != "" {
		pk += "#" + string(n.Locale)
	}
	return dynamo.Key{PK: pk, SK: sk}
}

const (
	templateInUse         = "current"
	templateVersionPrefix = "version#"
)

func (n TemplateName) versionKey(version int) dynamo.Key {
	return n.key(fmt.Sprintf("%s%010d", templateVersionPrefix, version))
}

// fingerprint tells a source from all others.
func (s Source) fingerprint() string {
	sum := sha256.Sum256([]byte(s.Text + "\x00" + s.HTML))
	return hex.EncodeToString(sum[:])
}

// State tells which version of a template is in use.
func (t *Templates) State(ctx context.Context, n TemplateName) (TemplateState, error) {
	row, err := dynamo.Get[stateRow](ctx, t.Store.DB, t.Store.Table, n.key(templateInUse))
	if err != nil {
		return TemplateState{}, fmt.Errorf("look which template is in use: %w", err)
	}
	if row == nil {
		return TemplateState{}, nil
	}
	return TemplateState{InUse: row.InUse, Newest: row.Newest}, nil
}

// InUse gives the version of a template that is in use.
func (t *Templates) InUse(ctx context.Context, n TemplateName) (TemplateVersion, error) {
	state, err := t.State(ctx, n)
	if err != nil {
		return TemplateVersion{}, err
	}
	return t.Version(ctx, n, state.InUse)
}

// Version gives a version of a template; ErrNoVersion if it has none of that number.
func (t *Templates) Version(ctx context.Context, n TemplateName, version int) (TemplateVersion, error) {
	now, err := shipped(n)
	if err != nil || version == 0 {
		return TemplateVersion{Source: now}, err
	}
	row, err := dynamo.Get[templateRow](ctx, t.Store.DB, t.Store.Table, n.versionKey(version))
	if err != nil {
		return TemplateVersion{}, fmt.Errorf("read template: %w", err)
	}
	if row == nil {
		return TemplateVersion{Version: version}, fmt.Errorf("%w: %s has no version %d", ErrNoVersion, n, version)
	}
	return row.version(now), nil
}

func (r templateRow) version(shipped Source) TemplateVersion {
	return TemplateVersion{Version: r.Version, Source: r.Source, At: r.At, ShippedChanged: r.Shipped != shipped.fingerprint()}
}

// History gives all versions of a template but for the shipped one, the newest first.
func (t *Templates) History(ctx context.Context, n TemplateName) ([]TemplateVersion, error) {
	now, err := shipped(n)
	if err != nil {
		return nil, err
	}
	rows, err := dynamo.QueryAll[templateRow](ctx, t.Store.DB, &dynamodb.QueryInput{
		TableName: &t.Store.Table, ConsistentRead: aws.Bool(true), ScanIndexForward: aws.Bool(false),
		KeyConditionExpression: aws.String("pk = :pk AND begins_with(sk, :sk)"),
		ExpressionAttributeValues: dynamo.Item{
			":pk": dynamo.S(n.key("").PK), ":sk": dynamo.S(templateVersionPrefix),
		},
	})
	if err != nil {
		return nil, fmt.Errorf("read the versions of a template: %w", err)
	}
	versions := make([]TemplateVersion, len(rows))
	for i, row := range rows {
		versions[i] = row.version(now)
	}
	return versions, nil
}

// Set makes a new version of a template, has it used, and gives its number. seen is
// what was known before: ErrEditedMeanwhile if somebody has changed it since. A source
// that Check refuses is not taken.
func (t *Templates) Set(ctx context.Context, n TemplateName, seen TemplateState, s Source) (int, error) {
	if err := n.Check(s); err != nil {
		return 0, err
	}
	now, err := shipped(n)
	if err != nil {
		return 0, err
	}
	version := seen.Newest + 1
	item, err := dynamo.Marshal(templateRow{Key: n.versionKey(version), Source: s, Version: version, At: t.Now().UTC(), Shipped: now.fingerprint()})
	if err != nil {
		return 0, err
	}
	made := types.TransactWriteItem{Put: &types.Put{
		TableName: &t.Store.Table, Item: item, ConditionExpression: aws.String("attribute_not_exists(pk)"),
	}}
	return version, t.change(ctx, n, seen, TemplateState{InUse: version, Newest: version}, made)
}

// Use has a version of a template used, the shipped one for 0. seen is what was known
// before: ErrEditedMeanwhile if somebody has changed it since. ErrNoVersion if there is
// no such version, and a *TemplateError if it is no good any more.
func (t *Templates) Use(ctx context.Context, n TemplateName, seen TemplateState, version int) error {
	found, err := t.Version(ctx, n, version)
	if err != nil {
		return err
	}
	if err := n.Check(found.Source); err != nil {
		return err
	}
	if version == seen.InUse {
		return nil
	}
	return t.change(ctx, n, seen, TemplateState{InUse: version, Newest: seen.Newest})
}

// change has another version used, together with other writes.
func (t *Templates) change(ctx context.Context, n TemplateName, seen, next TemplateState, more ...types.TransactWriteItem) error {
	item, err := dynamo.Marshal(stateRow{Key: n.key(templateInUse), InUse: next.InUse, Newest: next.Newest})
	if err != nil {
		return err
	}
	put := &types.Put{TableName: &t.Store.Table, Item: item, ConditionExpression: aws.String("attribute_not_exists(pk)")}
	if seen != (TemplateState{}) {
		put.ConditionExpression = aws.String("version = :in_use AND newest = :newest")
		put.ExpressionAttributeValues = dynamo.Item{":in_use": dynamo.N(seen.InUse), ":newest": dynamo.N(seen.Newest)}
	}
	err = dynamo.Retry(ctx, func() error {
		_, err := t.Store.DB.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{
			TransactItems: slices.Concat([]types.TransactWriteItem{{Put: put}}, more),
		})
		return err
	})
	if len(dynamo.FailedConditions(err)) > 0 {
		return fmt.Errorf("%s: %w", n, ErrEditedMeanwhile)
	}
	if err != nil {
		return fmt.Errorf("change template: %w", err)
	}
	return nil
}
