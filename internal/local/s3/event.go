package s3

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// eventTime is the format of times in events: RFC 3339, UTC, milliseconds.
const eventTime = "2006-01-02T15:04:05.000Z"

// eventMessage is the body of one notification.
type eventMessage struct {
	Records []eventRecord `json:"Records"`
}

// eventRecord is S3's event message structure, version 2.1:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
type eventRecord struct {
	EventVersion      string            `json:"eventVersion"`
	EventSource       string            `json:"eventSource"`
	AWSRegion         string            `json:"awsRegion"`
	EventTime         string            `json:"eventTime"`
	EventName         string            `json:"eventName"`
	UserIdentity      principal         `json:"userIdentity"`
	RequestParameters requestParameters `json:"requestParameters"`
	ResponseElements  responseElements  `json:"responseElements"`
	S3                s3Entity          `json:"s3"`
}

type principal struct {
	PrincipalID string `json:"principalId"`
}

type requestParameters struct {
	SourceIPAddress string `json:"sourceIPAddress"`
}

type responseElements struct {
	RequestID string `json:"x-amz-request-id"`
	HostID    string `json:"x-amz-id-2"`
}

type s3Entity struct {
	SchemaVersion   string      `json:"s3SchemaVersion"`
	ConfigurationID string      `json:"configurationId"`
	Bucket          eventBucket `json:"bucket"`
	Object          eventObject `json:"object"`
}

type eventBucket struct {
	Name          string    `json:"name"`
	OwnerIdentity principal `json:"ownerIdentity"`
	ARN           string    `json:"arn"`
}

// eventObject has no size and no ETag when the object was removed.
type eventObject struct {
	Key       string `json:"key"`
	Size      *int64 `json:"size,omitempty"`
	ETag      string `json:"eTag,omitempty"`
	VersionID string `json:"versionId,omitempty"`
	Sequencer string `json:"sequencer"`
}

// testMessage is what a queue gets when a bucket is told to notify it.
type testMessage struct {
	Service   string `json:"Service"`
	Event     string `json:"Event"`
	Time      string `json:"Time"`
	Bucket    string `json:"Bucket"`
	RequestID string `json:"RequestId"`
	HostID    string `json:"HostId"`
}

// encodeKey encodes a key as events carry it: form encoding, slashes kept.
func encodeKey(key string) string {
	return strings.ReplaceAll(url.QueryEscape(key), "%2F", "/")
}

// sequencer orders the events of one key: of two, compared as strings of equal
// length, the greater is the later.
func sequencer(eventID int64) string {
	return fmt.Sprintf("%016X", eventID)
}

// messageBody turns a stored record into the message that leaves. Its sequencer
// is the row's id, which is known only once the record is stored.
func messageBody(event stored) (string, error) {
	var record eventRecord
	if err := json.Unmarshal(event.document, &record); err != nil {
		return "", fmt.Errorf("decode event %d: %w", event.id, err)
	}
	record.S3.Object.Sequencer = sequencer(event.id)
	body, err := json.Marshal(eventMessage{Records: []eventRecord{record}})
	if err != nil {
		return "", fmt.Errorf("encode event %d: %w", event.id, err)
	}
	return string(body), nil
}

func testBody(bucket, requestID, hostID string, now time.Time) (string, error) {
	body, err := json.Marshal(testMessage{
		Service: "Amazon S3", Event: "s3:TestEvent", Time: now.UTC().Format(eventTime),
		Bucket: bucket, RequestID: requestID, HostID: hostID,
	})
	if err != nil {
		return "", fmt.Errorf("encode test event: %w", err)
	}
	return string(body), nil
}
