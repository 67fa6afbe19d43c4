// Command api writes openapi.yaml, the machine-readable contract, from the
// services' own routes and types.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/fotograma/fotograma/internal/auth"
	"github.com/fotograma/fotograma/internal/notification"
	"github.com/fotograma/fotograma/internal/platform/httpapi"
	"github.com/fotograma/fotograma/internal/status"
	"github.com/fotograma/fotograma/internal/video"
)

//go:generate go run .

const file = "openapi.yaml"

func main() {
	contract, err := generate()
	if err == nil {
		err = os.WriteFile(file, contract, 0o644) //nolint:gosec // everybody may read it
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// services are the functions of template.yaml that answer requests, with what
// registers their routes. No request is served here, so none of them is wired.
func services() map[string]func(*httpapi.API) {
	return map[string]func(*httpapi.API){
		"AuthFunction":   func(api *httpapi.API) { auth.Register(api, &auth.Service{}) },
		"VideoFunction":  func(api *httpapi.API) { video.Register(api, &video.Service{}) },
		"StatusFunction": func(api *httpapi.API) { status.Register(api, &status.Queries{}) },

		"NotificationsFunction": func(api *httpapi.API) { notification.Register(api, &notification.Settings{}) },
	}
}

func newAPI() *httpapi.API {
	return httpapi.New(httpapi.Config{Now: time.Now, NewID: func() string { return "" }})
}

func generate() ([]byte, error) {
	api := newAPI()
	for _, register := range services() {
		register(api)
	}
	contract, err := api.OpenAPI().YAML()
	if err != nil {
		return nil, fmt.Errorf("write the contract: %w", err)
	}
	return append([]byte("# Generated from the code by `make api`; do not edit.\n"), contract...), nil
}
