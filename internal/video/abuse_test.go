package video_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// postForm sends a form with exactly these fields and gives S3's status.
func postForm(t *testing.T, to string, fields map[string]string, file string) (int, string) {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, value := range fields {
		_ = form.WriteField(name, value)
	}
	part, _ := form.CreateFormFile("file", "../../etc/passwd")
	_, _ = io.WriteString(part, file)
	_ = form.Close()
	resp, err := http.Post(to, form.FormDataContentType(), &body)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(answer)
}

// signedForm gives the fields of an upload in one POST.
func signedForm(upload map[string]any) map[string]string {
	fields := map[string]string{}
	for name, value := range dig[map[string]any](upload, "fields") {
		fields[name] = fmt.Sprint(value)
	}
	return fields
}

// Nothing can be left out of a signed form, and nothing added to it.
func TestEveryDeviationFromTheSignedFormIsRefused(t *testing.T) {
	w := newWorld(t)
	id, upload := w.create("ana", 5)
	signed, to := signedForm(upload), dig[string](upload, "url")
	deviations := map[string]func(map[string]string){}
	for name := range signed {
		deviations["without "+name] = func(f map[string]string) { delete(f, name) }
		deviations["with another "+name] = func(f map[string]string) { f[name] += "x" }
	}
	for name, value := range map[string]string{
		"x-amz-meta-other": "1", "acl": "public-read", "x-amz-storage-class": "GLACIER", "Cache-Control": "max-age=9",
		"Content-Disposition": "inline", "Content-Encoding": "gzip", "success_action_redirect": "http://127.0.0.1/",
		"x-amz-website-redirect-location": "http://127.0.0.1/", "tagging": "<Tagging/>",
	} {
		deviations["with "+name+" added"] = func(f map[string]string) { f[name] = value }
	}
	deviations["with the file's name for a key"] = func(f map[string]string) { f["key"] = "ana/${filename}" }
	deviations["with another size"] = nil
	for name, deviate := range deviations {
		fields, file := maps.Clone(signed), "hello"
		if deviate == nil {
			file = "hello!"
		} else {
			deviate(fields)
		}
		if status, answer := postForm(t, to, fields, file); status < 400 || status >= 500 {
			t.Errorf("%s: S3 answered %d %s", name, status, answer)
		}
	}
	if status, _ := w.call("ana", "POST", "/v1/videos/"+id+"/complete", ""); status != 409 {
		t.Errorf("something was uploaded: %d", status)
	}
	if status, answer := postForm(t, to, signed, "hello"); status != 201 {
		t.Errorf("the form as it was signed: %d %s", status, answer)
	}
	list, err := w.objects.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &w.cfg.UploadsBucket})
	if err != nil || len(list.Contents) != 1 || *list.Contents[0].Key != "ana/"+id {
		t.Errorf("the bucket holds %v, %v", list.Contents, err)
	}
}

func TestSignaturesAreShortLived(t *testing.T) {
	w := newWorld(t)
	_, upload := w.create("ana", 5)
	raw, err := base64.StdEncoding.DecodeString(signedForm(upload)["policy"])
	if err != nil {
		t.Fatal(err)
	}
	var policy struct {
		Expiration time.Time `json:"expiration"`
	}
	if err := json.Unmarshal(raw, &policy); err != nil {
		t.Fatal(err)
	}
	if left := time.Until(policy.Expiration); left <= 0 || left > time.Hour {
		t.Errorf("the form is valid for %v", left)
	}

	id, _ := w.create("ana", 100<<20+1)
	_, answer := w.call("ana", "POST", "/v1/videos/"+id+"/parts", `{"part_numbers":[1]}`)
	signed, err := url.Parse(dig[string](dig[[]any](answer, "parts")[0].(map[string]any), "url"))
	if err != nil || signed.Query().Get("X-Amz-Expires") != "3600" {
		t.Errorf("a part is signed by %v, %v", signed, err)
	}
	w.clock.Store(24*3600 + 1)
	if status, answer := w.call("ana", "POST", "/v1/videos/"+id+"/parts", `{"part_numbers":[1]}`); status != 409 || answer["code"] != "upload_closed" {
		t.Errorf("after a day: %d %v", status, answer)
	}
}

// A part's signature is for that part of that upload, and for nothing after the
// upload has ended.
func TestASignedPartIsGoodForNothingElse(t *testing.T) {
	w := newWorld(t)
	const part = 16 << 20
	const size = 100<<20 + 1
	id, _ := w.create("ana", size)
	other, _ := w.create("ana", size)
	path := "/v1/videos/" + id
	_, answer := w.call("ana", "POST", path+"/parts", `{"part_numbers":[1,2,3,4,5,6,7]}`)
	var urls, parts []string
	for i, p := range dig[[]any](answer, "parts") {
		urls = append(urls, dig[string](p.(map[string]any), "url"))
		etag := put(t, urls[i], min(part, size-i*part), http.StatusOK)
		parts = append(parts, fmt.Sprintf(`{"part_number":%d,"etag":%q}`, i+1, etag))
	}
	for name, changed := range map[string]string{
		"another part":  strings.Replace(urls[0], "partNumber=1", "partNumber=2", 1),
		"another video": strings.Replace(urls[0], id, other, 1),
		"a longer time": strings.Replace(urls[0], "X-Amz-Expires=3600", "X-Amz-Expires=9999", 1),
	} {
		if changed == urls[0] {
			t.Fatalf("%s: nothing was changed in %s", name, changed)
		}
		put(t, changed, part, http.StatusForbidden)
	}
	if status, answer := w.call("ana", "POST", path+"/complete", `{"parts":[`+strings.Join(parts, ",")+`]}`); status != 202 {
		t.Fatalf("complete: %d %v", status, answer)
	}
	put(t, urls[6], size-6*part, http.StatusNotFound)
	head, err := w.objects.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &w.cfg.UploadsBucket, Key: aws.String("ana/" + id)})
	if err != nil || *head.ContentLength != size {
		t.Errorf("the object has %v bytes, %v", head.ContentLength, err)
	}
}
