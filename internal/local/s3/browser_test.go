package s3

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"
)

// form is a presigned POST as a browser fills it in.
type form struct {
	url      string
	fields   map[string]string
	boundary string
}

// form presigns a POST of one key with extra fields that the policy demands,
// and 1 to 1,000,000 bytes of content.
func (f *fixture) form(t testing.TB, key string, extra map[string]string) *form {
	t.Helper()
	conditions := []any{[]any{"content-length-range", 1, 1_000_000}}
	for name, value := range extra {
		conditions = append(conditions, map[string]string{name: value})
	}
	post, err := awss3.NewPresignClient(f.client).PresignPostObject(t.Context(), &awss3.PutObjectInput{Bucket: uploads, Key: &key}, func(o *awss3.PresignPostOptions) {
		o.Expires = 10 * time.Minute
		o.Conditions = conditions
	})
	if err != nil {
		t.Fatal(err)
	}
	fields := maps.Clone(post.Values)
	maps.Copy(fields, extra)
	return &form{url: post.URL, fields: fields, boundary: "----WebKitFormBoundary7MA4YWxkTrZu0gW"}
}

func (p *form) contentType() string { return "multipart/form-data; boundary=" + p.boundary }

// encode writes the body with the file last, as S3 demands.
func (p *form) encode(file []byte) []byte {
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	_ = w.SetBoundary(p.boundary)
	for name, value := range p.fields {
		_ = w.WriteField(name, value)
	}
	part, _ := w.CreateFormFile("file", "my video.mp4")
	_, _ = part.Write(file)
	_ = w.Close()
	return body.Bytes()
}

func (p *form) submit(t testing.TB, file []byte, headers map[string]string) (*http.Response, string) {
	t.Helper()
	r := request(t, http.MethodPost, p.url, p.encode(file), headers)
	r.Header.Set("Content-Type", p.contentType())
	return exchange(t, r)
}

func TestPostPolicy(t *testing.T) {
	f := start(t)
	sum := sha256.Sum256([]byte("content"))
	sha := base64.StdEncoding.EncodeToString(sum[:])
	fields := map[string]string{
		"Content-Type": "video/mp4", "x-amz-meta-extraction": `{"mode":"fps"}`, "success_action_status": "201",
		"x-amz-checksum-sha256": sha, "x-amz-checksum-algorithm": "SHA256",
	}
	for name, c := range map[string]struct {
		change func(*form)
		file   string
		status int
		code   string
	}{
		"as signed":             {nil, "content", 201, ""},
		"another key":           {func(p *form) { p.fields["key"] = "other" }, "content", 403, "AccessDenied"},
		"another value":         {func(p *form) { p.fields["x-amz-meta-extraction"] = "{}" }, "content", 403, "AccessDenied"},
		"an additional field":   {func(p *form) { p.fields["x-amz-meta-more"] = "1" }, "content", 403, "AccessDenied"},
		"a field missing":       {func(p *form) { delete(p.fields, "Content-Type") }, "content", 403, "AccessDenied"},
		"a changed policy":      {func(p *form) { p.fields["policy"] = rewritePolicy(p.fields["policy"], "1000000", "9000000") }, "content", 403, "SignatureDoesNotMatch"},
		"an expired policy":     {func(p *form) { *p = *expiredForm(t, f) }, "content", 403, "AccessDenied"},
		"another secret":        {func(p *form) { p.fields["X-Amz-Signature"] = strings.Repeat("0", 64) }, "content", 403, "SignatureDoesNotMatch"},
		"an unknown access key": {func(p *form) { p.fields["X-Amz-Credential"] = "AKIA" + p.fields["X-Amz-Credential"] }, "content", 403, "InvalidAccessKeyId"},
		"a file too large":      {nil, strings.Repeat("x", 1_000_001), 400, "EntityTooLarge"},
		"an empty file":         {nil, "", 400, "EntityTooSmall"},
		"a file with another checksum than promised": {nil, "CONTENT", 400, "BadDigest"},
	} {
		t.Run(name, func(t *testing.T) {
			p := f.form(t, "in/k", fields)
			if c.change != nil {
				c.change(p)
			}
			resp, body := p.submit(t, []byte(c.file), nil)
			if resp.StatusCode != c.status || (c.code != "" && errorCode(body) != c.code) {
				t.Fatalf("%s %s, want %d %s", resp.Status, body, c.status, c.code)
			}
			content, exists := f.content(t, "in/k")
			if c.status != http.StatusCreated {
				if exists {
					t.Errorf("%d bytes were stored", len(content))
				}
				return
			}
			head, err := f.client.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: uploads, Key: aws.String("in/k")})
			if err != nil {
				t.Fatal(err)
			}
			if content != "content" || *head.ContentType != "video/mp4" || head.Metadata["extraction"] != `{"mode":"fps"}` {
				t.Errorf("stored %q, %s, %v", content, *head.ContentType, head.Metadata)
			}
			if !strings.Contains(body, "<Key>in/k</Key>") || resp.Header.Get("ETag") != *head.ETag {
				t.Errorf("answered %s %v", body, resp.Header)
			}
			if _, err := f.client.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: uploads, Key: aws.String("in/k")}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func rewritePolicy(policy, from, to string) string {
	text, _ := base64.StdEncoding.DecodeString(policy)
	return base64.StdEncoding.EncodeToString(bytes.Replace(text, []byte(from), []byte(to), 1))
}

func expiredForm(t *testing.T, f *fixture) *form {
	t.Helper()
	post, err := awss3.NewPresignClient(f.client).PresignPostObject(t.Context(), &awss3.PutObjectInput{Bucket: uploads, Key: aws.String("in/k")}, func(o *awss3.PresignPostOptions) {
		o.Expires = time.Nanosecond
	})
	if err != nil {
		t.Fatal(err)
	}
	return &form{url: post.URL, fields: post.Values, boundary: "b"}
}

func TestPostStartsWith(t *testing.T) {
	f := start(t)
	for key, status := range map[string]int{"user/7/video.mp4": http.StatusNoContent, "user/8/video.mp4": http.StatusForbidden} {
		post, err := awss3.NewPresignClient(f.client).PresignPostObject(t.Context(), &awss3.PutObjectInput{Bucket: uploads, Key: aws.String("${filename}")}, func(o *awss3.PresignPostOptions) {
			o.Conditions = []any{[]any{"starts-with", "$key", "user/7/"}}
		})
		if err != nil {
			t.Fatal(err)
		}
		p := &form{url: post.URL, fields: post.Values, boundary: "b"}
		p.fields["key"] = key
		if resp, body := p.submit(t, []byte("x"), nil); resp.StatusCode != status {
			t.Errorf("%s: %s %s", key, resp.Status, body)
		}
	}
}

func TestCORS(t *testing.T) {
	f := start(t)
	if _, err := f.client.PutBucketCors(t.Context(), &awss3.PutBucketCorsInput{Bucket: uploads, CORSConfiguration: &types.CORSConfiguration{
		CORSRules: []types.CORSRule{{
			AllowedOrigins: []string{"http://127.0.0.1:8080"}, AllowedMethods: []string{"PUT", "POST"},
			AllowedHeaders: []string{"*"}, ExposeHeaders: []string{"ETag"}, MaxAgeSeconds: aws.Int32(600),
		}},
	}}); err != nil {
		t.Fatal(err)
	}
	preflight := func(origin, method string) *http.Response {
		resp, _ := exchange(t, request(t, http.MethodOptions, f.url+"/uploads/in/k?X-Amz-Signature=whatever", nil, map[string]string{
			"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": "content-type,x-amz-meta-a",
		}))
		return resp
	}
	allowed := preflight("http://127.0.0.1:8080", "PUT")
	got := map[string]string{}
	for _, name := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "Access-Control-Max-Age"} {
		got[name] = allowed.Header.Get(name)
	}
	want := map[string]string{
		"Access-Control-Allow-Origin": "http://127.0.0.1:8080", "Access-Control-Allow-Methods": "PUT, POST",
		"Access-Control-Allow-Headers": "content-type, x-amz-meta-a", "Access-Control-Max-Age": "600",
	}
	if diff := cmp.Diff(want, got); diff != "" || allowed.StatusCode != http.StatusOK {
		t.Errorf("preflight %s: %s", allowed.Status, diff)
	}
	for name, refused := range map[string]*http.Response{"origin": preflight("http://evil.example", "PUT"), "method": preflight("http://127.0.0.1:8080", "DELETE")} {
		if refused.StatusCode != http.StatusForbidden || refused.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("preflight of another %s: %s %v", name, refused.Status, refused.Header)
		}
	}

	exposed := func(name string, resp *http.Response) {
		if resp.Header.Get("Access-Control-Allow-Origin") != "http://127.0.0.1:8080" ||
			!strings.Contains(resp.Header.Get("Access-Control-Expose-Headers"), "ETag") || resp.Header.Get("ETag") == "" {
			t.Errorf("%s: %s %v", name, resp.Status, resp.Header)
		}
	}
	origin := map[string]string{"Origin": "http://127.0.0.1:8080"}
	resp, _ := f.form(t, "posted", nil).submit(t, []byte("x"), origin)
	exposed("POST", resp)
	path, _ := f.presignedPut(t, "put")
	resp, _ = exchange(t, request(t, http.MethodPut, f.url+path, []byte("x"), origin))
	exposed("PUT", resp)
	// A script must be able to read why it was refused.
	resp, body := exchange(t, request(t, http.MethodPut, f.url+strings.Replace(path, "/put?", "/other?", 1), []byte("x"), origin))
	if resp.StatusCode != http.StatusForbidden || resp.Header.Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("refused PUT: %s %v %s", resp.Status, resp.Header, body)
	}
}
