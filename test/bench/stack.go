package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/fotograma/fotograma/pkg/client"
	"github.com/fotograma/fotograma/test/measuring"
)

// startStack starts a stack with its data in a folder. The bucket of the naive system
// lies in the same S3.
func startStack(ctx context.Context, dir string) (*measuring.Stack, error) {
	s, err := measuring.StartStack(ctx, measuring.StackOptions{Dir: dir, Parameters: measuring.Unlimited})
	if err != nil {
		return nil, err
	}
	r := run{job: job{Store: s.AWS}}
	if _, err := r.s3().CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(videosBucket)}); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// throughStack is a person's way: from the upload to when the API tells that the
// frames are there.
func throughStack(ctx context.Context, r *run) error {
	api := client.New(r.API)
	email, password := strings.ToLower(rand.Text())+"@example.com", rand.Text()
	if _, err := api.Register(ctx, client.NewUser{Email: email, Password: password, Name: "Bench"}); err != nil {
		return err
	}
	if err := api.Login(ctx, email, password); err != nil {
		return err
	}
	extraction, err := json.Marshal(r.Extraction)
	if err != nil {
		return err
	}
	file, size, err := open(r.File)
	if err != nil {
		return err
	}
	defer file.Close()
	var video *client.Video
	err = r.measure(func() error {
		video, err = api.Upload(ctx, file, client.NewVideo{Filename: r.Key, Size: size, ContentType: "video/mp4", Extraction: extraction}, nil)
		if err != nil {
			return err
		}
		video, err = finished(ctx, api, video.ID)
		return err
	})
	if err != nil {
		return err
	}
	archive, err := os.Create(r.Keep)
	if err != nil {
		return err
	}
	_, err = api.Download(ctx, video.ID, archive)
	return errors.Join(err, archive.Close())
}

// finished waits until a video has ended, which it asks for more often than a
// patient client would.
func finished(ctx context.Context, api *client.Client, id string) (*client.Video, error) {
	for {
		video, err := api.Video(ctx, id)
		switch {
		case err != nil && !client.IsCode(err, "not_found"): // what one reads follows what one wrote, but not at once
			return nil, err
		case err == nil && video.Status == client.Completed:
			return video, nil
		case err == nil && video.Ended():
			return nil, fmt.Errorf("the video ended as %s: %+v", video.Status, video.Error)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// naiveStack is the naive system's whole way over the same S3: from the upload
// to when its pack is there.
func naiveStack(ctx context.Context, r *run) error {
	s3Client := r.s3()
	file, size, err := open(r.File)
	if err != nil {
		return err
	}
	defer file.Close()
	err = r.measure(func() error {
		_, err := s3Client.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(videosBucket), Key: &r.Key, Body: file, ContentLength: &size})
		if err != nil {
			return err
		}
		return r.naively(ctx, s3Client, videosBucket, videosBucket)
	})
	if err != nil {
		return err
	}
	return download(ctx, s3Client, videosBucket, archiveKey, r.Keep)
}

func open(path string) (*os.File, int64, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}
