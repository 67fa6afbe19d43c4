package s3

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

func dial(t *testing.T, f *fixture) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(f.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// rawExchange sends text and returns all that comes until the server closes.
func rawExchange(t *testing.T, f *fixture, text string) string {
	t.Helper()
	conn := dial(t, f)
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

func (f *fixture) presignedPut(t *testing.T, key string) (path, host string) {
	t.Helper()
	signed, err := awss3.NewPresignClient(f.client).PresignPutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String("uploads"), Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(signed.URL, f.url), strings.TrimPrefix(f.url, "http://")
}

func TestExpectContinue(t *testing.T) {
	f := start(t)
	path, host := f.presignedPut(t, "k")
	head := func(path string) string {
		return "PUT " + path + " HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
	}
	t.Run("a refused upload is not asked for", func(t *testing.T) {
		conn := dial(t, f)
		if _, err := io.WriteString(conn, head(strings.Replace(path, "/k?", "/other?", 1))); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("answer to the head alone: %s", resp.Status)
		}
	})
	t.Run("an accepted one is", func(t *testing.T) {
		conn := dial(t, f)
		if _, err := io.WriteString(conn, head(path)); err != nil {
			t.Fatal(err)
		}
		reader := bufio.NewReader(conn)
		if line, err := reader.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
			t.Fatalf("%q %v", line, err)
		}
		if _, err := reader.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "hello"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if content, _ := f.content(t, "k"); resp.StatusCode != http.StatusOK || content != "hello" {
			t.Errorf("%s, stored %q", resp.Status, content)
		}
	})
}

// TestEarlyRefusal: a client that sends without asking gets the answer, not a
// reset, though its large body is not read.
func TestEarlyRefusal(t *testing.T) {
	f := start(t)
	path, _ := f.presignedPut(t, "k")
	r := request(t, http.MethodPut, f.url+strings.Replace(path, "/k?", "/other?", 1), make([]byte, 16<<20), nil)
	if resp, body := exchange(t, r); errorCode(body) != "SignatureDoesNotMatch" {
		t.Errorf("%s %s", resp.Status, body)
	}
}

func TestBrokenUploadLeavesNothing(t *testing.T) {
	f := start(t)
	path, host := f.presignedPut(t, "k")
	f.notifyQueue(t, nil, "s3:ObjectCreated:*")
	broken := map[string]string{
		"PUT": "PUT " + path + " HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 400_000),
	}
	form := f.form(t, "k", nil)
	whole := form.encode(bytes.Repeat([]byte("x"), 600_000))
	broken["POST"] = "POST /uploads HTTP/1.1\r\nHost: " + host + "\r\nContent-Type: " + form.contentType() + "\r\nContent-Length: 700000\r\n\r\n" + string(whole[:400_000])
	for name, text := range broken {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, f)
			if _, err := io.WriteString(conn, text); err != nil {
				t.Fatal(err)
			}
			if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			// Once the server has given up, it closes too.
			if _, err := io.Copy(io.Discard, conn); err != nil {
				t.Fatal(err)
			}
			if content, exists := f.content(t, "k"); exists {
				t.Errorf("%d bytes were stored", len(content))
			}
		})
	}
	expectQuiet(t, f, 0)
}

func TestCloseCutsUploadsOff(t *testing.T) {
	f := start(t)
	path, host := f.presignedPut(t, "k")
	conn := dial(t, f)
	if _, err := io.WriteString(conn, "PUT "+path+" HTTP/1.1\r\nHost: "+host+"\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil { // 100 Continue: the upload is under way
		t.Fatal(err)
	}
	began := time.Now()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("closing took %v", took)
	}
	resp, _ := exchange(t, request(t, http.MethodGet, f.url+"/", nil, nil))
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("after Close: %s", resp.Status)
	}
}
