package local

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestCallsOfTheQueryProtocolAreTold(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	for _, c := range []struct {
		name, method, url, contentType string
		want                           bool
	}{
		{"a call of SES", http.MethodPost, "/", form + "; charset=utf-8", true},
		{"a call of SQS as it once was", http.MethodPost, "/000000000000/queue", form, true},
		{"a browser's upload to S3", http.MethodPost, "/bucket", "multipart/form-data; boundary=x", false},
		{"a multipart upload to S3, completed by curl", http.MethodPost, "/bucket/key?uploadId=1", form, false},
		{"an object of S3", http.MethodPut, "/bucket/key", form, false},
		{"no type", http.MethodPost, "/bucket/key?uploads", "", false},
	} {
		r := httptest.NewRequest(c.method, c.url, nil)
		r.Header.Set("Content-Type", c.contentType)
		if got := isForm(r); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
