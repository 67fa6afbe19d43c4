package sqs

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
)

// childEnv names the file that a child process of a test serves.
const childEnv = "FOTOGRAMA_SQS_TEST_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		serveAsChild(path)
		return
	}
	os.Exit(m.Run())
}

// serveAsChild serves until it is killed.
func serveAsChild(path string) {
	s, err := Open(path, Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(httptest.NewServer(s).URL)
	select {}
}

func startChild(t *testing.T, path string) (*exec.Cmd, *awssqs.Client) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), exe)
	child.Env = append(os.Environ(), childEnv+"="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the child did not start: %v", err)
	}
	return child, newClient(strings.TrimSpace(url))
}

// TestAcknowledgedMessagesSurviveKill kills the process with SIGKILL while eight
// senders send and one receiver deletes.
func TestAcknowledgedMessagesSurviveKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sqs.db")
	child, client := startChild(t, path)
	created, err := client.CreateQueue(t.Context(), &awssqs.CreateQueueInput{QueueName: aws.String("jobs")})
	if err != nil {
		t.Fatal(err)
	}

	var mu sync.Mutex
	// A deletion under way at the end may have happened or not: it is tried, not deleted.
	sent, tried, deleted := make(map[string]bool), make(map[string]bool), make(map[string]bool)
	enough := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() { sendUntilDead(t, client, created.QueueUrl, i, &mu, sent, enough) })
	}
	wg.Go(func() { deleteUntilDead(t, client, created.QueueUrl, &mu, tried, deleted) })
	<-enough
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	_ = child.Wait() // says that it was killed

	e := startAt(t, path, &clock{at: time.Now().Add(time.Hour)}) // past every timeout
	stored := make(map[string]bool)
	for {
		got := e.take(t, e.create(t, "jobs"))
		if len(got) == 0 {
			break
		}
		for _, m := range got {
			if stored[*m.Body] {
				t.Errorf("%s is stored twice", *m.Body)
			}
			stored[*m.Body] = true
		}
	}
	for body := range sent {
		if !stored[body] && !tried[body] {
			t.Errorf("%s was acknowledged and is lost", body)
		}
	}
	for body := range deleted {
		if stored[body] {
			t.Errorf("%s was deleted and is back", body)
		}
	}
	if len(sent) < 500 || len(deleted) == 0 {
		t.Errorf("only %d sent and %d deleted: the test proves little", len(sent), len(deleted))
	}
}

func sendUntilDead(t *testing.T, client *awssqs.Client, url *string, sender int, mu *sync.Mutex, sent map[string]bool, enough chan struct{}) {
	for i := 0; ; i++ {
		body := fmt.Sprintf("message %d of sender %d", i, sender)
		if _, err := client.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: url, MessageBody: &body}); err != nil {
			return
		}
		mu.Lock()
		sent[body] = true
		if len(sent) == 500 {
			close(enough)
		}
		mu.Unlock()
	}
}

func deleteUntilDead(t *testing.T, client *awssqs.Client, url *string, mu *sync.Mutex, tried, deleted map[string]bool) {
	mark := func(in map[string]bool, body string) {
		mu.Lock()
		defer mu.Unlock()
		in[body] = true
	}
	for {
		out, err := client.ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{QueueUrl: url, WaitTimeSeconds: 1})
		if err != nil {
			return
		}
		for _, m := range out.Messages {
			mark(tried, *m.Body)
			_, err := client.DeleteMessage(t.Context(), &awssqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: m.ReceiptHandle})
			if err != nil {
				return
			}
			mark(deleted, *m.Body)
		}
	}
}

func TestRestartKeepsEverything(t *testing.T) {
	path := filepath.Join(t.TempDir(), "with space & %41?.db")
	c := newClock()
	var handle *string
	t.Run("before", func(t *testing.T) {
		e := startAt(t, path, c)
		url, _ := e.createWithDLQ(t, "jobs", "3", "VisibilityTimeout", "40")
		e.put(t, url, "in flight")
		handle = e.takeOne(t, url).ReceiptHandle
		e.put(t, url, "visible")
	})
	t.Run("after", func(t *testing.T) {
		e := startAt(t, path, c)
		url := e.create(t, "jobs")
		a := e.attributes(t, url)
		if a["VisibilityTimeout"] != "40" || !strings.Contains(a["RedrivePolicy"], "jobs-dlq") {
			t.Errorf("attributes %v", a)
		}
		if m := e.takeOne(t, url); *m.Body != "visible" {
			t.Errorf("received %s", *m.Body)
		}
		e.remove(t, url, handle)
		c.advance(time.Hour)
		if m := e.takeOne(t, url); *m.Body != "visible" {
			t.Errorf("received %s, which was deleted with a handle of before the restart", *m.Body)
		}
	})
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

// TestEveryMessageToOneReceiver has sixteen receivers at eight hundred messages.
func TestEveryMessageToOneReceiver(t *testing.T) {
	e := start(t)
	url := e.create(t, "jobs")
	const messages, receivers = 800, 16
	var mu sync.Mutex
	got := make(map[string]int)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	for range receivers {
		wg.Go(func() {
			for ctx.Err() == nil {
				out, err := e.ReceiveMessage(ctx, &awssqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 3, WaitTimeSeconds: 20})
				if err != nil {
					return
				}
				mu.Lock()
				for _, m := range out.Messages {
					got[*m.Body]++
				}
				if len(got) == messages {
					cancel()
				}
				mu.Unlock()
			}
		})
	}
	for sender := range 4 {
		wg.Go(func() {
			for i := range messages / 4 {
				body := fmt.Sprint(sender, "-", i)
				if _, err := e.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: &body}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if len(got) != messages {
		t.Errorf("%d of %d messages received", len(got), messages)
	}
	for body, n := range got {
		if n != 1 {
			t.Errorf("%s was received %d times within its visibility timeout", body, n)
		}
	}
}

func TestOperationsFailTogetherOnlyWithTheDatabase(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "sqs.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	e := serve(t, s)
	url := e.create(t, "jobs")
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			target := url
			if i%2 == 0 {
				target = strings.Replace(url, "jobs", "absent", 1)
			}
			_, err := e.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: &target, MessageBody: aws.String("x")})
			if (err != nil) != (i%2 == 0) {
				t.Errorf("send %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if n := e.attributes(t, url)["ApproximateNumberOfMessages"]; n != "20" {
		t.Errorf("%s messages, want 20", n)
	}
}

func TestOpenRefusesWhatIsNoDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sqs.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("this is no database. ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(path, Options{}); err == nil {
		t.Error("opened", s)
	}
}

// BenchmarkSend measures sends over HTTP: the plain protocol, without the cost of an
// SDK's client.
func BenchmarkSend(b *testing.B) {
	e := start(b)
	url := e.create(b, "jobs")
	body := `{"QueueUrl":"` + url + `","MessageBody":"` + strings.Repeat("x", 500) + `"}`
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := sendRaw(b.Context(), client, e.url, body); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sends/s")
}

func sendRaw(ctx context.Context, client *http.Client, url, body string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("X-Amz-Target", "AmazonSQS.SendMessage")
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", res.StatusCode)
	}
	_, err = res.Body.Read(make([]byte, 4096))
	if err != nil && err.Error() != "EOF" {
		return err
	}
	return nil
}

// BenchmarkSendReceiveDelete measures a message's whole life through the SDK.
func BenchmarkSendReceiveDelete(b *testing.B) {
	e := start(b)
	url := e.create(b, "jobs")
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			e.put(b, url, "x")
			out, err := e.ReceiveMessage(b.Context(), &awssqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20})
			if err != nil || len(out.Messages) != 1 {
				b.Errorf("%v, %v", out, err)
				return
			}
			e.remove(b, url, out.Messages[0].ReceiptHandle)
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
