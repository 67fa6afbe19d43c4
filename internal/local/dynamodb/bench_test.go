package dynamodb

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// The benchmarks are whole HTTP calls from 16 clients per CPU in the same process, with an item such as the services write.
const clientsPerCPU = 16

const benchItem = `{"pk":{"S":"USER#0b7f3c1e"},"sk":{"S":"VIDEO#%d"},"status":{"S":"queued"},"filename":{"S":"holiday in the mountains.mp4"},` +
	`"size":{"N":"104857600"},"created_at":{"S":"2026-01-02T03:04:05.678Z"},"version":{"N":"1"},` +
	`"extraction":{"M":{"mode":{"S":"fps"},"fps":{"N":"1"},"format":{"S":"jpeg"},"quality":{"N":"90"}}}}`

func benchServer(b *testing.B, indexed bool) (url string) {
	b.Helper()
	s := newTestServer(b)
	endpoint := httptest.NewServer(s)
	b.Cleanup(endpoint.Close)
	createTable(b, clientFor(endpoint.URL), "bench", []string{"pk:S", "sk:S"}, map[bool][]string{true: {"status:S", "created_at:S"}}[indexed], func(in *sdk.CreateTableInput) {
		if indexed {
			in.GlobalSecondaryIndexes = []types.GlobalSecondaryIndex{{
				IndexName: aws.String("by-status"), KeySchema: keySchema("status", "created_at"), Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
			}}
		}
	})
	return endpoint.URL
}

// benchCalls makes b.N calls; body makes the n-th.
func benchCalls(b *testing.B, url, call string, body func(n int64) string) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
	var n atomic.Int64
	b.SetParallelism(clientsPerCPU)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			request, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url, strings.NewReader(body(n.Add(1))))
			if err != nil {
				b.Error(err)
				return
			}
			request.Header.Set("X-Amz-Target", targetPrefix+call)
			response, err := client.Do(request)
			if err != nil {
				b.Error(err)
				return
			}
			text, err := io.ReadAll(response.Body)
			if closing := response.Body.Close(); err != nil || closing != nil || response.StatusCode != http.StatusOK {
				b.Errorf("%d %s (%v, %v)", response.StatusCode, text, err, closing)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}

func BenchmarkPutItem(b *testing.B) {
	for name, indexed := range map[string]bool{"plain": false, "one index": true} {
		b.Run(name, func(b *testing.B) {
			benchCalls(b, benchServer(b, indexed), "PutItem", func(n int64) string {
				return `{"TableName":"bench","Item":` + fmt.Sprintf(benchItem, n) + `,"ConditionExpression":"attribute_not_exists(pk)"}`
			})
		})
	}
}

func BenchmarkUpdateItem(b *testing.B) {
	url := benchServer(b, true)
	benchCalls(b, url, "UpdateItem", func(n int64) string {
		return fmt.Sprintf(`{"TableName":"bench","Key":{"pk":{"S":"a"},"sk":{"S":"%d"}},"UpdateExpression":"SET progress = :p ADD version :one",`+
			`"ExpressionAttributeValues":{":p":{"N":"0.5"},":one":{"N":"1"}},"ReturnValues":"ALL_NEW"}`, n%1000)
	})
}

func BenchmarkGetItem(b *testing.B) {
	url := benchServer(b, false)
	fill(b, url)
	benchCalls(b, url, "GetItem", func(n int64) string {
		return fmt.Sprintf(`{"TableName":"bench","Key":{"pk":{"S":"USER#0b7f3c1e"},"sk":{"S":"VIDEO#%d"}}}`, n%100)
	})
}

func BenchmarkQueryTwentyItems(b *testing.B) {
	url := benchServer(b, false)
	fill(b, url)
	benchCalls(b, url, "Query", func(int64) string {
		return `{"TableName":"bench","KeyConditionExpression":"pk = :p","ExpressionAttributeValues":{":p":{"S":"USER#0b7f3c1e"}},"Limit":20,"ScanIndexForward":false}`
	})
}

func fill(b *testing.B, url string) {
	b.Helper()
	for n := range 100 {
		body := `{"TableName":"bench","Item":` + fmt.Sprintf(benchItem, n) + `}`
		request, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		request.Header.Set("X-Amz-Target", targetPrefix+"PutItem")
		response, err := http.DefaultClient.Do(request)
		if err != nil || response.StatusCode != http.StatusOK {
			b.Fatalf("%v %v", response, err)
		}
		if err := response.Body.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
