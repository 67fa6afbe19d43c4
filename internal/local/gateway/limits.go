package gateway

import "time"

// Quotas of API Gateway for REST APIs and of Lambda.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html
const (
	// accountRate is in requests per second, accountBurst in requests.
	accountRate  = 10_000
	accountBurst = 5_000

	// maxURLBytes is the length of the URL of a regional API.
	maxURLBytes = 10_240

	// maxHeaderBytes is the size of all header values together.
	maxHeaderBytes = 10_240

	// maxRequestBody is in bytes, as it comes from the client.
	maxRequestBody = 10 << 20

	// maxLambdaPayload is the size of an event or a result of a synchronous
	// invocation, in bytes: 6 MB and what Lambda allows for the envelope.
	maxLambdaPayload = 6_291_556

	// maxMethodARN is the length, in bytes, of the ARN of a method that has
	// an authorizer, maxPolicyARN that of a resource in a policy.
	maxMethodARN = 1_600
	maxPolicyARN = 512

	minIntegrationTimeout = 50 * time.Millisecond
	maxIntegrationTimeout = 29 * time.Second

	maxAuthorizerTTL = time.Hour

	// authorizerCacheSize is how many results one authorizer keeps. AWS does
	// not say how many it keeps; this bounds the memory.
	authorizerCacheSize = 10_000
)
