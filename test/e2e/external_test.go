package e2e

import (
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/fotograma/fotograma/internal/local/mailbox"
)

// external is a stand-in for AWS that all stacks use instead of the built-in
// services: "localstack=http://127.0.0.1:4566". infra/against starts one.
var external = newStandIn(os.Getenv("FOTOGRAMA_TEST_AWS"))

func newStandIn(setting string) *standIn {
	name, url, _ := strings.Cut(setting, "=")
	return &standIn{name: name, address: strings.TrimPrefix(url, "http://"), regions: []string{
		// SES is in all of these.
		"us-east-1", // of the shared stack
		"us-east-2", "us-west-1", "us-west-2", "ca-central-1", "ca-west-1", "sa-east-1", "eu-central-1", "eu-central-2",
		"eu-north-1", "eu-south-1", "eu-west-1", "eu-west-2", "eu-west-3", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3",
		"ap-south-1", "ap-south-2", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-5", "af-south-1",
		"il-central-1", "me-central-1", "me-south-1",
	}}
}

type standIn struct {
	name    string // "localstack"
	address string // host:port; empty for the built-in services

	mu      sync.Mutex
	regions []string // that no stack is in yet
}

// newRegion gives a stack a region of its own: nobody else is there.
func (e *standIn) newRegion() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.regions) == 0 {
		panic("there are more stacks than regions")
	}
	region := e.regions[0]
	e.regions = e.regions[1:]
	return region
}

// inbox gives the mails that went to an address, newest first.
func (e *standIn) inbox(t testing.TB, to string) []mail {
	t.Helper()
	sent, err := mailbox.To(t.Context(), "http://"+e.address, to)
	if err != nil {
		t.Fatal(err)
	}
	mails := make([]mail, len(sent))
	for i, m := range sent {
		mails[i] = mail{Subject: m.Subject, Text: m.Text, HTML: m.HTML}
	}
	return mails
}

// heldBack is why a stack that was killed does not go on at once with another SQS than
// the built-in one, which sees that whoever had received a message is gone.
const heldBack = "messages that a killed stack had received come back after their visibility timeout"

// noSimulator is what the stand-ins lack of SES.
const noSimulator = "its SES delivers nothing, and so nothing bounces"

// noHeaders is what a stand-in's list of mails lacks.
const noHeaders = "its list of mails has no headers"

// onePart is what moto makes of SendEmail.
const onePart = "it keeps one part of a mail"

// needsBuiltIn skips a test that is about the built-in services.
func needsBuiltIn(t *testing.T, why string) {
	t.Helper()
	if external.address != "" {
		t.Skip("not with " + external.name + ": " + why)
	}
}

// notWith skips a test of what one stand-in does otherwise than AWS:
// docs/localstack.md.
func notWith(t *testing.T, name, why string) {
	t.Helper()
	if external.name == name {
		t.Skip("not with " + name + ": " + why)
	}
}
