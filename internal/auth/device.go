package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/ratelimit"
)

// keepDevices is how long it is known where a person has logged in from, after the
// last time.
const keepDevices = 365 * 24 * time.Hour

// device is where a person logs in from: a browser, or another program, of a system, on
// a network. Versions do not count: a browser that was brought up to date is no other.
type device struct {
	name    string // "Firefox, Linux"; empty if it is none that is known here
	network string // see ratelimit.Network
}

// The names that are looked for in a User-Agent header, the first that is there counts:
// many browsers name others too. What the header says itself goes into no mail: who
// logs in writes it.
var (
	programs = []struct{ sign, name string }{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"},
		{"fotograma", "fotograma"}, {"curl/", "curl"},
	}
	systems = []struct{ sign, name string }{
		{"Android", "Android"}, {"iPhone", "iOS"}, {"iPad", "iOS"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"Linux", "Linux"},
	}
)

func deviceOf(from origin) device {
	var names []string
	for _, list := range [][]struct{ sign, name string }{programs, systems} {
		for _, one := range list {
			if strings.Contains(from.userAgent, one.sign) {
				names = append(names, one.name)
				break
			}
		}
	}
	return device{name: strings.Join(names, ", "), network: ratelimit.Network(from.network)}
}

// deviceRow is a device that a person has logged in from.
type deviceRow struct {
	dynamo.Key
	Name    string    `dynamodbav:"name"`
	Network string    `dynamodbav:"network"`
	At      time.Time `dynamodbav:"at"` // the last login
	TTL     int64     `dynamodbav:"ttl"`
}

const devicePrefix = "device#"

func deviceKey(userID string, d device) dynamo.Key {
	sum := sha256.Sum256([]byte(d.name + "\x00" + d.network))
	return dynamo.Key{PK: profileKey(userID).PK, SK: devicePrefix + hex.EncodeToString(sum[:16])}
}

// putDevice gives the write that says that a person logs in from a device.
func (s *Store) putDevice(userID string, d device, at time.Time) (types.TransactWriteItem, error) {
	return s.put(deviceRow{
		Key: deviceKey(userID, d), Name: d.name, Network: d.network, At: at.UTC(), TTL: at.Add(keepDevices).Unix(),
	}, "")
}

// newDevice tells whether a person has logged in before, but never from this device.
func (s *Store) newDevice(ctx context.Context, userID string, d device) (bool, error) {
	out, err := s.DB.GetItem(ctx, &dynamodb.GetItemInput{TableName: &s.Table, Key: deviceKey(userID, d).Item(), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return false, fmt.Errorf("look for the device: %w", err)
	}
	if out.Item != nil {
		return false, nil
	}
	others, err := s.DB.Query(ctx, &dynamodb.QueryInput{
		TableName: &s.Table, KeyConditionExpression: aws.String("pk = :pk AND begins_with(sk, :prefix)"), Limit: aws.Int32(1),
		ExpressionAttributeValues: dynamo.Item{":pk": dynamo.S(profileKey(userID).PK), ":prefix": dynamo.S(devicePrefix)},
		ConsistentRead:            aws.Bool(true),
	})
	if err != nil {
		return false, fmt.Errorf("look for other devices: %w", err)
	}
	return len(others.Items) > 0, nil
}

// noticed gives the write that remembers where a person logs in from, and the event
// that has them told of it if that is new. The first login of all is not.
func (s *Service) noticed(ctx context.Context, userID string, from origin) (types.TransactWriteItem, []event.Event, error) {
	where := deviceOf(from)
	remembered, err := s.Store.putDevice(userID, where, s.Now())
	if err != nil {
		return remembered, nil, err
	}
	isNew, err := s.Store.newDevice(ctx, userID, where)
	if err != nil || !isNew {
		return remembered, nil, err
	}
	e, err := event.New(source, s.NewID(), s.Now(), event.NewLogin{UserID: userID, Device: where.name, Network: where.network, At: s.Now().UTC()})
	if err != nil {
		return remembered, nil, fmt.Errorf("tell of a new login: %w", err)
	}
	return remembered, []event.Event{e}, nil
}
