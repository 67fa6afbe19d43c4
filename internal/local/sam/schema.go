package sam

import (
	_ "embed" // the tables of properties
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:generate sh -c "go run ./schemagen \"$CLOUDFORMATION_SCHEMAS\" > cloudformation.new && mv cloudformation.new cloudformation.json"

//go:embed cloudformation.json
var cloudFormationSchema []byte

//go:embed serverless.json
var serverlessSchema []byte

// schemas gives the properties of every type and their types, in the notation
// of the package comment.
var schemas = sync.OnceValue(func() map[string]map[string]string {
	all := map[string]map[string]string{}
	for _, data := range [][]byte{cloudFormationSchema, serverlessSchema} {
		var part map[string]map[string]string
		if err := json.Unmarshal(data, &part); err != nil {
			panic("sam: embedded schema: " + err.Error()) // a test would have failed
		}
		maps.Copy(all, part)
	}
	return all
})

// unsupported is the type expression of what would mean something on one machine
// but is not built.
const unsupported = "unsupported"

// refinements replace what AWS' schemas say. Most are what would mean something
// on one machine but is not built.
var refinements = map[string]map[string]string{
	tableType: {
		"ImportSourceSpecification":  unsupported,
		"KinesisStreamSpecification": unsupported,
		"KeySchema":                  "[]AWS::DynamoDB::Table.KeySchema",
	},
	"AWS::DynamoDB::Table.KeySchema": {"KeyType!": "string(HASH|RANGE)"},
	"AWS::DynamoDB::Table.Projection": {
		"ProjectionType": "string(ALL|INCLUDE|KEYS_ONLY)",
	},
	bucketType: {
		"AccessControl":              "string(Private)",
		"BucketNamePrefix":           unsupported,
		"ObjectLockConfiguration":    unsupported,
		"ObjectLockEnabled":          unsupported,
		"ReplicationConfiguration":   unsupported,
		"WebsiteConfiguration":       unsupported,
		"NotificationConfiguration":  "AWS::S3::Bucket.NotificationConfiguration",
		"MetadataConfiguration":      unsupported,
		"MetadataTableConfiguration": unsupported,
	},
	"AWS::S3::Bucket.NotificationConfiguration": {
		"EventBridgeConfiguration": unsupported,
		"LambdaConfigurations":     unsupported,
		"TopicConfigurations":      unsupported,
	},
	"AWS::SecretsManager::Secret": {
		"SecretString": unsupported,
	},
	"AWS::SecretsManager::Secret.GenerateSecretString": { //nolint:gosec // names of properties
		"GenerateStringKey":    unsupported,
		"PasswordLength":       "integer(1..4096)",
		"SecretStringTemplate": unsupported,
	},
	subscriptionType: {
		// To a function, something would have to happen.
		"Protocol!": "string(application|email|email-json|firehose|http|https|sms|sqs)",
	},
}

// property gives the type expression of a property.
func property(of, name string) (expression string, ok bool) {
	for _, table := range []map[string]string{refinements[of], schemas()[of]} {
		for _, key := range []string{name, name + "!"} {
			if e, found := table[key]; found {
				return e, true
			}
		}
	}
	return "", false
}

// check compares v with a type expression, and gives its scalars the type which
// that says: CloudFormation takes "7" for an integer and 7 for a string. what
// names v.
func (r *resolver) check(expression string, v *node, what string) {
	if v.kind == bad || v.kind == none {
		return
	}
	switch {
	case expression == "json":
	case expression == unsupported:
		r.addf(v.line, "%s is not supported on one machine", what)
	case strings.HasPrefix(expression, "[]"):
		r.checkList(expression[2:], v, what)
	case strings.HasPrefix(expression, "{}"):
		r.checkMap(expression[2:], v, what)
	case strings.HasPrefix(expression, "AWS::"):
		r.checkObject(expression, v, what)
	default:
		r.checkScalar(expression, v, what)
	}
}

func (r *resolver) checkList(element string, v *node, what string) {
	if v.kind != list {
		r.addf(v.line, "%s must be a list, not %s", what, v.what())
		return
	}
	for _, item := range v.items {
		r.check(element, item, what+"[]")
	}
}

func (r *resolver) checkMap(element string, v *node, what string) {
	for _, f := range r.entries(v, what) {
		r.check(element, f.value, what+"."+f.key)
	}
}

func (r *resolver) checkObject(of string, v *node, what string) {
	if v.kind != dict {
		r.addf(v.line, "%s must be a map, not %s", what, v.what())
		return
	}
	for _, f := range v.fields {
		expression, ok := property(of, f.key)
		if !ok {
			r.addf(f.line, "%s has no property %q", what, f.key)
			continue
		}
		if expression == unsupported {
			r.addf(f.line, "%s of %s is not supported on one machine", f.key, what)
			continue
		}
		r.check(expression, f.value, f.key)
	}
	for _, key := range slices.Sorted(maps.Keys(schemas()[of])) {
		if name, required := strings.CutSuffix(key, "!"); required && v.get(name) == nil {
			r.addf(v.line, "%s must have %s", what, name)
		}
	}
}

func (r *resolver) checkScalar(expression string, v *node, what string) {
	kind, limits, _ := strings.Cut(strings.TrimSuffix(expression, ")"), "(")
	article := "a "
	if kind == "integer" {
		article = "an "
	}
	if v.kind != scalar {
		r.addf(v.line, "%s must be %s%s, not %s", what, article, kind, v.what())
		return
	}
	fits := true
	switch kind {
	case "boolean":
		fits = slices.Contains([]string{"true", "false"}, strings.ToLower(v.text)) || v.typ == boolType
		v.typ = boolType
	case "integer", "number":
		fits = r.checkNumber(kind, limits, v, what)
		v.typ = numberType
	default:
		v.typ = textType
		if limits != "" && !slices.Contains(strings.Split(limits, "|"), v.text) {
			r.addf(v.line, "%s must be one of %s, not %q", what, strings.ReplaceAll(limits, "|", ", "), v.text)
		}
	}
	if !fits {
		r.addf(v.line, "%s must be %s%s, not %s", what, article, kind, v.what())
		v.kind = bad
	}
}

func (r *resolver) checkNumber(kind, limits string, v *node, what string) bool {
	n, err := strconv.ParseFloat(v.text, 64)
	if err == nil && kind == "integer" {
		_, err = strconv.ParseInt(v.text, 10, 64)
	}
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return false
	}
	low, high, _ := strings.Cut(limits, "..")
	if limit, err := strconv.ParseFloat(low, 64); err == nil && n < limit {
		r.addf(v.line, "%s must be at least %s, not %s", what, low, v.text)
	}
	if limit, err := strconv.ParseFloat(high, 64); err == nil && n > limit {
		r.addf(v.line, "%s must be at most %s, not %s", what, high, v.text)
	}
	return true
}
