// Package sam_test checks what AWS' own translator makes of template.yaml: the roles,
// policies and aliases that stand in no file of this repository.
package sam_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// python has aws-sam-translator; `make sam` installs it.
const python = "../../build/sam/bin/python"

// template is a CloudFormation template.
type template struct {
	Resources map[string]resource `json:"Resources"`
}

type resource struct {
	Type       string         `json:"Type"`
	Properties map[string]any `json:"Properties"`
	Update     map[string]any `json:"UpdatePolicy"`
}

// translated is template.yaml as CloudFormation gets it, with parameters such as
// "Canary=true".
func translated(t *testing.T, parameters ...string) template {
	t.Helper()
	if _, err := os.Stat(python); errors.Is(err, os.ErrNotExist) {
		t.Fatal("AWS' translator is not installed: run make sam")
	}
	var stderr bytes.Buffer
	command := exec.CommandContext(t.Context(), python, append([]string{"translate.py", "../../template.yaml"}, parameters...)...)
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	var made template
	if err := json.Unmarshal(out, &made); err != nil {
		t.Fatal(err)
	}
	return made
}

// pseudo are what CloudFormation knows of where it is.
var pseudo = map[string]string{
	"AWS::Partition": "aws", "AWS::Region": "us-east-1", "AWS::AccountId": "123456789012",
	"AWS::StackName": "S", "AWS::URLSuffix": "amazonaws.com",
}

var placeholder = regexp.MustCompile(`\$\{([A-Za-z0-9:.]+)\}`)

// text gives the string that an intrinsic function stands for, such as
// {"Fn::GetAtt": ["AuthTable", "Arn"]}. What is only known in an account, as the value
// of a parameter, stays there as "${Name}".
func (m template) text(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case map[string]any:
		if name, ok := v["Ref"].(string); ok {
			return m.reference(name)
		}
		if parts, ok := v["Fn::GetAtt"].([]any); ok && len(parts) == 2 && parts[1] == "Arn" {
			return m.arn(parts[0].(string))
		}
		if pattern, ok := v["Fn::Sub"].(string); ok {
			return placeholder.ReplaceAllStringFunc(pattern, func(found string) string {
				name := placeholder.FindStringSubmatch(found)[1]
				if id, ok := strings.CutSuffix(name, ".Arn"); ok {
					return m.arn(id)
				}
				return m.reference(name)
			})
		}
	}
	out, _ := json.Marshal(value)
	return string(out)
}

func (m template) reference(name string) string {
	if value, ok := pseudo[name]; ok {
		return value
	}
	if m.Resources[name].Type == "AWS::SecretsManager::Secret" {
		return m.arn(name) // its Ref is its ARN
	}
	return "${" + name + "}"
}

func (m template) arn(id string) string {
	properties := m.Resources[id].Properties
	switch m.Resources[id].Type {
	case "AWS::DynamoDB::Table":
		return "arn:aws:dynamodb:us-east-1:123456789012:table/" + m.text(properties["TableName"])
	case "AWS::SQS::Queue":
		return "arn:aws:sqs:us-east-1:123456789012:" + m.text(properties["QueueName"])
	case "AWS::S3::Bucket":
		return "arn:aws:s3:::" + m.text(properties["BucketName"])
	case "AWS::SecretsManager::Secret":
		return "arn:aws:secretsmanager:us-east-1:123456789012:secret:" + m.text(properties["Name"])
	}
	return "${" + id + ".Arn}"
}

// folder is where a function's code is, such as "functions/video".
func (r resource) folder() string {
	code, _ := r.Properties["Code"].(map[string]any)
	if key, ok := code["S3Key"].(string); ok {
		return key
	}
	image, _ := code["ImageUri"].(string)
	_, path, _ := strings.Cut(strings.TrimSuffix(image, ":built"), "/")
	return filepath.ToSlash(path)
}
