package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/fotograma/fotograma/internal/platform/httpapi"
	"github.com/fotograma/fotograma/internal/platform/tracing"
)

// ErrUnauthorized is how an authorizer has API Gateway answer 401: by an error
// with exactly this text. Any other error becomes 500.
//
// Source: "Output from an API Gateway Lambda authorizer" in the developer guide.
var ErrUnauthorized = errors.New("Unauthorized")

// Authorizer tells API Gateway who calls: it is a Lambda authorizer of type
// TOKEN. A token is the access token of a session, or an API key.
type Authorizer struct {
	Store  *Store
	Access *AccessTokens
	Now    func() time.Time
}

// NewAuthorizer makes the authorizer from what it needs of AWS.
func NewAuthorizer(cfg AuthorizerConfig, db *dynamodb.Client, secrets SecretReader, now func() time.Time) *Authorizer {
	return &Authorizer{
		Store:  &Store{DB: db, Table: cfg.Table},
		Access: &AccessTokens{Keys: &Keys{Secrets: secrets, Secret: cfg.SigningSecret, Now: now}, Now: now},
		Now:    now,
	}
}

// Handle is the Lambda handler. The policy lets the caller use every route of
// the stage, since API Gateway keeps it for the token, whatever route was asked
// for first; what somebody may do with a thing is for its service to know.
func (a *Authorizer) Handle(ctx context.Context, r events.APIGatewayCustomAuthorizerRequest) (events.APIGatewayCustomAuthorizerResponse, error) {
	ctx = tracing.WithID(ctx) // API Gateway tells it of no header but the token's
	var refused events.APIGatewayCustomAuthorizerResponse
	resource, err := everyRoute(r.MethodArn)
	if err != nil {
		return refused, err
	}
	caller, err := a.identify(ctx, r.AuthorizationToken)
	if err != nil {
		return refused, err
	}
	return events.APIGatewayCustomAuthorizerResponse{
		PrincipalID: caller.UserID,
		PolicyDocument: events.APIGatewayCustomAuthorizerPolicy{
			Version: "2012-10-17",
			Statement: []events.IAMPolicyStatement{{
				Effect: "Allow", Action: []string{"execute-api:Invoke"}, Resource: []string{resource},
			}},
		},
		Context: caller.Claims(),
	}, nil
}

// identify gives ErrUnauthorized for whatever is wrong with the token, and other
// errors when that cannot be found out.
func (a *Authorizer) identify(ctx context.Context, header string) (httpapi.Caller, error) {
	token, ok := parseBearer(header)
	if !ok {
		return httpapi.Caller{}, refuse(ctx, "no bearer token")
	}
	if strings.HasPrefix(token, apiKeyPrefix) {
		caller, err := a.verifyAPIKey(ctx, token)
		if errors.Is(err, errBadAPIKey) {
			err = refuse(ctx, "bad API key")
		}
		return caller, err
	}
	return a.identifySession(ctx, token)
}

func (a *Authorizer) identifySession(ctx context.Context, token string) (httpapi.Caller, error) {
	who, err := a.Access.verify(ctx, token)
	if errors.Is(err, errBadToken) {
		return httpapi.Caller{}, refuse(ctx, "bad token")
	}
	if err != nil {
		return httpapi.Caller{}, err
	}
	lives, err := a.Store.sessionLives(ctx, who, a.Now())
	if err != nil {
		return httpapi.Caller{}, err
	}
	if !lives {
		return httpapi.Caller{}, refuse(ctx, "session ended")
	}
	return httpapi.Caller{UserID: who.userID, SessionID: who.sessionID}, nil
}

func refuse(ctx context.Context, reason string) error {
	slog.InfoContext(ctx, "access refused", "reason", reason)
	return ErrUnauthorized
}

// everyRoute makes, of the ARN of the method that was called,
// "arn:…:<api>/<stage>/GET/v1/videos", the one of all methods of the stage.
func everyRoute(methodARN string) (string, error) {
	parts := strings.SplitN(methodARN, "/", 3)
	if len(parts) < 3 || !strings.HasPrefix(parts[0], "arn:") || parts[1] == "" {
		return "", fmt.Errorf("method ARN %q has no stage", methodARN)
	}
	return parts[0] + "/" + parts[1] + "/*", nil
}
