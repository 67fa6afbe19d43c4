// Command status is StatusFunction: the routes of package status.
package main

import (
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/fotograma/fotograma/internal/platform/boot"
	"github.com/fotograma/fotograma/internal/platform/cache"
	"github.com/fotograma/fotograma/internal/platform/httpapi"
	"github.com/fotograma/fotograma/internal/status"
)

func main() {
	var cfg status.Config
	fn := boot.Start(&cfg)
	api := httpapi.New(httpapi.Config{Origin: cfg.WebOrigin, Metrics: fn.Metrics, Now: time.Now, NewID: boot.NewID})
	db := dynamodb.NewFromConfig(fn.AWS)
	status.Register(api, &status.Queries{
		Store:    &status.Store{DB: db, Table: cfg.Table},
		Cache:    boot.Must(cache.For(cfg.CacheURL, cfg.Table, fn.Metrics, time.Now)),
		Log:      status.NewQueryLog(db, cfg.Table, cfg.QueryLogDays, time.Now),
		Archives: &status.Archives{S3: s3.NewFromConfig(fn.AWS), Bucket: cfg.ArchivesBucket},
		Now:      time.Now,
	})
	lambda.Start(api.Lambda())
}
