package sam_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// reach says what each service may do to what, in a stack that is called S. Tables are
// its own alone, buckets are shared by prefix. Actions are further narrowed to those
// that the service's packages say they need.
var reach = map[string]map[string]string{
	"auth": {
		table("auth"):                     "dynamodb:*",
		queue("notification"):             "sqs:SendMessage",
		queue("video-events"):             "sqs:SendMessage",
		queue("control"):                  "sqs:SendMessage",
		queue("status"):                   "sqs:SendMessage",
		secret("signing"):                 "secretsmanager:GetSecretValue",
		secret("mail-codes"):              "secretsmanager:GetSecretValue",
		bucket("archives") + "/exports/*": "s3:GetObject s3:PutObject s3:DeleteObject",
		bucket("archives") + ` if {"StringLike":{"s3:prefix":"exports/*"}}`: "s3:ListBucket",
	},
	"video": {
		table("video"):                               "dynamodb:*",
		table("video") + "/index/*":                  "dynamodb:*",
		queue("status"):                              "sqs:SendMessage",
		queue("processing"):                          "sqs:SendMessage",
		queue("control"):                             "sqs:SendMessage",
		queue("video-events"):                        "sqs:SendMessage",
		bucket("uploads"):                            "s3:ListBucket s3:ListBucketMultipartUploads",
		bucket("uploads") + "/*":                     "s3:PutObject s3:GetObject s3:DeleteObject s3:AbortMultipartUpload s3:ListMultipartUploadParts",
		bucket("archives") + "/exports/*/video.json": "s3:PutObject",
	},
	"processing": {
		table("processing"):                               "dynamodb:*",
		table("processing") + "/index/*":                  "dynamodb:*",
		queue("status"):                                   "sqs:SendMessage",
		queue("notification"):                             "sqs:SendMessage",
		queue("video-events"):                             "sqs:SendMessage",
		queue("control"):                                  "sqs:SendMessage",
		queue("processing"):                               "sqs:ChangeMessageVisibility",
		queue("segments"):                                 "sqs:ChangeMessageVisibility sqs:SendMessage",
		bucket("uploads"):                                 "s3:ListBucket",
		bucket("uploads") + "/*":                          "s3:GetObject s3:DeleteObject",
		bucket("archives"):                                "s3:ListBucket s3:ListBucketMultipartUploads",
		bucket("archives") + "/" + person + "/*":          "s3:GetObject s3:PutObject s3:DeleteObject s3:AbortMultipartUpload",
		bucket("archives") + "/exports/*/processing.json": "s3:PutObject",
	},
	"status": {
		table("status"):              "dynamodb:*",
		table("status") + "/index/*": "dynamodb:*",
		table("status") + ` if {"ForAllValues:StringLike":{"dynamodb:LeadingKeys":["queries#*"]}}`: "dynamodb:UpdateItem",
		queue("status"):                               "sqs:SendMessage",
		queue("video-events"):                         "sqs:SendMessage",
		queue("control"):                              "sqs:SendMessage",
		bucket("archives"):                            "s3:ListBucket",
		bucket("archives") + "/" + person + "/*":      "s3:GetObject",
		bucket("archives") + "/exports/*/status.json": "s3:PutObject",
	},
	"notification": {
		table("notification"): "dynamodb:*",
		secret("mail-codes"):  "secretsmanager:GetSecretValue",
		secret("unsubscribe"): "secretsmanager:GetSecretValue",
		secret("webhook"):     "secretsmanager:GetSecretValue",
		queue("notification"): "sqs:SendMessage sqs:ChangeMessageVisibility",
		queue("webhook"):      "sqs:SendMessage sqs:ChangeMessageVisibility",
		bucket("archives") + "/exports/*/notification.json": "s3:PutObject",
		"arn:aws:ses:us-east-1:123456789012:configuration-set/S-mail" +
			` if {"StringLike":{"ses:FromAddress":[{"Ref":"MailIdentity"},{"Fn::Sub":"*@${MailIdentity}"}]}}`: "ses:SendRawEmail",
		"arn:aws:ses:us-east-1:123456789012:identity/*" +
			` if {"StringLike":{"ses:FromAddress":[{"Ref":"MailIdentity"},{"Fn::Sub":"*@${MailIdentity}"}]}}`: "ses:SendRawEmail",
	},
}

// person is the ID of somebody, as IAM's patterns have it: people's archives lie under
// it, and what they have exported does not.
const person = "????????-????-????-????-????????????"

func table(name string) string  { return "arn:aws:dynamodb:us-east-1:123456789012:table/S-" + name }
func queue(name string) string  { return "arn:aws:sqs:us-east-1:123456789012:S-" + name }
func bucket(name string) string { return "arn:aws:s3:::S-" + name + "-123456789012-us-east-1" }
func secret(name string) string {
	return "arn:aws:secretsmanager:us-east-1:123456789012:secret:S/" + name
}

// AWS' own policies, which SAM gives to functions by itself, name no resources. X-Ray
// knows none. A log group may be written to, not read. That of queues is narrowed to
// the function's own by a denial, which must stand beside.
const (
	writesLogs   = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
	writesTraces = "arn:aws:iam::aws:policy/AWSXrayWriteOnlyAccess"
	readsQueues  = "arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole"
)

// statement is one of an IAM policy.
type statement struct {
	Effect      string         `json:"Effect"`
	Principal   any            `json:"Principal"`
	Action      any            `json:"Action"`
	NotAction   any            `json:"NotAction"`
	Resource    any            `json:"Resource"`
	NotResource any            `json:"NotResource"`
	Condition   map[string]any `json:"Condition"`
}

type document struct {
	Statement []statement `json:"Statement"`
}

// function is one Lambda with all that its role allows and denies.
type function struct {
	name, service string
	managed       []string
	statements    []statement
	reads         []string // ARNs of the queues that it is called with messages of
	trusts        string
}

func TestEachFunctionMayDoWhatItMustAndNoMore(t *testing.T) {
	stack := translated(t)
	all := functions(t, stack)
	needs := needed(t)
	if len(all) < 13 {
		t.Errorf("only %d functions", len(all))
	}
	for _, f := range all {
		wrong := slices.Concat(f.overreach(stack), f.foreignQueues(stack), f.undocumented(stack, needs[f.service]))
		if f.trusts != `{"Service":["lambda.amazonaws.com"]}` {
			wrong = append(wrong, "its role is for "+f.trusts)
		}
		for _, w := range wrong {
			t.Errorf("%s: %s", f.name, w)
		}
	}
}

// What the test above is for: a policy that is too wide is found.
func TestAPolicyThatIsTooWideIsFound(t *testing.T) {
	stack := translated(t)
	all := functions(t, stack)
	needs := needed(t)
	for _, c := range []struct {
		name     string
		function string
		add      statement
	}{
		{"another service's table", "VideoFunction", allow("dynamodb:GetItem", getArn("AuthTable"))},
		{"every table", "VideoFunction", allow("dynamodb:GetItem", "*")},
		{"its own table, but any action", "VideoFunction", allow("dynamodb:*", getArn("VideoTable"))},
		{"an action that no package asks for", "VideoFunction", allow("dynamodb:PartiQLSelect", getArn("VideoTable"))},
		{"another's queue", "NotifyFunction", allow("sqs:SendMessage", getArn("StatusQueue"))},
		{"more than sending", "AuthFunction", allow("sqs:ReceiveMessage", getArn("StatusQueue"))},
		{"people's exports", "StatusFunction", allow("s3:GetObject", map[string]any{"Fn::Sub": "${ArchivesBucket.Arn}/*"})},
		{"another's secret", "NotifyFunction", allow("secretsmanager:GetSecretValue", map[string]any{"Ref": "SigningSecret"})},
		{"mail as anybody", "NotifyFunction", allow("ses:SendRawEmail", map[string]any{"Fn::Sub": "arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/*"})},
		{"all but something", "VideoFunction", statement{Effect: "Allow", Action: "dynamodb:GetItem", NotResource: "arn:aws:sqs:*"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := named(t, all, c.function)
			f.statements = append(slices.Clone(f.statements), c.add)
			if len(f.overreach(stack))+len(f.undocumented(stack, needs[f.service])) == 0 {
				t.Error("nobody noticed")
			}
		})
	}
	t.Run("every queue", func(t *testing.T) {
		f := named(t, all, "ProjectorFunction")
		f.statements = f.allowed()
		if len(f.foreignQueues(stack)) == 0 {
			t.Error("nobody noticed")
		}
	})
	t.Run("AWS' own policy", func(t *testing.T) {
		f := named(t, all, "StatusFunction")
		f.managed = append(slices.Clone(f.managed), "arn:aws:iam::aws:policy/AmazonS3FullAccess")
		if len(f.overreach(stack)) == 0 {
			t.Error("nobody noticed")
		}
	})
}

func allow(action string, resource any) statement {
	return statement{Effect: "Allow", Action: action, Resource: resource}
}

func getArn(id string) map[string]any {
	return map[string]any{"Fn::GetAtt": []any{id, "Arn"}}
}

func named(t *testing.T, all []function, name string) function {
	t.Helper()
	i := slices.IndexFunc(all, func(f function) bool { return f.name == name })
	if i < 0 {
		t.Fatalf("there is no %s", name)
	}
	return all[i]
}

// overreach tells what f is allowed beside what its service owns.
func (f function) overreach(stack template) []string {
	var wrong []string
	for _, arn := range f.managed {
		if !slices.Contains([]string{writesLogs, writesTraces, readsQueues}, arn) {
			wrong = append(wrong, "has AWS' policy "+arn)
		}
	}
	for _, s := range f.allowed() {
		if s.Resource == nil || s.NotAction != nil {
			wrong = append(wrong, fmt.Sprintf("may do all but something: %+v", s))
		}
		for _, resource := range listed(s.Resource) {
			at := stack.text(resource) + condition(s)
			for _, action := range listed(s.Action) {
				if !permits(reach[f.service][at], action.(string)) {
					wrong = append(wrong, fmt.Sprintf("may %s %s", action, at))
				}
			}
		}
	}
	return wrong
}

// foreignQueues tells which queues f may take messages from that it is not called with.
// SAM lets it take them from all, so that a denial for all but its own must stand beside.
func (f function) foreignQueues(stack template) []string {
	if !slices.Contains(f.managed, readsQueues) {
		return nil
	}
	denied := map[string][]string{}
	for _, s := range f.statements {
		if s.Effect == "Deny" && s.Condition == nil && s.NotResource != nil {
			for _, action := range listed(s.Action) {
				denied[action.(string)] = stack.texts(s.NotResource)
			}
		}
	}
	var wrong []string
	for _, action := range []string{"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"} {
		if own := denied[action]; len(own) == 0 || !slices.Equal(own, f.reads) {
			wrong = append(wrong, fmt.Sprintf("may %s of others than %v: the denial leaves %v", action, f.reads, own))
		}
	}
	return wrong
}

// undocumented tells which actions f may take that no doc comment of its packages has.
func (f function) undocumented(stack template, needs map[string]bool) []string {
	var wrong []string
	for _, s := range f.allowed() {
		for _, action := range listed(s.Action) {
			if !needs[action.(string)] {
				wrong = append(wrong, fmt.Sprintf("may %s %v, which no \"IAM:\" of its packages asks for", action, stack.texts(s.Resource)))
			}
		}
	}
	return wrong
}

func (f function) allowed() []statement {
	return slices.DeleteFunc(slices.Clone(f.statements), func(s statement) bool { return s.Effect != "Allow" })
}

// permits tells whether action is one of a list such as "s3:GetObject dynamodb:*".
func permits(list, action string) bool {
	for may := range strings.FieldsSeq(list) {
		all, wild := strings.CutSuffix(may, "*")
		if may == action || wild && strings.HasPrefix(action, all) && !strings.Contains(action, "*") {
			return true
		}
	}
	return false
}

func condition(s statement) string {
	if s.Condition == nil {
		return ""
	}
	out, _ := json.Marshal(s.Condition)
	return " if " + string(out)
}

// listed gives what policies have once or in a list.
func listed(value any) []any {
	switch v := value.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{value}
}

func (m template) texts(value any) []string {
	var out []string
	for _, v := range listed(value) {
		out = append(out, m.text(v))
	}
	slices.Sort(out)
	return out
}

// functions gives all of the stack with their roles, sorted by name.
func functions(t *testing.T, stack template) []function {
	t.Helper()
	services := serviceOf(t)
	var all []function
	for _, name := range slices.Sorted(maps.Keys(stack.Resources)) {
		if stack.Resources[name].Type != "AWS::Lambda::Function" {
			continue
		}
		f := function{name: name, service: services[stack.Resources[name].folder()]}
		if reach[f.service] == nil {
			t.Errorf("%s: its service %q is not in the table", name, f.service)
		}
		f.role(t, stack, stack.Resources[name+"Role"])
		f.sources(stack)
		all = append(all, f)
	}
	return all
}

// role reads what IAM is told of f.
func (f *function) role(t *testing.T, stack template, role resource) {
	t.Helper()
	var made struct {
		AssumeRolePolicyDocument document `json:"AssumeRolePolicyDocument"`
		ManagedPolicyArns        []any    `json:"ManagedPolicyArns"`
		Policies                 []struct {
			PolicyDocument document `json:"PolicyDocument"`
		} `json:"Policies"`
	}
	raw, err := json.Marshal(role.Properties)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &made); err != nil {
		t.Fatalf("%s: %v", f.name, err)
	}
	for _, s := range made.AssumeRolePolicyDocument.Statement {
		trusts, _ := json.Marshal(s.Principal)
		f.trusts += string(trusts)
	}
	f.managed = stack.texts(made.ManagedPolicyArns)
	for _, p := range made.Policies {
		f.statements = append(f.statements, p.PolicyDocument.Statement...)
	}
}

func (f *function) sources(stack template) {
	for _, r := range stack.Resources {
		to, _ := r.Properties["FunctionName"].(map[string]any)
		if r.Type == "AWS::Lambda::EventSourceMapping" && to["Ref"] == f.name {
			f.reads = append(f.reads, stack.text(r.Properties["EventSourceArn"]))
		}
	}
	slices.Sort(f.reads)
}
