package sqs

import (
	"context"
	"maps"
	"unicode/utf8"
)

const (
	maxTags          = 50
	maxTagKeyChars   = 128
	maxTagValueChars = 256
)

func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return errInvalidParameter("Too many tags added for queue. Maximum number of tags allowed is %d.", maxTags)
	}
	for key, value := range tags {
		if n := utf8.RuneCountInString(key); n == 0 || n > maxTagKeyChars {
			return errInvalidParameter("Tag keys must be between 1 and %d characters in length.", maxTagKeyChars)
		}
		if utf8.RuneCountInString(value) > maxTagValueChars {
			return errInvalidParameter("Tag values must be between 0 and %d characters in length.", maxTagValueChars)
		}
	}
	return nil
}

type tagQueueRequest struct {
	queueRequest

	Tags map[string]string
}

func (s *Server) tagQueue(ctx context.Context, in tagQueueRequest) (empty, error) {
	if len(in.Tags) == 0 {
		return empty{}, errMissingParameter("Tags")
	}
	return empty{}, s.updateQueue(ctx, in.QueueURL, func(tx *txn, q *queue) error {
		maps.Copy(q.tags, in.Tags)
		if err := checkTags(q.tags); err != nil {
			return err
		}
		return q.save(tx)
	})
}

type untagQueueRequest struct {
	queueRequest

	TagKeys []string
}

func (s *Server) untagQueue(ctx context.Context, in untagQueueRequest) (empty, error) {
	if len(in.TagKeys) == 0 {
		return empty{}, errMissingParameter("TagKeys")
	}
	return empty{}, s.updateQueue(ctx, in.QueueURL, func(tx *txn, q *queue) error {
		for _, key := range in.TagKeys {
			delete(q.tags, key)
		}
		return q.save(tx)
	})
}

type listTagsResponse struct {
	Tags map[string]string `json:",omitempty"`
}

func (s *Server) listQueueTags(ctx context.Context, in queueRequest) (listTagsResponse, error) {
	q, err := s.readQueue(ctx, in.QueueURL)
	if err != nil {
		return listTagsResponse{}, err
	}
	return listTagsResponse{q.tags}, nil
}
