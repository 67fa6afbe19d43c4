package mailcode_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/mailcode"
)

var key = bytes.Repeat([]byte{7}, 32)

func request() event.CodeRequested {
	return event.CodeRequested{UserID: "u", Email: "ana@example.com", Purpose: "reset_password", Nonce: "n"}
}

func TestACodeIsBoundToItsRequestAndKey(t *testing.T) {
	code := mailcode.Code(key, request())
	if len(code) != mailcode.Length || code != mailcode.Code(key, request()) {
		t.Errorf("code %q", code)
	}
	for name, change := range map[string]func(*event.CodeRequested){
		"person":  func(r *event.CodeRequested) { r.UserID = "v" },
		"address": func(r *event.CodeRequested) { r.Email = "eva@example.com" },
		"purpose": func(r *event.CodeRequested) { r.Purpose = "verify_email" },
		"nonce":   func(r *event.CodeRequested) { r.Nonce = "m" },
		"border":  func(r *event.CodeRequested) { r.UserID, r.Email = "ua", "na@example.com" },
	} {
		r := request()
		change(&r)
		if mailcode.Code(key, r) == code {
			t.Errorf("another %s has the same code", name)
		}
	}
	if mailcode.Code(bytes.Repeat([]byte{8}, 32), request()) == code {
		t.Error("another key has the same code")
	}
}

func TestACodeMayBeTypedInSeveralWays(t *testing.T) {
	code := mailcode.Code(key, request())
	for _, typed := range []string{code, strings.ToLower(code), strings.ReplaceAll(code, "-", ""), " " + code + " "} {
		if got := mailcode.Canonical(typed); got != code {
			t.Errorf("%q is read as %q, want %q", typed, got, code)
		}
	}
	if got := mailcode.Canonical("oO-iIlL 22"); got != "0011-1122" {
		t.Errorf("look-alikes are read as %q", got)
	}
	for _, typed := range []string{"", "1234", code + "0"} {
		if got := mailcode.Canonical(typed); got != "" {
			t.Errorf("%q is read as %q", typed, got)
		}
	}
}
