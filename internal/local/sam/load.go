// Package sam reads an AWS SAM template and works it out for one machine:
// parameters, mappings, conditions, Globals, intrinsic functions and the
// resources that SAM makes by itself. What is left is plain data ([Template]),
// from which the local stack is made.
//
// What it does not understand is an error that names the line, never skipped: a
// resource type, a property at whatever depth, an intrinsic function, a
// reference. Resource types which mean nothing on one machine (log groups,
// alarms, roles) are known and checked like the others, and then left out. A
// property which would mean something here but is not built is an error too:
// a stack that differs from the template without a word would be a trap.
//
// Which properties a CloudFormation type has is in cloudformation.json, which
// command schemagen writes from AWS' own schemas; serverless.json has SAM's
// types in the same notation:
//
//	string, integer, number, boolean   a scalar; "string(A|B)" allows A and B,
//	                                   "integer(1..10)" 1 to 10
//	json                               anything
//	[]T, {}T                           a list, a map
//	AWS::SQS::Queue.Tag                an object with that entry's properties;
//	                                   a property that ends in ! is required
package sam

import (
	"cmp"
	"fmt"
	"os"
)

// Config tells Load what the template itself leaves open.
type Config struct {
	// Path is the template's file, as errors name it.
	Path string

	// Parameters are the values given to the template's parameters.
	Parameters map[string]string

	Region    string // default "us-east-1"
	AccountID string // default "000000000000"
	Partition string // default "aws"
	StackName string // default "fotograma"

	// QueueBaseURL begins the URLs of queues ("http://127.0.0.1:4566"); empty
	// for AWS' own.
	QueueBaseURL string

	// APIBaseURL gives the address of an API's stage, which replaces
	// https://<api>.execute-api.<region>.<suffix>/<stage> wherever the template
	// spells that. Nil leaves AWS' address.
	APIBaseURL func(logicalID, stage string) string
}

// Load reads the template at cfg.Path and works it out. The error joins an
// [*Error] for everything that is wrong in the file, sorted by line.
func Load(cfg Config) (*Template, error) {
	data, err := os.ReadFile(cfg.Path)
	if err != nil {
		return nil, fmt.Errorf("reading the template: %w", err)
	}
	return load(cfg, data)
}

func load(cfg Config, data []byte) (*Template, error) {
	cfg.Region = cmp.Or(cfg.Region, "us-east-1")
	cfg.AccountID = cmp.Or(cfg.AccountID, "000000000000")
	cfg.Partition = cmp.Or(cfg.Partition, "aws")
	cfg.StackName = cmp.Or(cfg.StackName, "fotograma")

	p := &problems{file: cfg.Path}
	root := (&reader{problems: p}).read(data)
	if root == nil || root.kind == bad {
		return nil, p.err()
	}
	r := newResolver(cfg, p, root)
	t := r.template()
	if err := p.err(); err != nil {
		return nil, err
	}
	return t, nil
}
