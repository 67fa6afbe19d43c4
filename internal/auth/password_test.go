package auth

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/caarlos0/env/v11"

	"github.com/fotograma/fotograma/internal/platform/problem"
)

func TestHashesRecordTheirParameters(t *testing.T) {
	t.Parallel()
	l := testLimits()
	l.PasswordMemory, l.PasswordIterations = 256, 3
	p := NewPasswords(l)
	one, err := p.Hash(t.Context(), anaPassword)
	if err != nil {
		t.Fatal(err)
	}
	two, err := p.Hash(t.Context(), anaPassword)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(one, "$argon2id$v=19$m=256,t=3,p=1$") || one == two {
		t.Errorf("hashes are %s and %s", one, two)
	}
	params, salt, key, err := argon2id.DecodeHash(one)
	if err != nil || len(salt) != 16 || len(key) != 32 {
		t.Errorf("%+v, salt of %d bytes, key of %d, %v", params, len(salt), len(key), err)
	}
}

func TestDefaultCostIsWhatIsRecommended(t *testing.T) {
	t.Parallel()
	l, err := env.ParseAsWithOptions[Limits](env.Options{Environment: map[string]string{}})
	if err != nil {
		t.Fatal(err)
	}
	hash, err := NewPasswords(l).Hash(t.Context(), anaPassword)
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash is %s, %v", hash, err)
	}
}

func TestVerifyPasswords(t *testing.T) {
	t.Parallel()
	today := NewPasswords(testLimits())
	l := testLimits()
	l.PasswordIterations = 2
	yesterday := NewPasswords(l)
	hash := func(p *Passwords, password string) string {
		hash, err := p.Hash(t.Context(), password)
		if err != nil {
			t.Fatal(err)
		}
		return hash
	}
	tests := map[string]struct {
		password, hash  string
		match, outdated bool
	}{
		"the password":              {anaPassword, hash(today, anaPassword), true, false},
		"another":                   {"a horse of many stables", hash(today, anaPassword), false, false},
		"in capitals":               {strings.ToUpper(anaPassword), hash(today, anaPassword), false, false},
		"empty":                     {"", hash(today, anaPassword), false, false},
		"of yesterday's parameters": {anaPassword, hash(yesterday, anaPassword), true, true},
		"nobody's":                  {anaPassword, "", false, false},
		"the decoy":                 {anaPassword, today.decoy, false, false},
		"composed for decomposed":   {"sa\u0301bado a\u0300 noite", hash(today, "s\u00e1bado \u00e0 noite"), true, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			match, outdated, err := today.Verify(t.Context(), test.password, test.hash)
			if err != nil || match != test.match || outdated != test.outdated {
				t.Errorf("verify gives %t, %t, %v; want %t, %t", match, outdated, err, test.match, test.outdated)
			}
		})
	}
	if _, _, err := today.Verify(t.Context(), anaPassword, "$2b$12$bcrypt"); err == nil {
		t.Error("a hash of another kind is no error")
	}
}

// An unknown address must cost as much as a wrong password.
func TestTheDecoyCostsAsMuchAsAHash(t *testing.T) {
	t.Parallel()
	l := testLimits()
	l.PasswordMemory = 333
	p := NewPasswords(l)
	params, _, _, err := argon2id.DecodeHash(p.decoy)
	if err != nil || *params != p.params {
		t.Errorf("the decoy has %+v, %v; want %+v", params, err, p.params)
	}
}

func TestHashesWaitForTheirTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := testLimits()
		l.PasswordHashes = 2
		p := NewPasswords(l)
		hold := make(chan struct{})
		for range 2 {
			go func() {
				if err := p.slot(t.Context(), func() error { <-hold; return nil }); err != nil {
					t.Error(err)
				}
			}()
		}
		synctest.Wait()

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.Hash(ctx, anaPassword); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a third hash gives %v, want the context's error", err)
		}
		if _, _, err := p.Verify(ctx, anaPassword, ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a third verification gives %v, want the context's error", err)
		}
		close(hold)
		synctest.Wait()
		if _, err := p.Hash(t.Context(), anaPassword); err != nil {
			t.Errorf("when there is a slot again: %v", err)
		}
	})
}

func TestCheckPassword(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		password string
		want     problem.Code // empty if it is good
	}{
		"a sentence":                    {"a horse of many staples", ""},
		"random characters":             {"kX9#mQ2$vL7nRt", ""},
		"two words":                     {"horse-battery", ""},
		"words with a common one":       {"test-password-123", ""},
		"ten characters":                {"zwölf Käse", ""},
		"a passphrase in Portuguese":    {"o rato roeu a roupa", ""},
		"1,000 bytes":                   {strings.Repeat("0123456789abcdefghij!", 48)[:1000], ""},
		"digits without order":          {"8264019375", ""},
		"one byte too many":             {strings.Repeat("0123456789abcdefghij!", 48)[:1001], problem.InvalidRequest},
		"nine characters of many bytes": {"zwölf Käs", problem.WeakPassword},
		"empty":                         {"", problem.WeakPassword},
		"on the list":                   {"basketball", problem.WeakPassword},
		"on the list, in capitals":      {"BasketBall", problem.WeakPassword},
		"a keyboard's row":              {"qwertyuiop", problem.WeakPassword},
		"with digits after":             {"password2026", problem.WeakPassword},
		"with signs after":              {"Password!!!", problem.WeakPassword},
		"with digits before":            {"2026password", problem.WeakPassword},
		"look-alikes":                   {"P@ssw0rd1234", problem.WeakPassword},
		"a look-alike first":            {"$enha12345", problem.WeakPassword},
		"look-alikes for i":             {"l3tm31n2026", problem.WeakPassword},
		"common in Portuguese":          {"minhasenha123", problem.WeakPassword},
		"deus é fiel":                   {"deusefiel10", problem.WeakPassword},
		"repeated":                      {"hunter2hunter2", problem.WeakPassword},
		"repeated often":                {strings.Repeat("password", 20), problem.WeakPassword},
		"one character":                 {"aaaaaaaaaaaa", problem.WeakPassword},
		"three characters":              {"xyzxyzxyzxyz", problem.WeakPassword},
		"counting up":                   {"1234567890", problem.WeakPassword},
		"counting down":                 {"0987654321", problem.WeakPassword},
		"counting round":                {"56789012345", problem.WeakPassword},
		"the alphabet":                  {"ABCDEFGHIJK", problem.WeakPassword},
		"the service":                   {"fotograma1", problem.WeakPassword},
		"the e-mail":                    {"ana.souza@example.com", problem.WeakPassword},
		"the e-mail in capitals":        {"Ana.Souza@Example.com", problem.WeakPassword},
		"the e-mail's first part":       {"ana.souza99", problem.WeakPassword},
		"the name":                      {"AnaMariaSouza1", problem.WeakPassword},
		"a part of the name":            {"souza123456", problem.WeakPassword},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := checkPassword(test.password, "ana.souza@example.com", "Ana Maria Souza")
			if test.want == "" {
				if err != nil {
					t.Errorf("%q is refused: %v", test.password, err)
				}
				return
			}
			if !problem.Is(err, test.want) {
				t.Errorf("%q gives %v, want %s", test.password, err, test.want)
			}
			if test.password != "" && strings.Contains(err.Error(), test.password) {
				t.Errorf("the error repeats the password: %v", err)
			}
		})
	}
	if err := checkPassword("8264019375", "ana@example.com", ""); err != nil {
		t.Errorf("a person without a name: %v", err)
	}
}

func TestLimitsAreChecked(t *testing.T) {
	t.Parallel()
	if err := testLimits().Validate(); err != nil {
		t.Errorf("good limits: %v", err)
	}
	for name, spoil := range map[string]func(*Limits){
		"ACCESS_LIFETIME":     func(l *Limits) { l.AccessLifetime = 0 },
		"SESSION_LIFETIME":    func(l *Limits) { l.SessionLifetime = -time.Hour },
		"LOGIN_WINDOW":        func(l *Limits) { l.LoginWindow = time.Millisecond },
		"LOGIN_ATTEMPTS":      func(l *Limits) { l.LoginAttempts = 0 },
		"PASSWORD_HASHES":     func(l *Limits) { l.PasswordHashes = -1 },
		"PASSWORD_MEMORY":     func(l *Limits) { l.PasswordMemory = 0 },
		"PASSWORD_ITERATIONS": func(l *Limits) { l.PasswordIterations = 0 },
	} {
		l := testLimits()
		spoil(&l)
		if err := l.Validate(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("a bad %s gives %v", name, err)
		}
		if _, err := New(Config{Limits: l}, nil, nil, nil, nil, nil, nil, nil); err == nil {
			t.Errorf("a service is made with a bad %s", name)
		}
	}
}
