package auth

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/mailcode"
)

const newPassword = "a staple of many horses"

// as sends a request of somebody who is logged in.
func (w *world) as(bearer, method, path string, body map[string]string) answer {
	w.t.Helper()
	return w.call(method, path, encode(w.t, body), bearer)
}

// requested gives the codes that were asked to be mailed since it was last asked,
// and forgets the other events.
func (w *world) requested() []event.CodeRequested {
	w.t.Helper()
	var all []event.CodeRequested
	for _, e := range w.published() {
		if e.Type() == (event.CodeRequested{}).EventType() {
			all = append(all, read[event.CodeRequested](w.t, e))
		}
	}
	return all
}

func read[T event.Data](t testing.TB, e event.Event) T {
	t.Helper()
	data, err := event.As[T](e)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// mailed gives the one code that a mail was asked for since it was last asked.
func (w *world) mailed(purpose, email string) string {
	w.t.Helper()
	all := w.requested()
	if len(all) != 1 || all[0].Purpose != purpose || all[0].Email != email {
		w.t.Fatalf("requested: %+v, want one code for %s to %s", all, purpose, email)
	}
	return mailcode.Code([]byte(mailCodeKey), all[0])
}

func (w *world) verify(email, code string) answer {
	w.t.Helper()
	return w.post("/v1/auth/email/verify", map[string]string{"email": email, "code": code})
}

func (w *world) forgot(email string) {
	w.t.Helper()
	a := w.post("/v1/auth/password/forgot", map[string]string{"email": email})
	if a.status != http.StatusAccepted || a.raw != "" {
		w.t.Errorf("forgot: %d %q", a.status, a.raw)
	}
}

func (w *world) reset(email, code, password string) answer {
	w.t.Helper()
	return w.post("/v1/auth/password/reset", map[string]string{"email": email, "code": code, "password": password})
}

func (w *world) me(bearer string) map[string]any {
	w.t.Helper()
	return w.call(http.MethodGet, "/v1/auth/me", "", bearer).body
}

// wrong gives a code of the right shape that is another one.
func wrong(code string) string {
	last := "0"
	if strings.HasSuffix(code, "0") {
		last = "1"
	}
	return code[:len(code)-1] + last
}

func TestTheMailedCodeVerifiesTheAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.registerAna()
	code := w.mailed(event.PurposeVerifyEmail, anaEmail)
	token := w.loginAna().access()
	if w.me(token)["email_verified"] != false {
		t.Error("the address is verified before the code has come back")
	}

	if a := w.verify(" ANA@example.com", strings.ToLower(code)); a.status != http.StatusNoContent || a.raw != "" {
		t.Fatalf("verify: %d %q", a.status, a.raw)
	}
	if w.me(token)["email_verified"] != true {
		t.Error("the address is not verified")
	}
	published := w.published()
	want := event.ContactChanged{UserID: id, Email: anaEmail, Name: "Ana", Locale: "en", Verified: true, Version: 2}
	if len(published) != 1 {
		t.Fatalf("published: %v", published)
	}
	if diff := cmp.Diff(want, read[event.ContactChanged](t, published[0])); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
	w.wants(w.verify(anaEmail, code), http.StatusUnprocessableEntity, "invalid_code")

	if a := w.as(token, http.MethodPost, "/v1/auth/email/verification", nil); a.status != http.StatusAccepted {
		t.Errorf("another code: %d", a.status)
	}
	if codes := w.requested(); len(codes) != 0 {
		t.Errorf("a code was mailed to an address that is verified: %+v", codes)
	}
}

func TestOnlyTheNewestCodeIsGood(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	first := w.mailed(event.PurposeVerifyEmail, anaEmail)
	token := w.loginAna().access()
	if a := w.as(token, http.MethodPost, "/v1/auth/email/verification", nil); a.status != http.StatusAccepted || a.raw != "" {
		t.Fatalf("another code: %d %q", a.status, a.raw)
	}
	second := w.mailed(event.PurposeVerifyEmail, anaEmail)
	w.wants(w.verify(anaEmail, first), http.StatusUnprocessableEntity, "invalid_code")
	w.wants(w.verify(anaEmail, second), http.StatusNoContent, nil)
}

func TestACodeIsGoodForItsPurposeOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	verification := w.mailed(event.PurposeVerifyEmail, anaEmail)
	w.forgot(anaEmail)
	resetting := w.mailed(event.PurposeResetPassword, anaEmail)
	w.wants(w.verify(anaEmail, resetting), http.StatusUnprocessableEntity, "invalid_code")
	w.wants(w.reset(anaEmail, verification, newPassword), http.StatusUnprocessableEntity, "invalid_code")
}

func TestACodeIsGoodForAWhile(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lifetime time.Duration
		purpose  string
		use      func(w *world, code string) answer
	}{
		"verification": {24 * time.Hour, event.PurposeVerifyEmail, func(w *world, code string) answer { return w.verify(anaEmail, code) }},
		"reset": {30 * time.Minute, event.PurposeResetPassword, func(w *world, code string) answer {
			return w.reset(anaEmail, code, newPassword)
		}},
	} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, late: %t", name, late), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.registerAna()
				if test.purpose == event.PurposeResetPassword {
					w.requested()
					w.forgot(anaEmail)
				}
				code := w.mailed(test.purpose, anaEmail)
				if late {
					w.clock.advance(test.lifetime)
					w.wants(test.use(w, code), http.StatusUnprocessableEntity, "invalid_code")
				} else {
					w.clock.advance(test.lifetime - time.Second)
					w.wants(test.use(w, code), http.StatusNoContent, nil)
				}
			})
		}
	}
}

func TestACodeBearsFewGuesses(t *testing.T) {
	t.Parallel()
	for guesses, good := range map[int]bool{4: true, 5: false} {
		w := newWorld(t)
		w.registerAna()
		code := w.mailed(event.PurposeVerifyEmail, anaEmail)
		for range guesses {
			w.wants(w.verify(anaEmail, wrong(code)), http.StatusUnprocessableEntity, "invalid_code")
		}
		if a := w.verify(anaEmail, code); (a.status == http.StatusNoContent) != good {
			t.Errorf("after %d guesses the code is answered %d", guesses, a.status)
		}
	}
}

// Of thirty guesses at the same moment, the right one among them, no more than
// five are looked at: so seldom is the right one among those.
func TestGuessesAtOneMomentAreCountedBeforeTheyAreLookedAt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.registerAna()
	code := w.mailed(event.PurposeVerifyEmail, anaEmail)
	together(30, func(int) { w.verify(anaEmail, wrong(code)) })
	row, err := get[codeRow](t.Context(), w.service.Store, codeKey(id, event.PurposeVerifyEmail))
	if err != nil || row.AttemptsLeft != 0 {
		t.Errorf("attempts left: %+v, %v; want 0", row, err)
	}
	w.clock.advance(time.Hour) // past the window of guesses
	w.wants(w.verify(anaEmail, code), http.StatusUnprocessableEntity, "invalid_code")
}

func TestOfParallelUsesOfACodeExactlyOneSucceeds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	w.requested()
	w.forgot(anaEmail)
	code := w.mailed(event.PurposeResetPassword, anaEmail)
	answers := make([]answer, codeAttempts)
	together(len(answers), func(i int) {
		answers[i] = w.reset(anaEmail, code, fmt.Sprintf("the long password of %d", i))
	})
	if diff := cmp.Diff(map[string]int{"204": 1, "422 invalid_code": codeAttempts - 1}, tally(answers)); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	for i, a := range answers {
		login := w.login(anaEmail, fmt.Sprintf("the long password of %d", i))
		if (login.status == http.StatusOK) != (a.status == http.StatusNoContent) {
			t.Errorf("reset %d: %d, but login %d", i, a.status, login.status)
		}
	}
}

func TestAForgottenPasswordIsReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.registerAna()
	tokens := w.loginAna()
	key := w.createKey(tokens.access(), `{"name": "a script", "scopes": ["videos:read"]}`).body["secret"].(string)
	w.requested()
	w.forgot("ANA@example.com")
	code := w.mailed(event.PurposeResetPassword, anaEmail)
	w.wants(w.reset(anaEmail, code, newPassword), http.StatusNoContent, nil)

	if _, err := w.authorize(tokens.access()); err == nil {
		t.Error("a session from before is still there")
	}
	if _, err := w.authorize(key); err == nil {
		t.Error("an API key from before is still there")
	}
	w.wants(w.refresh(tokens.refresh()), http.StatusUnauthorized, "session_revoked")
	w.wants(w.login(anaEmail, anaPassword), http.StatusUnauthorized, "invalid_credentials")
	again := w.login(anaEmail, newPassword)
	if again.status != http.StatusOK || w.me(again.access())["email_verified"] != true {
		t.Errorf("login: %d; account: %v, want a verified address", again.status, w.me(again.access()))
	}
	published := w.published()
	if len(published) != 2 || !read[event.ContactChanged](t, published[0]).Verified || read[event.PasswordChanged](t, published[1]).UserID != id {
		t.Errorf("published: %v, want the verified address and the new password", published)
	}
	w.wants(w.reset(anaEmail, code, anaPassword), http.StatusUnprocessableEntity, "invalid_code")
}

func TestForgettingAPasswordTellsNothingOfTheAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	w.requested()
	w.forgot("carla@example.com") // begins the network's window
	known := w.wire.during(func() { w.forgot(anaEmail) })
	unknown := w.wire.during(func() { w.forgot("bia@example.com") })
	if diff := cmp.Diff(known, unknown); diff != "" {
		t.Errorf("work differs (-known +unknown):\n%s", diff)
	}
	for _, r := range w.requested() {
		if r.Email != anaEmail && (r.Email != "" || r.Name != "" || r.UserID != "00000000-0000-0000-0000-000000000000") {
			t.Errorf("the event of an unknown address is %+v", r)
		}
	}
	for _, row := range w.rows() {
		if strings.Contains(fmt.Sprint(row), "bia@") {
			t.Errorf("the unknown address is in the table: %v", row)
		}
	}
}

// Whatever is wrong with a code, the answer is the same, and so is the work
// whether or not there is an account.
func TestCodesThatAreNotGoodAreAllTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	w.requested()
	w.forgot(anaEmail)
	code := w.mailed(event.PurposeResetPassword, anaEmail)
	w.forgot("bia@example.com")
	w.reset("carla@example.com", code, newPassword) // begins the network's window

	var bodies []map[string]any
	refused := func(email, code string) []string {
		calls := w.wire.during(func() {
			a := w.reset(email, code, newPassword)
			w.wants(a, http.StatusUnprocessableEntity, "invalid_code")
			delete(a.body, "request_id")
			delete(a.body, "trace_id")
			bodies = append(bodies, a.body)
		})
		return calls
	}
	known, unknown := refused(anaEmail, wrong(code)), refused("bia@example.com", wrong(code))
	if diff := cmp.Diff(known, unknown); diff != "" {
		t.Errorf("work differs where a code was asked for (-known +unknown):\n%s", diff)
	}
	refused(anaEmail, "nonsense")
	w.reset(anaEmail, code, newPassword)
	known, unknown = refused(anaEmail, code), refused("dora@example.com", code)
	if diff := cmp.Diff(known[2:], unknown[3:]); diff != "" { // after the attempts: dora's window begins
		t.Errorf("work differs where no code is (-known +unknown):\n%s", diff)
	}
	for _, body := range bodies[1:] {
		if diff := cmp.Diff(bodies[0], body); diff != "" {
			t.Errorf("answers differ:\n%s", diff)
		}
	}
}

func TestTheCodeOfAnUnknownAddressOpensNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.forgot("bia@example.com")
	requested := w.requested()[0]
	requested.UserID = nobody("bia@example.com")
	code := mailcode.Code([]byte(mailCodeKey), requested)
	w.wants(w.reset("bia@example.com", code, newPassword), http.StatusUnprocessableEntity, "invalid_code")
}

func TestAWeakPasswordIsRefusedAtAReset(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if a := w.post("/v1/auth/register", map[string]string{"email": anaEmail, "password": anaPassword, "name": "Anastasia"}); a.status != http.StatusCreated {
		t.Fatal(a.raw)
	}
	w.requested()
	w.forgot(anaEmail)
	code := w.mailed(event.PurposeResetPassword, anaEmail)
	for range codeAttempts { // costs no attempt
		w.wants(w.reset(anaEmail, code, "Password1234"), http.StatusUnprocessableEntity, "weak_password")
	}
	// Whether it is made from the name would tell the name.
	w.wants(w.reset(anaEmail, wrong(code), "anastasia1234"), http.StatusUnprocessableEntity, "invalid_code")
	w.wants(w.reset(anaEmail, code, "anastasia1234"), http.StatusUnprocessableEntity, "weak_password")
	w.wants(w.reset(anaEmail, code, newPassword), http.StatusNoContent, nil)
}

func changePassword(current, next string) map[string]string {
	return map[string]string{"current_password": current, "new_password": next}
}

func TestAChangedPasswordEndsTheOtherSessions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.registerAna()
	here, there := w.loginAna(), w.loginAna()
	w.forgot(anaEmail)
	w.published()
	change := func(body map[string]string) answer {
		return w.as(here.access(), http.MethodPost, "/v1/auth/password", body)
	}
	a := change(changePassword("not the password", newPassword))
	w.wants(a, http.StatusUnprocessableEntity, "wrong_password")
	if !strings.Contains(a.raw, `"location":"body.current_password"`) {
		t.Errorf("it does not say which: %s", a.raw)
	}
	a = change(changePassword(anaPassword, "Password1234"))
	w.wants(a, http.StatusUnprocessableEntity, "weak_password")
	if !strings.Contains(a.raw, `"location":"body.new_password"`) {
		t.Errorf("it does not say which: %s", a.raw)
	}
	if _, err := w.authorize(there.access()); err != nil {
		t.Errorf("a refused change ended a session: %v", err)
	}

	w.wants(change(changePassword(anaPassword, newPassword)), http.StatusNoContent, nil)
	if _, err := w.authorize(there.access()); err == nil {
		t.Error("the other session is still there")
	}
	if a := w.refresh(here.refresh()); a.status != http.StatusOK {
		t.Errorf("the session that asked: %d", a.status)
	}
	w.wants(w.login(anaEmail, anaPassword), http.StatusUnauthorized, "invalid_credentials")
	w.wants(w.login(anaEmail, newPassword), http.StatusOK, nil)
	if published := w.published(); len(published) != 1 || read[event.PasswordChanged](t, published[0]).UserID != id {
		t.Errorf("published: %v, want the new password", published)
	}
	if _, err := get[codeRow](t.Context(), w.service.Store, codeKey(id, event.PurposeResetPassword)); err == nil {
		t.Error("a code to reset the password is still good")
	}
}

func TestThePasswordCannotBeGuessedInASession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	token := w.loginAna().access()
	for range 10 {
		w.wants(w.as(token, http.MethodPost, "/v1/auth/password", changePassword("guess", newPassword)), http.StatusUnprocessableEntity, "wrong_password")
	}
	a := w.as(token, http.MethodPost, "/v1/auth/password", changePassword(anaPassword, newPassword))
	w.wants(a, http.StatusTooManyRequests, "too_many_attempts")
	a = w.as(token, http.MethodPost, "/v1/auth/email", map[string]string{"email": "bia@example.com", "password": anaPassword})
	w.wants(a, http.StatusTooManyRequests, "too_many_attempts")
}

// A login that has looked at the old password must not begin a session once there
// is a new one: it would outlive the change.
func TestALoginThatAChangeOvertakesBeginsNoSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	token := w.loginAna().access()
	before, err := w.service.authenticate(t.Context(), anaEmail, anaPassword)
	if err != nil {
		t.Fatal(err)
	}
	w.wants(w.as(token, http.MethodPost, "/v1/auth/password", changePassword(anaPassword, newPassword)), http.StatusNoContent, nil)
	if tokens, err := w.service.startSession(t.Context(), before); err == nil {
		t.Errorf("the session began: %+v", tokens)
	}
	w.remove(profileKey(before.ID))
	gone := &profileRow{ID: before.ID}
	if tokens, err := w.service.startSession(t.Context(), gone); err == nil {
		t.Errorf("a session of an account that has gone began: %+v", tokens)
	}
}

// Somebody who was in the account may have asked for a change of the address: the
// new password must undo that too.
func TestANewPasswordUndoesAChangeOfAddress(t *testing.T) {
	t.Parallel()
	for name, renew := range map[string]func(w *world, token string) answer{
		"changed": func(w *world, token string) answer {
			return w.as(token, http.MethodPost, "/v1/auth/password", changePassword(anaPassword, newPassword))
		},
		"reset": func(w *world, _ string) answer {
			w.forgot(anaEmail)
			return w.reset(anaEmail, w.mailed(event.PurposeResetPassword, anaEmail), newPassword)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.registerAna()
			w.requested()
			token := w.loginAna().access()
			w.wants(w.changeEmail(token, "eva@example.com"), http.StatusAccepted, nil)
			code := w.mailed(event.PurposeChangeEmail, "eva@example.com")
			w.wants(renew(w, token), http.StatusNoContent, nil)
			w.wants(w.confirm(w.login(anaEmail, newPassword).access(), code), http.StatusUnprocessableEntity, "invalid_code")
		})
	}
}

// An access token may go on for a moment after its account has gone. What is done
// with it must leave nothing behind.
func TestOfAnAccountThatHasGoneNothingIsWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.registerAna()
	u, err := w.service.Account(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	w.requested()
	for _, row := range w.rowsBut("attempts#") {
		if _, err := w.db.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{
			TableName: aws.String("auth"), Key: dynamo.Item{"pk": row["pk"], "sk": row["sk"]},
		}); err != nil {
			t.Fatal(err)
		}
	}
	for what, err := range map[string]error{
		"code":  w.service.mailCode(t.Context(), codeRequest{to: u, purpose: event.PurposeVerifyEmail, lifetime: verifyLifetime}, actionVerificationRequested),
		"entry": w.service.audit(t.Context(), id, actionLoggedOut, succeeded, ""),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if rows := w.rowsBut("attempts#"); len(rows) != 0 {
		t.Errorf("rows were written: %v", rows)
	}
	if codes := w.requested(); len(codes) != 0 {
		t.Errorf("a code was requested: %+v", codes)
	}
}

func TestASessionThatBeginsDuringAResetEndsToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	w.requested()
	w.forgot(anaEmail)
	code := w.mailed(event.PurposeResetPassword, anaEmail)
	var meanwhile answer
	var begun atomic.Bool // a login looks for devices, by a query too
	w.wire.after = func(target string) {
		if target == "DynamoDB_20120810.Query" { // the sessions were listed
			if begun.CompareAndSwap(false, true) {
				meanwhile = w.login(anaEmail, anaPassword)
			}
		}
	}
	w.wants(w.reset(anaEmail, code, newPassword), http.StatusNoContent, nil)
	w.wants(meanwhile, http.StatusOK, nil)
	w.wants(w.refresh(meanwhile.refresh()), http.StatusUnauthorized, "session_revoked")
}

func (w *world) changeEmail(bearer, email string) answer {
	w.t.Helper()
	return w.as(bearer, http.MethodPost, "/v1/auth/email", map[string]string{"email": email, "password": anaPassword})
}

func (w *world) confirm(bearer, code string) answer {
	w.t.Helper()
	return w.as(bearer, http.MethodPost, "/v1/auth/email/confirm", map[string]string{"code": code})
}

func TestAnAddressChangesWhenItsCodeComesBack(t *testing.T) {
	t.Parallel()
	const next = "ana.souza@example.com"
	w := newWorld(t)
	id := w.registerAna()
	token := w.loginAna().access()
	w.forgot(anaEmail)
	resetting := mailcode.Code([]byte(mailCodeKey), w.requested()[1])

	w.wants(w.as(token, http.MethodPost, "/v1/auth/email", map[string]string{"email": next, "password": "guess"}), http.StatusUnprocessableEntity, "wrong_password")
	w.wants(w.changeEmail(token, "nobody"), http.StatusUnprocessableEntity, "invalid_request")
	w.wants(w.changeEmail(token, "Ana.Souza@example.com"), http.StatusAccepted, nil)
	code := w.mailed(event.PurposeChangeEmail, next)
	if me := w.me(token); me["email"] != anaEmail {
		t.Errorf("the address has changed before the code came back: %v", me)
	}
	w.wants(w.confirm(token, wrong(code)), http.StatusUnprocessableEntity, "invalid_code")
	a := w.confirm(token, code)
	if a.status != http.StatusOK || a.body["email"] != next || a.body["email_verified"] != true {
		t.Fatalf("confirm: %d %s", a.status, a.raw)
	}

	published := w.published()
	if len(published) != 2 {
		t.Fatalf("published: %v", published)
	}
	contact := event.ContactChanged{UserID: id, Email: next, Name: "Ana", Locale: "en", Verified: true, Version: 2}
	if diff := cmp.Diff(contact, read[event.ContactChanged](t, published[0])); diff != "" {
		t.Errorf("contact (-want +got):\n%s", diff)
	}
	notice := event.EmailChanged{UserID: id, Email: anaEmail, Locale: "en"} // which was not verified
	if diff := cmp.Diff(notice, read[event.EmailChanged](t, published[1])); diff != "" {
		t.Errorf("notice (-want +got):\n%s", diff)
	}
	w.wants(w.login(anaEmail, anaPassword), http.StatusUnauthorized, "invalid_credentials")
	w.wants(w.login(next, anaPassword), http.StatusOK, nil)
	w.wants(w.confirm(token, code), http.StatusUnprocessableEntity, "invalid_code")
	// What went to the address before opens the account no more.
	w.wants(w.reset(anaEmail, resetting, newPassword), http.StatusUnprocessableEntity, "invalid_code")
	w.wants(w.reset(next, resetting, newPassword), http.StatusUnprocessableEntity, "invalid_code")
	if _, err := w.authorize(token); err != nil {
		t.Errorf("nor does it end sessions: %v", err)
	}
	w.registerAna() // the address is free
}

// Somebody may open an account with a stranger's address, and an advertisement for
// a name.
func TestAMailGoesByNameOnlyToAnAddressThatIsVerified(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	token := w.loginAna().access()
	named := func(purpose, want string) (code string) {
		t.Helper()
		all := w.requested()
		if len(all) != 1 || all[0].Purpose != purpose || all[0].Name != want {
			t.Fatalf("requested: %+v, want one code for %s that calls the person %q", all, purpose, want)
		}
		return mailcode.Code([]byte(mailCodeKey), all[0])
	}
	named(event.PurposeVerifyEmail, "")
	w.as(token, http.MethodPost, "/v1/auth/email/verification", nil)
	code := named(event.PurposeVerifyEmail, "")
	w.forgot(anaEmail)
	named(event.PurposeResetPassword, "")
	w.wants(w.verify(anaEmail, code), http.StatusNoContent, nil)
	w.forgot(anaEmail)
	named(event.PurposeResetPassword, "Ana")

	w.changeEmail(token, "ana.souza@example.com")
	code = named(event.PurposeChangeEmail, "")
	w.wants(w.confirm(token, code), http.StatusOK, nil)
	for _, e := range w.published() {
		if e.Type() == (event.EmailChanged{}).EventType() {
			if notice := read[event.EmailChanged](t, e); notice.Name != "Ana" {
				t.Errorf("the notice to a verified address is %+v", notice)
			}
		}
	}
}

func TestACodeOfTheAddressBeforeVerifiesNoOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	verification := w.mailed(event.PurposeVerifyEmail, anaEmail)
	token := w.loginAna().access()
	w.wants(w.changeEmail(token, "ana.souza@example.com"), http.StatusAccepted, nil)
	w.wants(w.confirm(token, w.mailed(event.PurposeChangeEmail, "ana.souza@example.com")), http.StatusOK, nil)
	w.wants(w.verify("ana.souza@example.com", verification), http.StatusUnprocessableEntity, "invalid_code")
}

func TestAChangeOfAddressDoesNotTellWhetherItIsTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.registerAna()
	token := w.loginAna().access()
	w.post("/v1/auth/register", map[string]string{"email": "bia@example.com", "password": newPassword})
	w.requested()
	w.changeEmail(token, "carla@example.com") // begins the network's window
	w.requested()

	var free, taken answer
	freeCalls := w.wire.during(func() { free = w.changeEmail(token, "dora@example.com") })
	code := w.mailed(event.PurposeChangeEmail, "dora@example.com")
	takenCalls := w.wire.during(func() { taken = w.changeEmail(token, "bia@example.com") })
	if free.status != http.StatusAccepted || taken.status != free.status || taken.raw != free.raw {
		t.Errorf("answers differ: %d %q, if taken %d %q", free.status, free.raw, taken.status, taken.raw)
	}
	if diff := cmp.Diff(freeCalls, takenCalls); diff != "" {
		t.Errorf("work differs (-free +taken):\n%s", diff)
	}
	silent := w.requested()
	if len(silent) != 1 || silent[0].Email != "" {
		t.Fatalf("requested: %+v, want one that no mail tells of", silent)
	}
	w.wants(w.confirm(token, code), http.StatusUnprocessableEntity, "invalid_code") // not the newest
	// Even the code that was mailed to nobody does not take the address away.
	silent[0].Email = "bia@example.com"
	w.wants(w.confirm(token, mailcode.Code([]byte(mailCodeKey), silent[0])), http.StatusUnprocessableEntity, "invalid_code")
	if row, err := get[emailRow](t.Context(), w.service.Store, emailKey("bia@example.com")); err != nil || row.UserID == id {
		t.Errorf("the address belongs to %+v, %v", row, err)
	}
}

func TestOneOfTwoAccountsGetsAnAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tokens, codes := make([]string, 4), make([]string, 4)
	for i := range tokens {
		email := fmt.Sprintf("ana%d@example.com", i)
		w.post("/v1/auth/register", map[string]string{"email": email, "password": anaPassword})
		tokens[i] = w.login(email, anaPassword).access()
		w.requested()
		w.changeEmail(tokens[i], anaEmail)
		codes[i] = w.mailed(event.PurposeChangeEmail, anaEmail)
	}
	answers := make([]answer, len(tokens))
	together(len(tokens), func(i int) { answers[i] = w.confirm(tokens[i], codes[i]) })
	if diff := cmp.Diff(map[string]int{"200": 1, "422 invalid_code": 3}, tally(answers)); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	for i, a := range answers {
		if has := w.me(tokens[i])["email"] == anaEmail; has != (a.status == http.StatusOK) {
			t.Errorf("account %d was answered %d; has the address: %t", i, a.status, has)
		}
	}
}

func TestAProfileChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.registerAna()
	w.published()
	token := w.loginAna().access()
	patch := func(body string) answer { return w.call(http.MethodPatch, "/v1/auth/me", body, token) }
	for body, want := range map[string]string{
		`{"name": "` + strings.Repeat("é", 201) + `"}`: "body.name", `{"name": "A\r\nBcc: x"}`: "body.name",
		`{"locale": "fr"}`: "body.locale", `{"email": "x@example.com"}`: "body.email",
	} {
		a := patch(body)
		w.wants(a, http.StatusUnprocessableEntity, "invalid_request")
		if !strings.Contains(a.raw, `"location":"`+want+`"`) {
			t.Errorf("%s is answered %s", body, a.raw)
		}
	}
	for i, step := range []struct{ body, name, locale string }{
		{`{"name": " Ana Souza "}`, "Ana Souza", "en"},
		{`{"locale": "pt-BR"}`, "Ana Souza", "pt-BR"},
		{`{"name": "", "locale": "en"}`, "", "en"},
	} {
		a := patch(step.body)
		if a.status != http.StatusOK || a.body["name"] != step.name || a.body["locale"] != step.locale {
			t.Errorf("%s is answered %d %s", step.body, a.status, a.raw)
		}
		want := event.ContactChanged{UserID: id, Email: anaEmail, Name: step.name, Locale: step.locale, Version: i + 2}
		if published := w.published(); len(published) != 1 || read[event.ContactChanged](t, published[0]) != want {
			t.Errorf("published: %v, want %+v", published, want)
		}
	}
}

func TestEveryChangeHasAVersionOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	w.published()
	token := w.loginAna().access()
	together(4, func(i int) {
		w.wants(w.call(http.MethodPatch, "/v1/auth/me", fmt.Sprintf(`{"name": "Ana %d"}`, i), token), http.StatusOK, nil)
	})
	last := map[int]string{}
	for _, e := range w.published() {
		c := read[event.ContactChanged](t, e)
		last[c.Version] = c.Name
	}
	if len(last) != 4 || last[5] != w.me(token)["name"] {
		t.Errorf("versions %v, while the name is %v", last, w.me(token)["name"])
	}
}
