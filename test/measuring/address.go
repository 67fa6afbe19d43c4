package measuring

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// The ports that FreeAddress chooses from lie below those that systems give to outgoing
// connections, one of which could otherwise take it before somebody listens there.
const (
	firstPort = 10_000
	lastPort  = 32_767
)

// FreeAddress gives an address of this machine at which nobody listens.
func FreeAddress(ctx context.Context) (string, error) {
	var failures []error
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+rand.IntN(lastPort-firstPort+1)) //nolint:gosec // no secret
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err == nil {
			return address, l.Close()
		}
		failures = append(failures, err)
	}
	return "", fmt.Errorf("look for a port: %w", errors.Join(failures...))
}
