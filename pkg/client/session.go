package client

import (
	"context"
	"maps"
	"net/http"
)

// UseAPIKey has the following calls use an API key instead of a session.
func (c *Client) UseAPIKey(secret string) { c.setTokens(Tokens{AccessToken: secret}) }

// UseSession has the following calls use a session that was kept elsewhere, and
// renew to renew it, which may be nil. Where several processes share a session,
// renew must see to it that only one of them spends the refresh token.
func (c *Client) UseSession(tokens Tokens, renew Renew) {
	c.setTokens(tokens)
	if renew != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.renew = renew
	}
}

// Tokens gives the session's tokens as they are now.
func (c *Client) Tokens() Tokens {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tokens
}

func (c *Client) setTokens(tokens Tokens) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tokens = tokens
}

// authorized calls with the access token.
func (c *Client) authorized(ctx context.Context, method, path string, header http.Header, in, out any) error {
	return c.withToken(ctx, func(token http.Header) error {
		maps.Copy(token, header)
		return c.call(ctx, method, path, token, in, out)
	})
}

// withToken does something with the access token, and once more with a new one
// when it has expired.
func (c *Client) withToken(ctx context.Context, do func(http.Header) error) error {
	tokens := c.Tokens()
	err := do(bearer(tokens))
	if !IsCode(err, "unauthorized") || tokens.RefreshToken == "" { // an API key is not renewed
		return err
	}
	if err := c.replace(ctx, tokens); err != nil {
		return err
	}
	return do(bearer(c.Tokens()))
}

func bearer(tokens Tokens) http.Header {
	return http.Header{"Authorization": {"Bearer " + tokens.AccessToken}}
}

// replace replaces expired tokens, unless another goroutine has done so.
func (c *Client) replace(ctx context.Context, expired Tokens) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tokens.AccessToken != expired.AccessToken {
		return nil
	}
	tokens, err := c.renew(ctx, expired)
	if err != nil {
		return err
	}
	c.tokens = tokens
	return nil
}
