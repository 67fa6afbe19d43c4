package auth

import (
	"context"
	"encoding/base64"
	"fmt"

	"github.com/alexedwards/argon2id"
	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

const (
	saltLength = 16 // bytes; RFC 9106, section 3.1
	keyLength  = 32 // bytes
)

// Passwords makes and checks password hashes: argon2id (RFC 9106) in the PHC
// string format, which records the parameters with each hash.
//
// The default parameters, 19 MiB and two passes in one lane, are the least that
// OWASP's password storage cheat sheet recommends. They took 24 ms of one core
// of an AMD EPYC, where golang.org/x/crypto has assembly; the arm64 Lambda of
// 1,024 MB has none, and 0.58 of a core, so that about 0.1 s is to be expected
// there. (m=64 MiB, t=3, RFC 9106's second choice, took five times as long.)
type Passwords struct {
	params argon2id.Params
	slots  chan struct{} // as many as hashes may be made at one moment
	decoy  string        // a hash of the same cost that no password has
}

// NewPasswords makes hashes of the cost that the limits tell.
func NewPasswords(l Limits) *Passwords {
	p := &Passwords{
		params: argon2id.Params{
			Memory:      l.PasswordMemory,
			Iterations:  l.PasswordIterations,
			Parallelism: 1,
			SaltLength:  saltLength,
			KeyLength:   keyLength,
		},
		slots: make(chan struct{}, l.PasswordHashes),
	}
	// The key of all zeros is a placeholder: Verify never calls it a match.
	p.decoy = fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		p.params.Memory, p.params.Iterations, p.params.Parallelism,
		base64.RawStdEncoding.EncodeToString(make([]byte, saltLength)),
		base64.RawStdEncoding.EncodeToString(make([]byte, keyLength)))
	return p
}

// Hash makes the hash of a password. It waits while too many others are made,
// and gives the context's error when that ends first.
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	var hash string
	err := p.slot(ctx, func() (err error) {
		hash, err = argon2id.CreateHash(canonical(password), &p.params)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return hash, nil
}

// Verify tells whether the hash is the password's, and whether the hash was
// made with other parameters than today's and should be made anew. An empty
// hash is nobody's, and takes as long to find out.
func (p *Passwords) Verify(ctx context.Context, password, hash string) (match, outdated bool, err error) {
	known := hash != ""
	if !known {
		hash = p.decoy
	}
	err = p.slot(ctx, func() error {
		equal, params, err := argon2id.CheckHash(canonical(password), hash)
		if err != nil {
			return err
		}
		match, outdated = equal && known, *params != p.params
		return nil
	})
	if err != nil {
		return false, false, fmt.Errorf("verify password: %w", err)
	}
	return match, outdated, nil
}

// slot does work when there is a slot for it.
func (p *Passwords) slot(ctx context.Context, work func() error) error {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
		return work()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// canonical makes one password of the ways in which keyboards and systems write
// the same characters: Unicode NFC, as RFC 8265's OpaqueString profile does.
func canonical(password string) string { return norm.NFC.String(password) }
