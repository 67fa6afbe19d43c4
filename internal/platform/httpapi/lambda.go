package httpapi

import (
	"context"
	"fmt"
	"net/http"

	"github.com/aws/aws-lambda-go/events"
	"github.com/awslabs/aws-lambda-go-api-proxy/core"

	"github.com/fotograma/fotograma/internal/platform/problem"
	"github.com/fotograma/fotograma/internal/platform/tracing"
)

// Lambda makes a Lambda handler for the events of a REST API's proxy
// integration.
func (a *API) Lambda() func(context.Context, events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
	var accessor core.RequestAccessor
	handler := a.Handler()
	return func(ctx context.Context, e events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
		w := core.NewProxyResponseWriter()
		r, err := accessor.EventToRequestWithContext(ctx, e)
		if err != nil { // a path or a body that net/http cannot take
			ctx = tracing.WithID(ctx)
			r = (&http.Request{Method: e.HTTPMethod}).WithContext(ctx)
			writeProblem(w, r, describe(ctx, problem.BadRequest))
		} else {
			handler.ServeHTTP(w, r)
		}
		tracing.Flush(ctx)
		response, err := w.GetProxyResponse()
		if err != nil {
			return events.APIGatewayProxyResponse{}, fmt.Errorf("make the response: %w", err)
		}
		return response, nil
	}
}
