package notification

import (
	"context"
	"net/http"
)

// Reach calls an address as webhooks are called, and gives what was wrong.
func Reach(ctx context.Context, client *http.Client, address string) string {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, http.NoBody)
	if err != nil {
		return err.Error()
	}
	_, wrong := call(ctx, client, r)
	return string(wrong)
}

// Shipped are the files of the templates that are shipped.
var Shipped = files
