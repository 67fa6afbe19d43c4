package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// invokeAction is what a policy of an authorizer allows or denies.
const invokeAction = "execute-api:Invoke"

// decision is what a policy says of one method.
type decision int

const (
	implicitDeny decision = iota
	explicitDeny
	allow
)

// policy is an IAM policy document, as far as a Lambda authorizer's can go
// here: Condition, NotAction and NotResource are not understood, and a document
// with them is an error.
type policy struct {
	Version   string               `json:"Version"`
	ID        string               `json:"Id"`
	Statement oneOrMore[statement] `json:"Statement"`
}

type statement struct {
	SID      string            `json:"Sid"`
	Effect   string            `json:"Effect"`
	Action   oneOrMore[string] `json:"Action"`
	Resource oneOrMore[string] `json:"Resource"`
}

// oneOrMore is a JSON list, or one element without the list around it.
type oneOrMore[T any] []T

func (o *oneOrMore[T]) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '[' {
		var list []T
		if err := unmarshalStrict(data, &list); err != nil {
			return err
		}
		*o = list
		return nil
	}
	var one T
	if err := unmarshalStrict(data, &one); err != nil {
		return err
	}
	*o = []T{one}
	return nil
}

// parsePolicy reads and checks a policy document.
func parsePolicy(data json.RawMessage) (policy, error) {
	var p policy
	if len(data) == 0 || string(data) == "null" {
		return p, errors.New("no policyDocument")
	}
	if err := unmarshalStrict(data, &p); err != nil {
		return p, fmt.Errorf("policyDocument: %w", err)
	}
	if len(p.Statement) == 0 {
		return p, errors.New("policyDocument: no Statement")
	}
	for _, s := range p.Statement {
		if err := s.check(); err != nil {
			return p, fmt.Errorf("policyDocument: %w", err)
		}
	}
	return p, nil
}

func (s statement) check() error {
	if s.Effect != "Allow" && s.Effect != "Deny" {
		return fmt.Errorf("the Effect is neither Allow nor Deny: %q", s.Effect)
	}
	if len(s.Action) == 0 || len(s.Resource) == 0 {
		return errors.New("a statement has no Action or no Resource")
	}
	for _, arn := range s.Resource {
		if len(arn) > maxPolicyARN {
			return fmt.Errorf("a Resource is longer than %d characters", maxPolicyARN)
		}
	}
	return nil
}

// decide tells what the policy says of invoking a method: a Deny that fits
// wins, and what no statement fits is denied.
func (p policy) decide(methodARN string) decision {
	result := implicitDeny
	for _, s := range p.Statement {
		if !s.fits(methodARN) {
			continue
		}
		if s.Effect == "Deny" {
			return explicitDeny
		}
		result = allow
	}
	return result
}

func (s statement) fits(methodARN string) bool {
	return anyGlob(s.Action, invokeAction, strings.EqualFold) &&
		anyGlob(s.Resource, methodARN, func(a, b string) bool { return a == b })
}

func anyGlob(patterns []string, text string, same func(a, b string) bool) bool {
	for _, pattern := range patterns {
		if glob(pattern, text, same) {
			return true
		}
	}
	return false
}

// glob tells whether text fits a pattern in which * stands for any text and ?
// for any one byte. It goes back to the last * only, so its time is at most the
// product of both lengths.
func glob(pattern, text string, same func(a, b string) bool) bool {
	p, t := 0, 0
	star, mark := -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || same(pattern[p:p+1], text[t:t+1])):
			p++
			t++
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
