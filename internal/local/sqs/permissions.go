package sqs

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
)

var permissionLabel = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// policyDocument is a queue policy as AddPermission writes it. Statements that
// others wrote are kept as they are.
type policyDocument struct {
	Version   string            `json:"Version,omitempty"`
	ID        string            `json:"Id,omitempty"`
	Statement []json.RawMessage `json:"Statement"`
}

// statement is what AddPermission adds.
type statement struct {
	Sid       string     `json:"Sid"`
	Effect    string     `json:"Effect"`
	Principal principals `json:"Principal"`
	Action    []string   `json:"Action"`
	Resource  string     `json:"Resource"`
}

type principals struct {
	AWS []string `json:"AWS"`
}

// sharedActions are the actions that AddPermission may share, as its reference
// lists them; "*" is all of them.
func sharedActions() []string {
	return []string{
		"*", "ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "GetQueueUrl",
		"ListDeadLetterSourceQueues", "PurgeQueue", "ReceiveMessage", "SendMessage",
	}
}

func (d *policyDocument) labelled(label string) int {
	return slices.IndexFunc(d.Statement, func(raw json.RawMessage) bool {
		var s struct {
			Sid string `json:"Sid"`
		}
		return json.Unmarshal(raw, &s) == nil && s.Sid == label
	})
}

func (q *queue) policy(arn string) (*policyDocument, error) {
	doc := &policyDocument{Version: "2012-10-17", ID: arn + "/SQSDefaultPolicy"}
	if text := q.attributes[attrPolicy]; text != "" {
		if err := json.Unmarshal([]byte(text), doc); err != nil {
			return nil, errInvalidAttributeValue(attrPolicy)
		}
	}
	return doc, nil
}

func (q *queue) savePolicy(tx *txn, doc *policyDocument) error {
	text := ""
	if len(doc.Statement) > 0 {
		var err error
		if text, err = encode(doc); err != nil {
			return err
		}
	}
	q.attributes = q.attributes.with(attributes{attrPolicy: text})
	return q.save(tx)
}

type addPermissionRequest struct {
	queueRequest

	Label         string
	AWSAccountIDs []string `json:"AWSAccountIds"`
	Actions       []string
}

func (in addPermissionRequest) check() error {
	switch {
	case !permissionLabel.MatchString(in.Label):
		return errInvalidParameter("Value %s for parameter Label is invalid. Reason: Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.", in.Label)
	case len(in.AWSAccountIDs) == 0:
		return errMissingParameter("AWSAccountIds")
	case len(in.Actions) == 0:
		return errMissingParameter("Actions")
	case len(in.Actions) > 7:
		return errOverLimit(fmt.Sprintf("%d Actions were found, maximum allowed is 7.", len(in.Actions)))
	}
	for _, action := range in.Actions {
		if !slices.Contains(sharedActions(), action) {
			return errInvalidParameter("Value SQS:%s for parameter ActionName is invalid. Reason: Only the queue owner is allowed to invoke this action.", action)
		}
	}
	return nil
}

func (s *Server) addPermission(ctx context.Context, in addPermissionRequest) (empty, error) {
	if err := in.check(); err != nil {
		return empty{}, err
	}
	return empty{}, s.updateQueue(ctx, in.QueueURL, func(tx *txn, q *queue) error {
		doc, err := q.policy(s.queueARN(q.name))
		if err != nil {
			return err
		}
		if doc.labelled(in.Label) >= 0 {
			return errInvalidParameter("Value %s for parameter Label is invalid. Reason: Already exists.", in.Label)
		}
		added, err := json.Marshal(in.statement(s.queueARN(q.name)))
		if err != nil {
			return fmt.Errorf("encode statement: %w", err)
		}
		doc.Statement = append(doc.Statement, added)
		return q.savePolicy(tx, doc)
	})
}

func (in addPermissionRequest) statement(arn string) statement {
	st := statement{Sid: in.Label, Effect: "Allow", Resource: arn}
	for _, id := range in.AWSAccountIDs {
		st.Principal.AWS = append(st.Principal.AWS, "arn:aws:iam::"+id+":root")
	}
	for _, action := range in.Actions {
		st.Action = append(st.Action, "SQS:"+action)
	}
	return st
}

type removePermissionRequest struct {
	queueRequest

	Label string
}

func (s *Server) removePermission(ctx context.Context, in removePermissionRequest) (empty, error) {
	return empty{}, s.updateQueue(ctx, in.QueueURL, func(tx *txn, q *queue) error {
		doc, err := q.policy(s.queueARN(q.name))
		if err != nil {
			return err
		}
		i := doc.labelled(in.Label)
		if i < 0 {
			return errInvalidParameter("Value %s for parameter Label is invalid. Reason: can't find label on existing policy.", in.Label)
		}
		doc.Statement = slices.Delete(doc.Statement, i, i+1)
		return q.savePolicy(tx, doc)
	})
}
