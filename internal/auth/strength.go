package auth

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/fotograma/fotograma/internal/platform/problem"
)

// The passwords that people choose most often.
//
// common_passwords.txt.gz holds those of at least four characters of
// data/Passwords.json in github.com/ccojocar/zxcvbn-go v1.0.4, sorted, one a
// line: Mark Burnett's list of the most common passwords as zxcvbn has it.
// Copyright (c) Nathan Button, MIT licence; zxcvbn is copyright (c) Dropbox,
// Inc., MIT licence.
//
// common_passwords_more.txt adds what is common in Portuguese and on keyboards.
var (
	//go:embed common_passwords.txt.gz
	commonPasswords []byte

	//go:embed common_passwords_more.txt
	moreCommonPasswords string
)

// commonSet reads the lists when the first password is checked: a start for a
// login needs them not.
var commonSet = sync.OnceValues(func() (map[string]struct{}, error) {
	r, err := gzip.NewReader(bytes.NewReader(commonPasswords))
	if err != nil {
		return nil, fmt.Errorf("open the common passwords: %w", err)
	}
	list, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read the common passwords: %w", err)
	}
	set := map[string]struct{}{}
	for _, word := range slices.Concat(strings.Fields(string(list)), strings.Fields(moreCommonPasswords)) {
		set[word] = struct{}{}
	}
	return set, nil
})

// checkPassword gives problem.WeakPassword for a password that is too short or
// that somebody who guesses would try first: one of the common ones or what is
// known of the person, also with letters replaced by look-alikes, with digits
// and signs before or after, or repeated. What is known of the person is the
// e-mail address and name.
//
// That follows NIST SP 800-63B, section 3.1.1.2: a minimum length and a
// blocklist, and no rules on which characters there must be.
func checkPassword(password, email, name string) error {
	if len(password) > maxPassword {
		return problem.In(problem.InvalidRequest, "body.password", fmt.Sprintf("must have at most %d bytes", maxPassword))
	}
	if utf8.RuneCountInString(password) < minPassword {
		return weak(fmt.Sprintf("must have at least %d characters", minPassword))
	}
	common, err := commonSet()
	if err != nil {
		return err
	}
	lower := strings.ToLower(password)
	if lower == email {
		return weak("must not be your e-mail address")
	}
	local, domain, _ := strings.Cut(email, "@")
	own := append(strings.Fields(strings.ToLower(name)), local, domain, letters(name))
	for _, guess := range guesses(lower) {
		if _, ok := common[guess]; ok {
			return weak("is too easily guessed: it is, or is made from, one of the most common passwords")
		}
		if slices.Contains(own, guess) {
			return weak("is too easily guessed: it is made from your name or e-mail address")
		}
	}
	if isRun(lower) || len(unit(lower)) < 4 {
		return weak("is too easily guessed: it only repeats or counts")
	}
	return nil
}

// checkPasswordIn is checkPassword for a password in another member of the
// request than "body.password".
func checkPasswordIn(member, password, email, name string) error {
	err := checkPassword(password, email, name)
	if refused, ok := errors.AsType[*problem.Error](err); ok {
		refused.Member = member
	}
	return err
}

func weak(reason string) error {
	return problem.In(problem.WeakPassword, "body.password", reason)
}

// guesses gives what a password in lower case was perhaps made from.
func guesses(lower string) []string {
	var all []string
	for _, s := range []string{lower, unit(lower)} {
		for _, from := range []string{s, strings.TrimFunc(s, notLetter), strings.TrimRightFunc(s, notLetter)} {
			if from != "" {
				all = append(all, from, undisguise(from, "i"), undisguise(from, "l"))
			}
		}
	}
	return all
}

func notLetter(r rune) bool { return !unicode.IsLetter(r) }

// letters gives the letters of a text, in lower case.
func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if notLetter(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, s)
}

// undisguise puts letters in the place of the digits and signs that look like
// them. A one looks like two of them.
func undisguise(s, one string) string {
	return strings.NewReplacer("0", "o", "1", one, "!", one, "3", "e", "4", "a", "@", "a", "5", "s", "$", "s", "7", "t").Replace(s)
}

// unit gives the part that a text repeats; the text itself if it does not.
func unit(s string) string {
	// s repeats with period n exactly if it occurs in itself n bytes on.
	n := strings.Index((s + s)[1:], s) + 1
	return s[:n]
}

// isRun tells whether every character is the next, or the previous, of the one
// before, as in "abcdefghij" and "0987654321".
func isRun(s string) bool {
	runes := []rune(s)
	return counts(runes, 1) || counts(runes, -1)
}

func counts(runes []rune, step rune) bool {
	for i := 1; i < len(runes); i++ {
		before, after := runes[i-1], runes[i]
		wrapped := unicode.IsDigit(before) && unicode.IsDigit(after) && after == '0'+(before-'0'+step+10)%10
		if after != before+step && !wrapped {
			return false
		}
	}
	return true
}
