package sam

import (
	"encoding/json"
	"time"
)

// Template is a SAM template after parameters, Globals, conditions and
// intrinsic functions have been worked out: what is left is plain data, in the
// order in which the file names it.
type Template struct {
	Functions    []Function
	EventSources []EventSource
	Schedules    []Schedule
	APIs         []API
	Tables       []Table
	Queues       []Queue
	Buckets      []Bucket
	Secrets      []Secret
	Identities   []EmailIdentity
	Topics       []Topic
	MailSets     []ConfigurationSet

	// Outputs holds the value of every output, by its logical ID.
	Outputs map[string]string
}

// Function is one AWS::Serverless::Function.
type Function struct {
	LogicalID string

	// Name is FunctionName where the template gives one, else the logical ID.
	Name string

	// PackageType is "Zip" or "Image".
	PackageType string

	// CodeURI, Handler and Runtime belong to a Zip; DockerContext, Dockerfile and
	// DockerTag (from the resource's Metadata) to an Image.
	CodeURI       string
	Handler       string
	Runtime       string
	DockerContext string
	Dockerfile    string
	DockerTag     string // of the image that sam build makes

	Architecture     string // "x86_64" or "arm64"
	MemorySize       int    // MB
	EphemeralStorage int    // MB
	Timeout          time.Duration

	// ReservedConcurrency is ReservedConcurrentExecutions; 0 means none is
	// reserved.
	ReservedConcurrency int

	Environment map[string]string
}

// EventSource is one Lambda event of Type SQS: an event source mapping.
type EventSource struct {
	LogicalID string // of the event, e.g. "Uploads"
	Function  string // logical ID of the function

	QueueARN                string
	BatchSize               int
	BatchingWindow          time.Duration
	MaximumConcurrency      int // 0: not limited
	ReportBatchItemFailures bool
	Enabled                 bool
}

// Schedule is one Lambda event of Type Schedule or ScheduleV2.
type Schedule struct {
	LogicalID  string
	Function   string // logical ID of the function
	Expression string // rate(…) or cron(…), as EventBridge has them
	Input      json.RawMessage
	Enabled    bool
}

// API is one AWS::Serverless::Api: a REST API with one stage.
type API struct {
	LogicalID string
	Name      string
	Stage     string

	Routes            []Route
	Authorizers       map[string]Authorizer
	CORS              *CORS
	GatewayResponses  map[string]GatewayResponse // by response type, e.g. "UNAUTHORIZED"
	BinaryMediaTypes  []string
	MethodSettings    []MethodSetting
	DefaultAuthorizer string
}

// Route is one method on one resource path.
type Route struct {
	Method     string // upper case, or "ANY"
	Path       string // "/v1/videos/{id}"
	Function   string // logical ID of the function
	Authorizer string // name in API.Authorizers; empty: open to everybody
}

// Authorizer is a Lambda authorizer of a REST API.
type Authorizer struct {
	Name     string
	Function string // logical ID of the function
	Type     string // "TOKEN" or "REQUEST"

	// Header is the identity source of a TOKEN authorizer; a REQUEST
	// authorizer lists Headers, QueryStrings, Context and StageVariables.
	Header               string
	ValidationExpression string
	Headers              []string
	QueryStrings         []string
	Context              []string
	StageVariables       []string

	// TTL is how long a result is cached; zero: not at all.
	TTL time.Duration
}

// CORS is the preflight answer which SAM makes for every resource of an API.
// The values are what the header will say: the quotes that the template needs
// around them are gone.
type CORS struct {
	AllowOrigin      string
	AllowHeaders     string // empty: no such header
	AllowMethods     string // empty: the methods of the resource's path and OPTIONS
	MaxAge           string // empty: no such header
	AllowCredentials bool

	// Authorizer is what a preflight must pass, as SAM has it unless
	// AddDefaultAuthorizerToCorsPreflight is false; empty: open to everybody.
	Authorizer string
}

// GatewayResponse replaces one of API Gateway's own answers.
type GatewayResponse struct {
	StatusCode int               // 0: the response type's own
	Headers    map[string]string // header name to value in single quotes, or mapping expression
	Templates  map[string]string // by content type; $context.… variables in it
}

// MethodSetting throttles one method, or all with "/*" and "*".
type MethodSetting struct {
	ResourcePath string
	HTTPMethod   string

	// Throttled tells whether RateLimit (requests per second) and BurstLimit
	// (requests) were given.
	Throttled  bool
	RateLimit  float64
	BurstLimit int
}

// Table is one AWS::DynamoDB::Table.
type Table struct {
	LogicalID string
	Name      string
	ARN       string

	// Definition holds the resource's properties as JSON in CloudFormation's
	// own spelling.
	Definition json.RawMessage

	// TTLAttribute is empty where the table has no time to live.
	TTLAttribute string
}

// Queue is one AWS::SQS::Queue.
type Queue struct {
	LogicalID string
	Name      string
	ARN       string
	URL       string

	// Attributes are the queue's settings as SQS' CreateQueue names them.
	Attributes map[string]string
}

// Bucket is one AWS::S3::Bucket.
type Bucket struct {
	LogicalID string
	Name      string
	ARN       string

	// Definition holds the resource's properties as JSON in CloudFormation's
	// own spelling.
	Definition json.RawMessage

	// Policy is the document of the bucket's AWS::S3::BucketPolicy, if any.
	Policy json.RawMessage
}

// Secret is one AWS::SecretsManager::Secret.
type Secret struct {
	LogicalID string
	Name      string
	ARN       string

	// Length and Exclude come from GenerateSecretString.
	Length  int
	Exclude string
}

// EmailIdentity is one AWS::SES::EmailIdentity: an address or a domain that may
// send.
type EmailIdentity struct {
	LogicalID string
	Identity  string
}

// Topic is one AWS::SNS::Topic.
type Topic struct {
	LogicalID string
	Name      string
	ARN       string
	Queues    []Subscription // those of its subscriptions that lead to queues
}

// Subscription is one AWS::SNS::Subscription of a queue.
type Subscription struct {
	QueueARN string
	Raw      bool // RawMessageDelivery
}

// ConfigurationSet is one AWS::SES::ConfigurationSet.
type ConfigurationSet struct {
	LogicalID    string
	Name         string
	Destinations []EventDestination // those that are SNS topics
}

// EventDestination is one AWS::SES::ConfigurationSetEventDestination.
type EventDestination struct {
	Name     string
	TopicARN string
	Types    []string // as in MatchingEventTypes
	Enabled  bool
}
