package sam

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func config(path string) Config {
	return Config{
		Path:         path,
		StackName:    "demo",
		QueueBaseURL: "http://127.0.0.1:4566",
		APIBaseURL: func(logicalID, stage string) string {
			return "http://127.0.0.1:8080/" + logicalID + "-" + stage
		},
	}
}

func mustLoad(t *testing.T, cfg Config) *Template {
	t.Helper()
	tmpl, err := Load(cfg)
	if err != nil {
		t.Fatalf("Load:\n%v", err)
	}
	return tmpl
}

func diff(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func TestEverythingFunctions(t *testing.T) {
	tmpl := mustLoad(t, config("testdata/everything.yaml"))

	var names []string
	for _, f := range tmpl.Functions {
		names = append(names, f.LogicalID)
	}
	diff(t, "functions", names, []string{"Authorizer", "Items", "Image"})

	diff(t, "Authorizer", tmpl.Functions[0], Function{
		LogicalID: "Authorizer", Name: "gatekeeper", PackageType: "Zip",
		CodeURI: "functions/authorizer", Handler: "bootstrap", Runtime: "provided.al2023",
		Architecture: "arm64", MemorySize: 128, EphemeralStorage: 512, Timeout: 3 * time.Second,
		Environment: map[string]string{"STAGE": "dev", "SHADOWED": "from Globals"},
	})
	diff(t, "Items", tmpl.Functions[1], Function{
		LogicalID: "Items", Name: "Items", PackageType: "Zip",
		CodeURI: "functions/items", Handler: "bootstrap", Runtime: "provided.al2023",
		Architecture: "x86_64", // a call of a function replaces the global list
		MemorySize:   256, EphemeralStorage: 1024, Timeout: 20 * time.Second, ReservedConcurrency: 4,
		Environment: map[string]string{
			"STAGE": "dev", "SHADOWED": "from the function",
			"TABLE":       "demo-Table",
			"TABLE_ARN":   "arn:aws:dynamodb:us-east-1:000000000000:table/demo-Table",
			"STREAM":      "arn:aws:dynamodb:us-east-1:000000000000:table/demo-Table/stream/1970-01-01T00:00:00.000",
			"QUEUE":       "http://127.0.0.1:4566/000000000000/demo-work",
			"QUEUE_NAME":  "demo-work",
			"FIFO":        "http://127.0.0.1:4566/000000000000/demo-Fifo.fifo",
			"BUCKET":      "demo-bucket",
			"BUCKET_HOST": "demo-bucket.s3.us-east-1.amazonaws.com",
			"SECRET":      "arn:aws:secretsmanager:us-east-1:000000000000:secret:demo/signing",
			"TOPIC":       "arn:aws:sns:us-east-1:000000000000:demo-Topic",
			"LOGS":        "arn:aws:logs:us-east-1:000000000000:log-group:/aws/demo:*",
			"ROLE":        "arn:aws:iam::000000000000:role/audit/auditor",
			"KEY":         "aea1dc0a-44fe-4fa1-43ef-2279ad3d69e4",
			"LITERAL":     "${kept} dev $context",
			"MAPPED":      "demo-work/dev",
			"JOINED":      "https://a.example|https://b.example",
			"ZONES":       "x,y",
			"FIRST_ZONE":  "us-east-1a",
			"ENCODED":     "aGVsbG8=",
			"NUMBER":      "7",
			"BIG":         "10737418240",
			"FLAG":        "true",
			"STACK":       "demo",
		},
	})
	diff(t, "Image", tmpl.Functions[2], Function{
		LogicalID: "Image", Name: "Image", PackageType: "Image",
		DockerContext: ".", Dockerfile: "functions/image/Dockerfile", DockerTag: "latest",
		Architecture: "arm64", MemorySize: 128, EphemeralStorage: 512, Timeout: 3 * time.Second,
		Environment: map[string]string{"STAGE": "dev", "SHADOWED": "from Globals"},
	})
}

func TestEverythingEvents(t *testing.T) {
	tmpl := mustLoad(t, config("testdata/everything.yaml"))
	diff(t, "event sources", tmpl.EventSources, []EventSource{
		{
			LogicalID: "Work", Function: "Items", QueueARN: "arn:aws:sqs:us-east-1:000000000000:demo-work",
			BatchSize: 100, BatchingWindow: 5 * time.Second, MaximumConcurrency: 4,
			ReportBatchItemFailures: true, Enabled: true,
		},
		{
			LogicalID: "Paused", Function: "Items", QueueARN: "arn:aws:sqs:us-east-1:000000000000:demo-Fifo.fifo",
			BatchSize: 10,
		},
	})
	diff(t, "schedules", tmpl.Schedules, []Schedule{
		{LogicalID: "Often", Function: "Items", Expression: "rate(5 minutes)", Input: json.RawMessage(`{"a":1}`), Enabled: true},
		{LogicalID: "Nightly", Function: "Items", Expression: "cron(0 3 * * ? *)"},
	})
}

func TestEverythingAPIs(t *testing.T) {
	tmpl := mustLoad(t, config("testdata/everything.yaml"))
	header := Authorizer{
		Name: "Header", Function: "Authorizer", Type: "REQUEST",
		Headers: []string{"X-Key"}, QueryStrings: []string{"key"},
	}
	headers := map[string]string{"Access-Control-Allow-Origin": "'*'", "X-Path": "context.path"}
	diff(t, "APIs", tmpl.APIs, []API{
		{
			LogicalID: "Api", Name: "Api", Stage: "dev",
			DefaultAuthorizer: "Token",
			BinaryMediaTypes:  []string{"image/png", "application/zip"},
			Routes: []Route{
				{Method: "GET", Path: "/items", Function: "Items", Authorizer: "Token"},
				{Method: "ANY", Path: "/items/{id}", Function: "Items"},
				{Method: "POST", Path: "/items", Function: "Items", Authorizer: "Header"},
			},
			Authorizers: map[string]Authorizer{
				"Header": header,
				"Token": {
					Name: "Token", Function: "Authorizer", Type: "TOKEN", Header: "Authorization",
					ValidationExpression: "^Bearer ", TTL: time.Minute,
				},
			},
			CORS: &CORS{
				AllowOrigin: "https://dev.example", AllowHeaders: "X-Key", MaxAge: "600", Authorizer: "Token",
			},
			GatewayResponses: map[string]GatewayResponse{
				"UNAUTHORIZED": {
					StatusCode: 401, Headers: headers,
					Templates: map[string]string{"application/json": `{"code":"unauthorized"}`},
				},
				"THROTTLED": {Headers: headers, Templates: map[string]string{}},
			},
			MethodSettings: []MethodSetting{
				{ResourcePath: "/*", HTTPMethod: "*", Throttled: true, RateLimit: 0.5, BurstLimit: 20},
				{ResourcePath: "/items", HTTPMethod: "GET"},
			},
		},
		{
			LogicalID: "ServerlessRestApi", Name: "demo", Stage: "Prod",
			BinaryMediaTypes: []string{"image/png"},
			Routes:           []Route{{Method: "GET", Path: "/status", Function: "Items", Authorizer: "Header"}},
			Authorizers:      map[string]Authorizer{"Header": header},
			GatewayResponses: map[string]GatewayResponse{},
		},
	})
}

func TestEverythingStores(t *testing.T) {
	tmpl := mustLoad(t, config("testdata/everything.yaml"))
	diff(t, "tables", tmpl.Tables, []Table{{
		LogicalID: "Table", Name: "demo-Table", ARN: "arn:aws:dynamodb:us-east-1:000000000000:table/demo-Table",
		TTLAttribute: "ttl",
		Definition: json.RawMessage(`{"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],` +
			`"BillingMode":"PAY_PER_REQUEST","DeletionProtectionEnabled":false,` +
			`"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],` +
			`"StreamSpecification":{"StreamViewType":"NEW_IMAGE"},"TableName":"demo-Table",` +
			`"TimeToLiveSpecification":{"AttributeName":"ttl","Enabled":true}}`),
	}})
	arn := "arn:aws:sqs:us-east-1:000000000000:"
	url := "http://127.0.0.1:4566/000000000000/"
	diff(t, "queues", tmpl.Queues, []Queue{
		{
			LogicalID: "Queue", Name: "demo-work", ARN: arn + "demo-work", URL: url + "demo-work",
			Attributes: map[string]string{
				"VisibilityTimeout": "120", "SqsManagedSseEnabled": "true",
				"RedrivePolicy": `{"deadLetterTargetArn":"` + arn + `demo-Dead","maxReceiveCount":3}`,
				"Policy":        `{"Statement":[{"Action":"sqs:*","Effect":"Allow","Principal":"*","Resource":"*"}]}`,
			},
		},
		{
			LogicalID: "Dead", Name: "demo-Dead", ARN: arn + "demo-Dead", URL: url + "demo-Dead",
			Attributes: map[string]string{
				"RedriveAllowPolicy": `{"redrivePermission":"byQueue","sourceQueueArns":["` + arn + `demo-work"]}`,
			},
		},
		{
			LogicalID: "Fifo", Name: "demo-Fifo.fifo", ARN: arn + "demo-Fifo.fifo", URL: url + "demo-Fifo.fifo",
			Attributes: map[string]string{"FifoQueue": "true"},
		},
	})
	diff(t, "buckets", tmpl.Buckets, []Bucket{{
		LogicalID: "Bucket", Name: "demo-bucket", ARN: "arn:aws:s3:::demo-bucket",
		Definition: json.RawMessage(`{"BucketName":"demo-bucket","CorsConfiguration":{"CorsRules":[` +
			`{"AllowedMethods":["GET"],"AllowedOrigins":["https://a.example","https://b.example"],"MaxAge":60}]},` +
			`"NotificationConfiguration":{"QueueConfigurations":[{"Event":"s3:ObjectCreated:*",` +
			`"Filter":{"S3Key":{"Rules":[{"Name":"prefix","Value":"in/"}]}},"Queue":"` + arn + `demo-work"}]}}`),
		Policy: json.RawMessage(`{"Statement":[{"Action":"s3:*","Effect":"Deny","Principal":"*",` +
			`"Resource":"arn:aws:s3:::demo-bucket/*"}]}`),
	}})
	diff(t, "secrets", tmpl.Secrets, []Secret{{
		LogicalID: "Secret", Name: "demo/signing",
		ARN:    "arn:aws:secretsmanager:us-east-1:000000000000:secret:demo/signing",
		Length: 48, Exclude: " !\"#$%&'()*+,-./:;<=>?@I[\\]^_`l{|}~",
	}})
	diff(t, "identities", tmpl.Identities, []EmailIdentity{{LogicalID: "Sender", Identity: "mail.example"}})
}

func TestEverythingOutputs(t *testing.T) {
	tmpl := mustLoad(t, config("testdata/everything.yaml"))
	diff(t, "outputs", tmpl.Outputs, map[string]string{
		"Url":           "http://127.0.0.1:8080/Api-dev/items",
		"OtherUrl":      "http://127.0.0.1:8080/ServerlessRestApi-Prod/",
		"Host":          "e7zhardobm.execute-api.us-east-1.amazonaws.com",
		"Stage":         "dev",
		"ImplicitStage": "Prod",
		"ItemsRole":     "arn:aws:iam::000000000000:role/demo-ItemsRole",
		"Alias":         "arn:aws:lambda:us-east-1:000000000000:function:gatekeeper:live",
	})
}

func TestParametersChooseTheOtherBranches(t *testing.T) {
	cfg := config("testdata/everything.yaml")
	cfg.Parameters = map[string]string{"Stage": "prod", "Workers": "10", "Origins": "https://c.example"}
	cfg.Region, cfg.AccountID, cfg.Partition, cfg.QueueBaseURL, cfg.APIBaseURL = "cn-north-1", "123456789012", "aws-cn", "", nil
	tmpl := mustLoad(t, cfg)

	if n := len(tmpl.Functions); n != 4 {
		t.Fatalf("%d functions, want the production one too", n)
	}
	items := tmpl.Functions[1]
	if items.MemorySize != 1024 || items.Architecture != "arm64" || items.ReservedConcurrency != 10 {
		t.Errorf("Items: memory %d, %s, concurrency %d", items.MemorySize, items.Architecture, items.ReservedConcurrency)
	}
	diff(t, "queue URL", items.Environment["QUEUE"], "https://sqs.cn-north-1.amazonaws.com.cn/123456789012/demo-work")
	diff(t, "alarm", tmpl.Functions[3].Environment["ALARM"], "demo-ProductionAlarm")
	diff(t, "output", tmpl.Outputs["Production"], "OnlyInProduction")
	if n := len(tmpl.EventSources); n != 3 {
		t.Errorf("%d event sources, want 3", n)
	}
}

// The template that this repository deploys is one that Load understands.
func TestTheProjectsOwnTemplate(t *testing.T) {
	path := filepath.Join("..", "..", "..", "template.yaml")
	for _, stage := range []string{"local", "staging", "production"} {
		cfg := config(path)
		cfg.Parameters = map[string]string{"Stage": stage, "AlarmEmail": "ops@example.com"}
		tmpl := mustLoad(t, cfg)
		if len(tmpl.Functions) == 0 || len(tmpl.APIs) != 1 || tmpl.APIs[0].Stage != stage {
			t.Errorf("%s: %d functions, APIs %+v", stage, len(tmpl.Functions), tmpl.APIs)
		}
	}
}

func TestErrorsNameTheLine(t *testing.T) {
	const function = "Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      Runtime: provided.al2023\n      Handler: bootstrap\n"
	const api = "Resources:\n  A:\n    Type: AWS::Serverless::Api\n    Properties:\n      StageName: dev\n"
	const queue = "Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    Properties:\n"
	cases := map[string]struct {
		template string
		given    map[string]string
		want     []string
	}{
		"an empty file":                   {"", nil, []string{"t.yaml:1: the file is empty"}},
		"no YAML":                         {"a: b\n c: [\n", nil, []string{"t.yaml:2: not YAML: mapping values are not allowed in this context"}},
		"two documents":                   {"Resources: {}\n---\na: b\n", nil, []string{"t.yaml:2: a template is one YAML document; here begins another"}},
		"a list for a template":           {"- a\n", nil, []string{"t.yaml:1: a template must be a map, not a list"}},
		"no resources":                    {"Description: d\n", nil, []string{"t.yaml:1: a template must have Resources"}},
		"an unknown section":              {"Resources: {}\nRules: {}\n", nil, []string{"t.yaml:2: a template has no \"Rules\" (it may have AWSTemplateFormatVersion, Conditions, Description, Globals, Mappings, Metadata, Outputs, Parameters, Resources, Transform)"}},
		"a key twice":                     {"Resources: {}\nResources: {}\n", nil, []string{"t.yaml:2: key \"Resources\" is there twice"}},
		"a key that is a boolean":         {"Resources:\n  On: { Type: AWS::SQS::Queue }\n", nil, []string{"t.yaml:2: key On is a boolean in YAML 1.1, which SAM reads: put it in quotes"}},
		"another transform":               {"Transform: [AWS::Serverless-2016-10-31, AWS::LanguageExtensions]\nResources: {}\n", nil, []string{"t.yaml:1: the only transform supported is AWS::Serverless-2016-10-31, not \"AWS::LanguageExtensions\""}},
		"another version":                 {"AWSTemplateFormatVersion: 2020-01-01\nResources: {}\n", nil, []string{"t.yaml:1: AWSTemplateFormatVersion is \"2010-09-09\", not \"2020-01-01\""}},
		"aliases without end":             {"Resources: &a\n  X: *a\n", nil, []string{"t.yaml:1: nested too deeply, or more than 200000 values once aliases are written out"}},
		"a merge key of no map":           {"Resources: {}\nMetadata:\n  <<: [a]\n", nil, []string{"t.yaml:3: \"<<\" merges maps, not \"a\""}},
		"an unknown parameter given":      {"Resources: {}\n", map[string]string{"X": "1"}, []string{"t.yaml: a value is given for parameter \"X\", which the template does not have"}},
		"a parameter without a value":     {"Parameters:\n  P:\n    Type: String\nResources: {}\n", nil, []string{"t.yaml:2: parameter P has no Default and no value is given"}},
		"a parameter not allowed":         {"Parameters:\n  P:\n    Type: String\n    Default: x\n    AllowedValues: [a, b]\nResources: {}\n", nil, []string{"t.yaml:4: parameter P: \"x\" is not one of AllowedValues"}},
		"a parameter's pattern":           {"Parameters:\n  P: { Type: String, AllowedPattern: a+, ConstraintDescription: only a }\nResources: {}\n", map[string]string{"P": "aab"}, []string{"t.yaml:2: parameter P: \"aab\" does not match AllowedPattern a+ (only a)"}},
		"a parameter kept secret":         {"Parameters:\n  P: { Type: String, NoEcho: true, MinLength: 8 }\nResources: {}\n", map[string]string{"P": "hunter2"}, []string{"t.yaml:2: parameter P: the value is shorter than MinLength"}},
		"a number too large":              {"Parameters:\n  P: { Type: Number, Default: 5, MaxValue: 4 }\nResources: {}\n", nil, []string{"t.yaml:2: parameter P: \"5\" is more than MaxValue"}},
		"no number":                       {"Parameters:\n  P: { Type: Number, Default: five }\nResources: {}\n", nil, []string{"t.yaml:2: parameter P: \"five\" is not a number"}},
		"an unknown parameter type":       {"Parameters:\n  P: { Type: \"AWS::SSM::Parameter::Value<String>\", Default: x }\nResources: {}\n", nil, []string{"t.yaml:2: parameters of type AWS::SSM::Parameter::Value<String> are not supported"}},
		"an unknown condition function":   {"Conditions:\n  C: !Foo [1]\nResources: {}\n", nil, []string{"t.yaml:2: condition C: Fn::Foo is no condition function"}},
		"conditions in a circle":          {"Conditions:\n  A: !Not [!Condition B]\n  B: !Not [!Condition A]\nResources: {}\n", nil, []string{"t.yaml:2: condition A depends on itself"}},
		"a condition about a resource":    {"Conditions:\n  A: !Equals [!Ref Q, x]\nResources:\n  Q: { Type: AWS::SQS::Queue }\n", nil, []string{"t.yaml:2: Ref Q: conditions can only refer to parameters"}},
		"a condition that is not there":   {"Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    Condition: C\n", nil, []string{"t.yaml:4: there is no condition \"C\""}},
		"too few operands":                {"Conditions:\n  A: !Equals [x]\n  B: !And [!Equals [1, 1]]\nResources: {}\n", nil, []string{"t.yaml:2: Fn::Equals takes 2 values, not 1", "t.yaml:3: Fn::And takes 2 to 10 values, not 1"}},
		"an unknown resource type":        {"Resources:\n  X:\n    Type: AWS::EC2::Instance\n", nil, []string{"t.yaml:3: resource type AWS::EC2::Instance is not supported"}},
		"an unknown attribute":            {"Resources:\n  X:\n    Type: AWS::SQS::Queue\n    Propertys: {}\n", nil, []string{"t.yaml:4: resource X has no \"Propertys\" (it may have Condition, DeletionPolicy, DependsOn, IgnoreGlobals, Metadata, Properties, Type, UpdateReplacePolicy)"}},
		"a wrong DeletionPolicy":          {"Resources:\n  X:\n    Type: AWS::SQS::Queue\n    DeletionPolicy: Keep\n", nil, []string{"t.yaml:4: DeletionPolicy must be one of Delete, Retain, RetainExceptOnCreate, Snapshot, not \"Keep\""}},
		"DependsOn nothing":               {"Resources:\n  X:\n    Type: AWS::SQS::Queue\n    DependsOn: Y\n", nil, []string{"t.yaml:4: DependsOn: there is no resource \"Y\""}},
		"an unknown property":             {queue + "      Foo: 1\n", nil, []string{"t.yaml:5: AWS::SQS::Queue has no property \"Foo\""}},
		"an unknown property of a part":   {"Resources:\n  B:\n    Type: AWS::S3::Bucket\n    Properties:\n      CorsConfiguration:\n        CorsRules:\n          - AllowedMethods: [GET]\n            AllowedOrigins: [a]\n            Foo: 1\n", nil, []string{"t.yaml:9: CorsRules[] has no property \"Foo\""}},
		"an unknown property, idle type":  {"Resources:\n  L:\n    Type: AWS::Logs::LogGroup\n    Properties:\n      Retention: 7\n", nil, []string{"t.yaml:5: AWS::Logs::LogGroup has no property \"Retention\""}},
		"a property that is missing":      {"Resources:\n  B:\n    Type: AWS::S3::BucketPolicy\n    Properties:\n      Bucket: x\n", nil, []string{"t.yaml:2: AWS::S3::BucketPolicy must have PolicyDocument"}},
		"a word for an integer":           {queue + "      DelaySeconds: soon\n", nil, []string{"t.yaml:5: DelaySeconds must be an integer, not \"soon\""}},
		"a list for a string":             {queue + "      KmsMasterKeyId: [a]\n", nil, []string{"t.yaml:5: KmsMasterKeyId must be a string, not a list"}},
		"a string for a list":             {"Resources:\n  P:\n    Type: AWS::SQS::QueuePolicy\n    Properties:\n      Queues: x\n      PolicyDocument: {}\n", nil, []string{"t.yaml:5: Queues must be a list, not \"x\""}},
		"a word for a boolean":            {queue + "      SqsManagedSseEnabled: perhaps\n", nil, []string{"t.yaml:5: SqsManagedSseEnabled must be a boolean, not \"perhaps\""}},
		"too many":                        {queue + "      DelaySeconds: 901\n", nil, []string{"t.yaml:5: DelaySeconds must be at most 900, not 901"}},
		"not one of the words":            {"Resources:\n  T:\n    Type: AWS::DynamoDB::Table\n    Properties:\n      KeySchema:\n        - { AttributeName: a, KeyType: MAIN }\n", nil, []string{"t.yaml:6: KeyType must be one of HASH, RANGE, not \"MAIN\""}},
		"null":                            {queue + "      QueueName:\n", nil, []string{"t.yaml:5: null is no value of a template"}},
		"an unknown function":             {queue + "      QueueName: !Upper a\n", nil, []string{"t.yaml:5: unknown intrinsic function Fn::Upper"}},
		"an unknown function in long":     {queue + "      QueueName:\n        Fn::Upper: a\n", nil, []string{"t.yaml:6: unknown intrinsic function Fn::Upper"}},
		"a function and another key":      {queue + "      RedrivePolicy:\n        Fn::Sub: a\n        maxReceiveCount: 1\n", nil, []string{"t.yaml:6: Fn::Sub must be the only key of its map", "t.yaml:6: RedrivePolicy must have deadLetterTargetArn"}},
		"an imported value":               {queue + "      QueueName: !ImportValue x\n", nil, []string{"t.yaml:5: Fn::ImportValue is not supported: there are no other stacks"}},
		"a condition function elsewhere":  {queue + "      QueueName: !Equals [a, b]\n", nil, []string{"t.yaml:5: Fn::Equals belongs in the Conditions section"}},
		"Ref of nothing":                  {queue + "      QueueName: !Ref Nobody\n", nil, []string{"t.yaml:5: Ref: there is no resource or parameter \"Nobody\""}},
		"GetAtt of nothing":               {queue + "      QueueName: !GetAtt Nobody.Arn\n", nil, []string{"t.yaml:5: Fn::GetAtt: there is no resource or parameter \"Nobody\""}},
		"GetAtt of an unknown attribute":  {queue + "      KmsMasterKeyId: !GetAtt K.Name\n  K: { Type: AWS::KMS::Key, Properties: { KeyPolicy: {} } }\n", nil, []string{"t.yaml:5: K (AWS::KMS::Key) has no attribute \"Name\" that is known here"}},
		"GetAtt without an attribute":     {queue + "      QueueName: !GetAtt Q\n", nil, []string{"t.yaml:5: Fn::GetAtt takes Resource.Attribute, or a list of the two"}},
		"Ref of what is unknowable":       {queue + "      QueueName: !Ref S\n  S: { Type: AWS::SNS::Subscription, Properties: { Protocol: email, TopicArn: t } }\n", nil, []string{"t.yaml:5: what Ref gives for S (AWS::SNS::Subscription) is not known before it exists"}},
		"a stream that a table lacks":     {queue + "      QueueName: !GetAtt T.StreamArn\n  T: { Type: AWS::DynamoDB::Table, Properties: { KeySchema: [] } }\n", nil, []string{"t.yaml:5: table T has no stream"}},
		"Sub of nothing":                  {queue + "      QueueName: !Sub a-${Nobody}\n", nil, []string{"t.yaml:5: Ref: there is no resource or parameter \"Nobody\""}},
		"Sub of no name":                  {queue + "      QueueName: !Sub a-${aws:user/x}\n", nil, []string{"t.yaml:5: Fn::Sub: ${aws:user/x} is no name; ${!aws:user/x} stands for itself"}},
		"Sub of a list":                   {"Parameters:\n  L: { Type: CommaDelimitedList, Default: 'a,b' }\n" + queue + "      QueueName: !Sub a-${L}\n", nil, []string{"t.yaml:7: Fn::Sub: ${L} is a list, not a string"}},
		"Select beyond the end":           {queue + "      QueueName: !Select [2, [a, b]]\n", nil, []string{"t.yaml:5: Fn::Select: there is no element 2 in a list of 2"}},
		"a mapping that is not there":     {"Mappings:\n  M: { a: { b: c } }\n" + queue + "      QueueName: !FindInMap [M, a, x]\n", nil, []string{"t.yaml:7: Fn::FindInMap: Mappings has no M.a.x"}},
		"Join of a string":                {queue + "      QueueName: !Join [x, y]\n", nil, []string{"t.yaml:5: Fn::Join takes a list here, not \"y\""}},
		"If without its condition":        {queue + "      QueueName: !If [C, a, b]\n", nil, []string{"t.yaml:5: there is no condition \"C\""}},
		"an error in the branch not used": {"Conditions:\n  C: !Equals [a, a]\n" + queue + "      QueueName: !If [C, a, !Ref Nobody]\n", nil, []string{"t.yaml:7: Ref: there is no resource or parameter \"Nobody\""}},
		"a dynamic reference":             {queue + "      QueueName: '{{resolve:ssm:name}}'\n", nil, []string{"t.yaml:5: dynamic references ({{resolve:…}}) are not supported, but to secrets"}},
		"what a condition leaves out":     {"Conditions:\n  C: !Equals [a, b]\n" + queue + "      QueueName: !Ref R\n  R: { Type: AWS::SQS::Queue, Condition: C }\n", nil, []string{"t.yaml:7: Ref: resource R is left out by its condition"}},
		"a circle of two":                 {queue + "      RedrivePolicy: { deadLetterTargetArn: !GetAtt R.Arn, maxReceiveCount: 1 }\n  R:\n    Type: AWS::SQS::Queue\n    Properties:\n      RedriveAllowPolicy: { redrivePermission: byQueue, sourceQueueArns: [!GetAtt Q.Arn] }\n", nil, []string{"t.yaml:5: circular reference: Q → R → Q"}},
		"a name of itself":                {queue + "      QueueName: !Sub x-${Q.QueueName}\n", nil, []string{"t.yaml:5: circular reference: Q → Q", "t.yaml:5: the name of Q depends on itself"}},
		"a function that calls its API":   {function + "      Environment: { Variables: { API: !Ref ServerlessRestApi } }\n      Events:\n        E:\n          Type: Api\n          Properties: { Path: /, Method: GET }\n", nil, []string{"t.yaml:7: circular reference: F → ServerlessRestApi → F"}},
		"a policy about its function":     {function + "      Policies: [{ Statement: [{ Resource: !GetAtt F.Arn }] }]\n", nil, []string{"t.yaml:2: circular reference: F → FRole → F"}},
		"Globals of another type":         {"Globals:\n  HttpApi: {}\nResources: {}\n", nil, []string{"t.yaml:2: Globals of HttpApi are not supported"}},
		"a property not for Globals":      {"Globals:\n  Api:\n    StageName: x\nResources: {}\n", nil, []string{"t.yaml:3: Globals.Api has no \"StageName\" (it may have AccessLogSetting, AlwaysDeploy, Auth, BinaryMediaTypes, CacheClusterEnabled, CacheClusterSize, CanarySetting, Cors, DefinitionUri, Domain, EndpointAccessMode, EndpointConfiguration, GatewayResponses, MergeDefinitions, MethodSettings, MinimumCompressionSize, Name, OpenApiVersion, PropagateTags, SecurityPolicy, TracingEnabled, Variables)"}},
		"a wrong value in Globals":        {"Globals:\n  Function:\n    MemorySize: much\n" + function + "  G: { Type: AWS::Serverless::Function, Properties: { Runtime: r, Handler: h } }\n", nil, []string{"t.yaml:3: MemorySize must be an integer, not \"much\""}},
		"ignored Globals not there":       {"Globals:\n  Function:\n    MemorySize: 256\n" + strings.Replace(function, "    Properties", "    IgnoreGlobals: [Timeout]\n    Properties", 1), nil, []string{"t.yaml:7: IgnoreGlobals: Globals have no \"Timeout\""}},
		"what is not built":               {function + "      InlineCode: x\n", nil, []string{"t.yaml:7: InlineCode of AWS::Serverless::Function is not supported on one machine"}},
		"a function without a runtime":    {"Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties: { Handler: h }\n", nil, []string{"t.yaml:2: function F must have a Runtime"}},
		"an image without a Dockerfile":   {"Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Metadata: { DockerContext: . }\n    Properties:\n      PackageType: Image\n      Handler: h\n", nil, []string{"t.yaml:2: function F of PackageType Image must have Dockerfile in its Metadata", "t.yaml:7: Handler does not go with PackageType Image"}},
		"code in a bucket":                {function + "      CodeUri: s3://b/k\n", nil, []string{"t.yaml:7: CodeUri must be a folder: code in a bucket is not supported"}},
		"another build method":            {strings.Replace(function, "    Properties", "    Metadata: { BuildMethod: makefile }\n    Properties", 1), nil, []string{"t.yaml:4: BuildMethod \"makefile\" is not supported, only go1.x"}},
		"a variable of Lambda's own":      {function + "      Environment:\n        Variables:\n          AWS_REGION: x\n          a-b: y\n          LIST: [z]\n", nil, []string{"t.yaml:9: environment variable AWS_REGION is Lambda's own", "t.yaml:10: Lambda does not allow an environment variable \"a-b\"", "t.yaml:11: environment variable LIST must be a string, not a list"}},
		"an unknown event type":           {function + "      Events:\n        E:\n          Type: S3\n          Properties: {}\n", nil, []string{"t.yaml:9: events of type S3 are not supported (but Api, SQS, Schedule, ScheduleV2 are)"}},
		"an unknown event property":       {function + "      Events:\n        E:\n          Type: SQS\n          Properties:\n            Queue: arn:aws:sqs:us-east-1:000000000000:q\n            Batch: 1\n", nil, []string{"t.yaml:12: SQS event has no property \"Batch\""}},
		"an event filter":                 {function + "      Events:\n        E:\n          Type: SQS\n          Properties:\n            Queue: arn:aws:sqs:us-east-1:000000000000:q\n            FilterCriteria: {}\n", nil, []string{"t.yaml:12: FilterCriteria of SQS event is not supported on one machine"}},
		"a URL for an ARN":                {function + "      Events:\n        E:\n          Type: SQS\n          Properties:\n            Queue: http://q\n            BatchSize: 11\n", nil, []string{"t.yaml:11: Queue must be the ARN of a queue, not \"http://q\"", "t.yaml:12: Lambda wants MaximumBatchingWindowInSeconds with a BatchSize of more than 10"}},
		"a queue that shows too soon":     {function + "      Timeout: 31\n      Events:\n        E:\n          Type: SQS\n          Properties:\n            Queue: !GetAtt Q.Arn\n  Q: { Type: AWS::SQS::Queue }\n", nil, []string{"t.yaml:12: queue Q hides messages for 30s, less than the 31s that F may take"}},
		"rate(1 minutes)":                 {function + "      Events:\n        E:\n          Type: Schedule\n          Properties:\n            Schedule: rate(1 minutes)\n", nil, []string{"t.yaml:11: Schedule: rate(1 minutes): EventBridge has it that one is \"minute\" and more are \"minutes\""}},
		"cron with five fields":           {function + "      Events:\n        E:\n          Type: Schedule\n          Properties:\n            Schedule: cron(0 3 * * *)\n            Input: a=b\n", nil, []string{"t.yaml:11: Schedule: cron(0 3 * * *) has 5 fields, not 6 (minutes hours day-of-month month day-of-week year)", "t.yaml:12: Input must be JSON"}},
		"cron with both days":             {function + "      Events:\n        E:\n          Type: ScheduleV2\n          Properties:\n            ScheduleExpression: cron(0 3 * * * *)\n", nil, []string{"t.yaml:11: ScheduleExpression: cron(0 3 * * * *): either day-of-month or day-of-week must be ?"}},
		"an API that is not there":        {function + "      Events:\n        E:\n          Type: Api\n          Properties:\n            RestApiId: abc\n            Path: x\n            Method: FETCH\n", nil, []string{"t.yaml:11: RestApiId: there is no API \"abc\" in this template"}},
		"a path and method like none":     {function + "      Events:\n        E:\n          Type: Api\n          Properties:\n            Path: x\n            Method: FETCH\n", nil, []string{"t.yaml:11: Path must begin with a slash, unlike \"x\"", "t.yaml:12: Method must be one of ANY, DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT, not \"FETCH\""}},
		"a route twice":                   {function + "      Events:\n        A:\n          Type: Api\n          Properties: { Path: /x, Method: GET }\n        B:\n          Type: Api\n          Properties: { Path: /x/, Method: get }\n", nil, []string{"t.yaml:13: GET /x is there twice, for F and F"}},
		"an authorizer that is not there": {function + "      Events:\n        A:\n          Type: Api\n          Properties: { Path: /x, Method: GET, Auth: { Authorizer: X } }\n        B:\n          Type: Api\n          Properties: { Path: /y, Method: GET, Auth: { Authorizer: NONE } }\n", nil, []string{"t.yaml:10: there is no authorizer \"X\" at API ServerlessRestApi (it has )", "t.yaml:13: SAM allows Authorizer NONE only where the API has a DefaultAuthorizer"}},
		"a default that is not there":     {api + "      Auth: { DefaultAuthorizer: X }\n", nil, []string{"t.yaml:6: there is no authorizer \"X\""}},
		"an authorizer without function":  {api + "      Auth:\n        Authorizers:\n          X:\n            FunctionArn: arn:aws:lambda:us-east-1:000000000000:function:x\n            FunctionPayloadType: REQUEST\n            Identity: { Header: X }\n", nil, []string{"t.yaml:9: FunctionArn: there is no function with the ARN \"arn:aws:lambda:us-east-1:000000000000:function:x\" in this template", "t.yaml:9: a REQUEST authorizer whose answers are cached must have Headers, QueryStrings, StageVariables or Context in Identity", "t.yaml:11: Header does not go with a REQUEST authorizer"}},
		"a user pool":                     {api + "      Auth:\n        Authorizers:\n          X:\n            UserPoolArn: x\n", nil, []string{"t.yaml:9: Authorizers.X must have FunctionArn", "t.yaml:9: UserPoolArn of Authorizers.X is not supported on one machine"}},
		"CORS without quotes":             {api + "      Cors: '*'\n", nil, []string{"t.yaml:6: Cors must be in single quotes inside of the string: \"'*'\""}},
		"CORS with credentials for all":   {api + "      Cors:\n        AllowCredentials: true\n        Origin: x\n", nil, []string{"t.yaml:7: AllowCredentials does not go with AllowOrigin \"'*'\"", "t.yaml:8: Cors has no property \"Origin\""}},
		"an unknown gateway response":     {api + "      GatewayResponses:\n        TEAPOT:\n          ResponseParameters: { Headers: { X: plain }, Paths: {} }\n", nil, []string{"t.yaml:7: API Gateway has no response type \"TEAPOT\"", "t.yaml:8: Paths of ResponseParameters is not supported on one machine", "t.yaml:8: header X must be in single quotes inside of the string (\"'plain'\") or a mapping expression"}},
		"half a throttle":                 {api + "      MethodSettings:\n        - ResourcePath: /*\n          HttpMethod: GETT\n          ThrottlingRateLimit: 1\n          CachingEnabled: true\n", nil, []string{"t.yaml:7: a method setting must have both ThrottlingRateLimit and ThrottlingBurstLimit, or neither", "t.yaml:8: HttpMethod must be * or one of ANY, DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT, not \"GETT\"", "t.yaml:10: caching responses is not supported on one machine"}},
		"a path that is not encoded":      {api + "      MethodSettings:\n        - ResourcePath: /v1/x\n          HttpMethod: GET\n", nil, []string{"t.yaml:7: ResourcePath must spell the path's slashes ~1 after a first /: \"/~1v1~1x\""}},
		"API keys":                        {api + "      Auth: { ApiKeyRequired: true }\n", nil, []string{"t.yaml:6: API keys are not supported on one machine"}},
		"a queue's name":                  {queue + "      QueueName: a.b\n", nil, []string{"t.yaml:5: \"a.b\" is no name for a resource of type AWS::SQS::Queue"}},
		"a FIFO queue's name":             {queue + "      QueueName: a\n      FifoQueue: true\n", nil, []string{"t.yaml:5: a FIFO queue's name, and no other's, ends in \".fifo\""}},
		"the same name twice":             {queue + "      QueueName: a\n  R:\n    Type: AWS::SQS::Queue\n    Properties:\n      QueueName: a\n", nil, []string{"t.yaml:9: Q and R have the same name, \"a\""}},
		"a redrive policy like none":      {queue + "      RedrivePolicy: { deadLetterTargetArn: a, maxReceives: 1 }\n", nil, []string{"t.yaml:5: RedrivePolicy has no \"maxReceives\" (it may have deadLetterTargetArn, maxReceiveCount)"}},
		"two policies for a queue":        {queue + "      QueueName: a\n  P: { Type: AWS::SQS::QueuePolicy, Properties: { Queues: [!Ref Q], PolicyDocument: {} } }\n  R: { Type: AWS::SQS::QueuePolicy, Properties: { Queues: [!Ref Q, x], PolicyDocument: {} } }\n", nil, []string{"t.yaml:7: queue Q has two policies, of which only one would count", "t.yaml:7: there is no queue with the URL \"x\" in this template"}},
		"a policy for no bucket":          {"Resources:\n  P:\n    Type: AWS::S3::BucketPolicy\n    Properties:\n      Bucket: elsewhere\n      PolicyDocument: {}\n", nil, []string{"t.yaml:5: there is no bucket \"elsewhere\" in this template"}},
		"a bucket that calls a function":  {"Resources:\n  B:\n    Type: AWS::S3::Bucket\n    Properties:\n      NotificationConfiguration:\n        LambdaConfigurations: []\n", nil, []string{"t.yaml:6: LambdaConfigurations of NotificationConfiguration is not supported on one machine"}},
		"an output without a value":       {"Resources: {}\nOutputs:\n  O: { Description: d }\n", nil, []string{"t.yaml:3: output O has no Value"}},
		"an output of a list":             {"Resources: {}\nOutputs:\n  O:\n    Value: [a]\n", nil, []string{"t.yaml:4: Value must be a string, not a list"}},
		"many at once, sorted":            {queue + "      Foo: 1\n      DelaySeconds: x\nOutputs:\n  O: { Value: !Ref Nobody }\n", map[string]string{"P": ""}, []string{"t.yaml: a value is given for parameter \"P\", which the template does not have", "t.yaml:5: AWS::SQS::Queue has no property \"Foo\"", "t.yaml:6: DelaySeconds must be an integer, not \"x\"", "t.yaml:8: Ref: there is no resource or parameter \"Nobody\""}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			tmpl, err := load(Config{Path: "t.yaml", Parameters: c.given}, []byte(c.template))
			if err == nil || tmpl != nil {
				t.Fatalf("no error, or a template beside it: %v", err)
			}
			diff(t, "errors", strings.Split(err.Error(), "\n"), c.want)
		})
	}
}

func TestErrorsCanBeTakenApart(t *testing.T) {
	_, err := load(Config{Path: "t.yaml"}, []byte("Resources:\n  X: { Type: A }\n"))
	var e *Error
	if !errors.As(err, &e) || e.File != "t.yaml" || e.Line != 2 {
		t.Errorf("got %#v", err)
	}
}

func TestLoadNamesAFileThatIsNotThere(t *testing.T) {
	_, err := Load(Config{Path: filepath.Join(t.TempDir(), "none.yaml")})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestMergeKeysAndAliases(t *testing.T) {
	tmpl, err := load(Config{Path: "t.yaml", StackName: "s"}, []byte(`
Metadata: &base { MessageRetentionPeriod: 60, DelaySeconds: 1 }
Resources:
  Q:
    Type: AWS::SQS::Queue
    Properties:
      <<: *base
      DelaySeconds: 2
`))
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "attributes", tmpl.Queues[0].Attributes, map[string]string{"DelaySeconds": "2", "MessageRetentionPeriod": "60"})
}

// SAM calls the stage's resource by the API and the stage.
func TestRefOfAStage(t *testing.T) {
	for _, name := range []string{"AdevStage", "AStage", "A.Stage"} {
		text := "Resources:\n  A: { Type: AWS::Serverless::Api, Properties: { StageName: dev } }\n" +
			"Outputs:\n  S: { Value: !Ref " + name + " }\n"
		tmpl, err := load(Config{Path: "t.yaml"}, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		diff(t, name, tmpl.Outputs["S"], "dev")
	}
}

func TestJSONTemplate(t *testing.T) {
	tmpl, err := load(Config{Path: "t.json", StackName: "s"}, []byte(
		`{"Resources": {"Q": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Fn::Join": ["-", ["a", {"Ref": "AWS::StackName"}]]}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "name", tmpl.Queues[0].Name, "a-s")
}

// Every type that the tables name has properties, and every type expression in
// them is one that check knows.
func TestSchemasAreWhole(t *testing.T) {
	for _, known := range []map[string]identity{made, idle} {
		for typ := range known {
			if schemas()[typ] == nil {
				t.Errorf("%s has no schema", typ)
			}
		}
	}
	for typ, properties := range schemas() {
		for name := range properties {
			expression, _ := property(typ, strings.TrimSuffix(name, "!"))
			base := strings.TrimLeft(expression, "[]{}")
			word, _, _ := strings.Cut(base, "(")
			switch {
			case strings.HasPrefix(base, "AWS::"):
				if schemas()[base] == nil {
					t.Errorf("%s.%s: there is no %s", typ, name, base)
				}
			case !slices.Contains([]string{"string", "integer", "number", "boolean", "json", unsupported}, word):
				t.Errorf("%s.%s: unknown type %q", typ, name, expression)
			}
		}
	}
	for typ, properties := range refinements {
		for name := range properties {
			if _, ok := schemas()[typ][name]; !ok && schemas()[typ][strings.TrimSuffix(name, "!")] == "" && schemas()[typ][name+"!"] == "" {
				t.Errorf("%s has no %s to refine", typ, name)
			}
		}
	}
}

func FuzzLoad(f *testing.F) {
	data, err := os.ReadFile("testdata/everything.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(data))
	f.Add("Resources: &a\n  X: *a\n")
	f.Add("Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    Properties: !Ref Q\n")
	f.Add("Resources:\n  F: {Type: 'AWS::Serverless::Function', Properties: {Events: {E: {Type: Api, Properties: {RestApiId: [x]}}}}}\n")
	f.Fuzz(func(t *testing.T, text string) {
		cfg := config("t.yaml")
		tmpl, err := load(cfg, []byte(text))
		if (tmpl == nil) == (err == nil) {
			t.Errorf("template %v, error %v", tmpl, err)
		}
	})
}
