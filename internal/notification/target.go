package notification

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"code.dny.dev/ssrf"
)

const (
	// webhookTimeout is how long a webhook may take to answer.
	webhookTimeout = 10 * time.Second

	// maxWebhookAnswer is how much is read of an answer, in bytes; what it says does
	// not matter, but a program may be put out when it cannot write it.
	maxWebhookAnswer = 16 << 10
)

// NewWebhookClient makes the client that calls webhooks. People name the addresses, so
// it reaches nothing but the internet: which address a name has come to is looked at
// when the connection is made, so that a name which leads elsewhere the second time
// gains nothing. It follows no redirect and uses no proxy. loopback also lets it reach
// this machine.
func NewWebhookClient(loopback bool) *http.Client {
	options := []ssrf.Option{ssrf.WithAnyPort()}
	if loopback {
		options = append(options,
			ssrf.WithAllowedV4Prefixes(netip.MustParsePrefix("127.0.0.0/8")),
			ssrf.WithAllowedV6Prefixes(netip.MustParsePrefix("::1/128")))
	}
	dialer := &net.Dialer{Timeout: webhookTimeout, Control: ssrf.New(options...).Safe}
	return &http.Client{
		Timeout: webhookTimeout,
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			DisableKeepAlives:      true, // a frozen function keeps none
			MaxResponseHeaderBytes: maxWebhookAnswer,
			ForceAttemptHTTP2:      true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// fault is why a webhook was not reached, or did not take a message: a code for
// people and programs.
type fault string

const (
	faultStatus     fault = "status"          // it answered, but not with a status of 200 to 299
	faultRedirect   fault = "redirect"        // it leads elsewhere
	faultTimeout    fault = "timeout"         // it did not answer in time
	faultNoHost     fault = "no_host"         // its name leads nowhere
	faultForbidden  fault = "forbidden_host"  // its name leads into a network that is not public
	faultTLS        fault = "tls"             // its certificate is not good
	faultConnection fault = "connection"      // something else about the connection
	faultRemoved    fault = "webhook_removed" // there is none any more
	faultSecretLost fault = "secret_lost"     // see errSecretLost
)

// final tells whether another try makes no sense.
func (f fault) final(status int) bool {
	return f == faultForbidden || f == faultRemoved || f == faultSecretLost || status == http.StatusGone
}

// call sends a request, and gives the status of the answer, 0 if there was none, and
// what was wrong, if anything. It tells no more than that: errors of the network have
// the address in them, which may have secrets in it.
func call(ctx context.Context, client *http.Client, r *http.Request) (status int, wrong fault) {
	resp, err := client.Do(r.WithContext(ctx))
	if err != nil {
		return 0, faultOf(err)
	}
	defer resp.Body.Close()
	// The status was the answer; what follows it may break off.
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxWebhookAnswer))
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return resp.StatusCode, faultRedirect
	case resp.StatusCode < 200 || resp.StatusCode >= 300:
		return resp.StatusCode, faultStatus
	default:
		return resp.StatusCode, ""
	}
}

func faultOf(err error) fault {
	if errors.Is(err, ssrf.ErrProhibitedIP) || errors.Is(err, ssrf.ErrProhibitedNetwork) {
		return faultForbidden
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return faultTimeout
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return faultNoHost
	}
	_, record := errors.AsType[tls.RecordHeaderError](err)
	_, invalid := errors.AsType[*tls.CertificateVerificationError](err)
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	if record || invalid || unknown {
		return faultTLS
	}
	return faultConnection
}
