package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/fotograma/fotograma/internal/event"
	locals3 "github.com/fotograma/fotograma/internal/local/s3"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/export"
	"github.com/fotograma/fotograma/internal/platform/problem"
)

const exportsBucket = "archives"

// withExports gives the world an archives bucket.
func withExports(w *world) *s3.Client {
	w.t.Helper()
	server, err := locals3.Open(filepath.Join(w.t.TempDir(), "s3"), locals3.Options{Notify: func(context.Context, string, string) error { return nil }})
	if err != nil {
		w.t.Fatal(err)
	}
	client := s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(w.serve(server)), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
	if _, err := client.CreateBucket(w.t.Context(), &s3.CreateBucketInput{Bucket: aws.String(exportsBucket)}); err != nil {
		w.t.Fatal(err)
	}
	w.service.Eraser.Exports.S3, w.service.Eraser.Exports.Name = client, exportsBucket
	w.service.Exports.Writer = export.Writer{S3: client, Bucket: exportsBucket}
	return client
}

// exported lists what is in the archives bucket.
func exported(t *testing.T, client *s3.Client) []string {
	t.Helper()
	out, err := client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(exportsBucket)})
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, o := range out.Contents {
		keys = append(keys, *o.Key)
	}
	return keys
}

// keys gives those of all rows of the table.
func (w *world) keys() []string {
	w.t.Helper()
	var keys []string
	for _, item := range w.rows() {
		keys = append(keys, item["pk"].(*types.AttributeValueMemberS).Value+" "+item["sk"].(*types.AttributeValueMemberS).Value)
	}
	slices.Sort(keys)
	return keys
}

// keysOfAna are those of all rows but the counters of networks, which are about no
// person.
func (w *world) keysOfAna() []string {
	w.t.Helper()
	sum := sha256.Sum256([]byte(anaEmail))
	return slices.DeleteFunc(w.keys(), func(key string) bool {
		return strings.HasPrefix(key, "attempts#") && !strings.HasPrefix(key, "attempts#"+hex.EncodeToString(sum[:]))
	})
}

func (w *world) erase(password, bearer string) answer {
	w.t.Helper()
	raw, err := json.Marshal(map[string]string{"password": password})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.call(http.MethodDelete, "/v1/auth/me", string(raw), bearer)
}

func TestNothingIsLeftOfAnErasedAccount(t *testing.T) {
	w := newWorld(t)
	bucket := withExports(w)
	id := w.registerAna()
	w.wants(w.verify(anaEmail, w.mailed(event.PurposeVerifyEmail, anaEmail)), http.StatusNoContent, nil)
	session, other := w.loginAna(), w.loginAna()
	w.refresh(other.refresh())
	w.login(anaEmail, "a wrong password")
	w.call(http.MethodPost, "/v1/auth/exports", "", session.access())
	if len(exported(t, bucket)) == 0 {
		t.Fatal("no export was written")
	}
	// Whatever kinds of rows come to be.
	w.put(map[string]types.AttributeValue{"pk": dynamo.S("user#" + id), "sk": dynamo.S("kind-to-come#1")})
	w.published()

	if a := w.erase(anaPassword, session.access()); a.status != http.StatusAccepted {
		t.Fatalf("%d %s", a.status, a.raw)
	}
	if got, want := w.keysOfAna(), []string{"erasures " + id, "user#" + id + " erased"}; !slices.Equal(got, want) {
		t.Errorf("kept: %q, want %q", got, want)
	}
	if left := exported(t, bucket); len(left) > 0 {
		t.Errorf("kept: %q", left)
	}
	var told []string
	for _, e := range w.published() {
		told = append(told, e.Type()+" "+e.Subject())
	}
	if want := []string{event.AccountErased{}.EventType() + " " + id}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}

	for _, a := range []answer{session, other} {
		if _, err := w.authorize(a.access()); !errors.Is(err, ErrUnauthorized) {
			t.Errorf("its access token: %v", err)
		}
		w.wants(w.refresh(a.refresh()), http.StatusUnauthorized, "session_revoked")
	}
	w.wants(w.login(anaEmail, anaPassword), http.StatusUnauthorized, "invalid_credentials")
	if again := w.registerAna(); again == id { // the address is free
		t.Error("the new account has the ID of the old")
	}
}

// Whoever opens accounts with a stranger's address and erases them in turns has no
// more mails sent to it than somebody who does not erase them.
func TestErasuresHaveNoMoreMailsSentToAStranger(t *testing.T) {
	w := newWorld(t)
	withExports(w)
	w.service.Limits.RegistrationsPerAddress, w.service.Limits.CodesPerAddress = 2, 3
	mails := 0
	for range 5 {
		body := map[string]string{"email": anaEmail, "password": anaPassword}
		if w.post("/v1/auth/register", body).status != http.StatusCreated {
			break
		}
		bearer := w.loginAna().access()
		for range 5 {
			w.as(bearer, http.MethodPost, "/v1/auth/email/verification", nil)
		}
		mails += len(w.requested())
		if a := w.erase(anaPassword, bearer); a.status != http.StatusAccepted {
			t.Fatalf("%d %s", a.status, a.raw)
		}
	}
	if mails != 2+3 {
		t.Errorf("%d codes were mailed, want 5: those of 2 registrations, and 3", mails)
	}
}

func TestErasureTakesThePassword(t *testing.T) {
	w := newWorld(t)
	withExports(w)
	id := w.registerAna()
	bearer := w.loginAna().access()
	w.wants(w.call(http.MethodDelete, "/v1/auth/me", "{}", bearer), http.StatusUnprocessableEntity, "invalid_request")
	for range w.service.Limits.LoginAttempts {
		w.wants(w.erase("not her password", bearer), http.StatusUnprocessableEntity, "wrong_password")
	}
	a := w.erase(anaPassword, bearer) // whoever has the session may not guess on
	w.wants(a, http.StatusTooManyRequests, "too_many_attempts")
	if a.header.Get("Retry-After") == "" {
		t.Error("it does not say when")
	}
	if _, err := w.service.Account(t.Context(), id); err != nil {
		t.Error(err)
	}
}

// broken lets no request of these operations through.
func broken(operations ...string) func(string) int {
	return func(target string) int {
		if slices.ContainsFunc(operations, func(o string) bool { return strings.HasSuffix(target, "."+o) }) {
			return http.StatusBadRequest
		}
		return 0
	}
}

func TestAnErasureThatDiesIsFinishedByTheSweep(t *testing.T) {
	for name, operations := range map[string][]string{
		"before its event is sent":   {"SendMessage"},
		"before any row is deleted":  {"BatchWriteItem"},
		"with neither":               {"SendMessage", "BatchWriteItem"},
		"before the rows were found": {"Query"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			withExports(w)
			id := w.registerAna()
			session := w.loginAna()
			w.published()
			w.wire.before = broken(operations...)
			if a := w.erase(anaPassword, session.access()); a.status != http.StatusAccepted {
				t.Fatalf("%d %s", a.status, a.raw)
			}
			w.wire.before = nil
			if _, err := w.service.Account(t.Context(), id); err == nil {
				t.Error("the account can be used")
			}
			w.wants(w.login(anaEmail, anaPassword), http.StatusUnauthorized, "invalid_credentials")

			sweep := Sweep(w.service.Eraser)
			w.clock.advance(time.Minute)
			if err := sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, key := range w.keys() {
				ofTheLoginAfterIt := strings.HasPrefix(key, "attempts#") || strings.HasPrefix(key, "user#"+nobody(anaEmail)+" ")
				if key != "erasures "+id && key != "user#"+id+" erased" && !ofTheLoginAfterIt {
					t.Errorf("kept: %s", key)
				}
			}
			var told int
			for _, e := range w.published() {
				if e.Type() == (event.AccountErased{}).EventType() {
					told++
				}
			}
			if told == 0 {
				t.Error("nobody was told")
			}
			w.clock.advance(time.Hour)
			if err := sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			if keys := w.keys(); slices.Contains(keys, "erasures "+id) || !slices.Contains(keys, "user#"+id+" erased") {
				t.Errorf("in the end: %q", keys)
			}
		})
	}
}

// A login that had read the account before it was erased begins no session.
func TestNoSessionBeginsDuringAnErasure(t *testing.T) {
	w := newWorld(t)
	withExports(w)
	id := w.registerAna()
	account, err := w.service.Store.profile(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if a := w.erase(anaPassword, w.loginAna().access()); a.status != http.StatusAccepted {
		t.Fatalf("%d %s", a.status, a.raw)
	}
	if _, err := w.service.startSession(t.Context(), account); !problem.Is(err, problem.InvalidCredentials) {
		t.Errorf("error %v, want invalid_credentials", err)
	}
}

func TestAnExportIsReadyWhenAllHaveWritten(t *testing.T) {
	w := newWorld(t)
	bucket := withExports(w)
	id := w.registerAna()
	bearer := w.loginAna().access()
	a := w.call(http.MethodPost, "/v1/auth/exports", "", bearer)
	if a.status != http.StatusAccepted {
		t.Fatalf("%d %s", a.status, a.raw)
	}
	asked := a.body["export"].(map[string]any)
	if asked["status"] != "pending" {
		t.Errorf("%v", asked)
	}
	request := event.ExportRequested{UserID: id, ExportID: asked["id"].(string)}
	show := func() (status string, files []any) {
		t.Helper()
		a := w.call(http.MethodGet, "/v1/auth/exports/"+request.ExportID, "", bearer)
		if a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.raw)
		}
		return a.body["status"].(string), a.body["files"].([]any)
	}
	writer := export.Writer{S3: bucket, Bucket: exportsBucket}
	for _, part := range export.Parts()[1:] {
		if status, _ := show(); status != "pending" {
			t.Errorf("%s before %s has written", status, part)
		}
		if err := writer.Write(t.Context(), request, part, map[string]any{}); err != nil {
			t.Fatal(err)
		}
	}
	status, files := show()
	if status != "ready" || len(files) != 5 {
		t.Fatalf("%s with %v", status, files)
	}
	file := files[0].(map[string]any)
	resp, err := http.Get(file["url"].(string))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || file["name"] != "auth.json" || int(file["size"].(float64)) != len(raw) {
		t.Fatalf("%v, %s: %v", err, resp.Status, file)
	}
	for _, part := range []string{`"email": "ana@example.com"`, `"name": "Ana"`, `"email_verified": false`, `"ends_at": "2026-03-31T12:00:00Z"`} {
		if !strings.Contains(string(raw), part) {
			t.Errorf("no %s in %s", part, raw)
		}
	}
	for _, secret := range []string{"hash", "$argon2id$", "refresh", "ttl"} {
		if strings.Contains(string(raw), secret) {
			t.Errorf("%q in %s", secret, raw)
		}
	}

	w.registerBob()
	bob := w.login("bob@example.com", anaPassword).access()
	w.wants(w.call(http.MethodGet, "/v1/auth/exports/"+request.ExportID, "", bob), http.StatusNotFound, "not_found")
	w.clock.advance(8 * 24 * time.Hour)
	w.wants(w.call(http.MethodGet, "/v1/auth/exports/"+request.ExportID, "", w.loginAna().access()), http.StatusNotFound, "not_found")
}

func TestAnExportADay(t *testing.T) {
	w := newWorld(t)
	withExports(w)
	w.registerAna()
	if a := w.call(http.MethodPost, "/v1/auth/exports", "", w.loginAna().access()); a.status != http.StatusAccepted {
		t.Fatalf("%d %s", a.status, a.raw)
	}
	w.clock.advance(23 * time.Hour)
	a := w.call(http.MethodPost, "/v1/auth/exports", "", w.loginAna().access())
	w.wants(a, http.StatusTooManyRequests, "quota_exceeded")
	wait, err := strconv.Atoi(a.header.Get("Retry-After"))
	if err != nil || wait != 3600 {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
	w.clock.advance(time.Duration(wait) * time.Second)
	if a := w.call(http.MethodPost, "/v1/auth/exports", "", w.loginAna().access()); a.status != http.StatusAccepted {
		t.Errorf("as long as Retry-After says later: %d %s", a.status, a.raw)
	}
}

// A part that could not be written at once is written when the export is looked at.
func TestAnExportThatDiesGoesOn(t *testing.T) {
	w := newWorld(t)
	bucket := withExports(w)
	w.registerAna()
	bearer := w.loginAna().access()
	w.service.Exports.Bucket = "no-such-bucket"
	a := w.call(http.MethodPost, "/v1/auth/exports", "", bearer)
	w.service.Exports.Bucket = exportsBucket
	if a.status != http.StatusAccepted || len(exported(t, bucket)) > 0 {
		t.Fatalf("%d %s", a.status, a.raw)
	}
	w.call(http.MethodGet, "/v1/auth/exports/"+a.body["export"].(map[string]any)["id"].(string), "", bearer)
	if left := exported(t, bucket); len(left) != 1 || !strings.HasSuffix(left[0], "/auth.json") {
		t.Errorf("written: %q", left)
	}
}
