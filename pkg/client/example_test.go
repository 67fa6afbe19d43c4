package client_test

import (
	"context"
	"fmt"
	"os"

	"github.com/fotograma/fotograma/pkg/client"
)

// Upload a video, wait for its frames, and fetch them.
func Example() { //nolint:testableexamples // it takes a server
	ctx := context.Background()
	c := client.New("http://127.0.0.1:8080")
	c.UseAPIKey(os.Getenv("FOTOGRAMA_API_KEY"))

	file, err := os.Open("holiday.mp4")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		fmt.Println(err)
		return
	}
	video, err := c.Upload(ctx, file, client.NewVideo{
		Filename: "holiday.mp4", Size: info.Size(), ContentType: "video/mp4",
		Extraction: client.Extraction{Interval: 10, Format: "webp", Width: 640}.JSON(),
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	video, err = c.Wait(ctx, video.ID, func(v *client.Video) { fmt.Printf("%.0f %%\n", 100*v.Progress) })
	if err != nil {
		fmt.Println(err)
		return
	}
	if video.Error != nil {
		fmt.Println(video.Error.Message)
		return
	}
	if _, err := c.DownloadFile(ctx, video.ID, "holiday.zip", nil); err != nil {
		fmt.Println(err)
		return
	}
}

// Go on with an upload in another process: keep the key, and call Upload again with
// the same video.
func ExampleClient_Upload_resume() { //nolint:testableexamples // it takes a server
	c := client.New("http://127.0.0.1:8080")
	c.UseAPIKey(os.Getenv("FOTOGRAMA_API_KEY"))
	file, err := os.Open("long.mkv")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer file.Close()
	video := client.NewVideo{Filename: "long.mkv", Size: 5 << 30, ContentType: "video/x-matroska", IdempotencyKey: "kept-somewhere"}
	options := &client.UploadOptions{Stored: func(n int64) { fmt.Println(n, "bytes are there already") }}
	if _, err := c.Upload(context.Background(), file, video, options); err != nil {
		fmt.Println(err)
		return
	}
}

// Tell errors apart by their code.
func ExampleIsCode() { //nolint:testableexamples // it takes a server
	c := client.New("http://127.0.0.1:8080")
	err := c.Login(context.Background(), "ana@example.com", "a horse of many staples")
	if client.IsCode(err, "invalid_credentials") {
		fmt.Println("Type them again.")
	}
}
