package sam

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// identity tells how a resource is called and what Ref and Fn::GetAtt give for
// it. In the texts stand {name}, {partition}, {region}, {account}, {suffix},
// {path} (of an IAM entity), {id} (ten letters and digits) and {uuid}.
type identity struct {
	// name is the property that holds the physical name, if there is one; where
	// it is not set, the name is made of the stack's and the resource's.
	name string

	// ref is empty where what Ref gives cannot be known before the resource
	// exists.
	ref string

	attributes map[string]string
}

// attributes of things that only have an ARN.
func arnOnly(arn string) map[string]string { return map[string]string{"Arn": arn} }

// made are the types of which something exists on one machine.
var made = map[string]identity{
	"AWS::DynamoDB::Table": {name: "TableName", ref: "{name}", attributes: map[string]string{
		"Arn": "arn:{partition}:dynamodb:{region}:{account}:table/{name}",
		// The label is the time when the stream was made.
		"StreamArn": "arn:{partition}:dynamodb:{region}:{account}:table/{name}/stream/1970-01-01T00:00:00.000",
	}},
	"AWS::S3::Bucket": {name: "BucketName", ref: "{name}", attributes: map[string]string{
		"Arn":                 "arn:{partition}:s3:::{name}",
		"DomainName":          "{name}.s3.{suffix}",
		"DualStackDomainName": "{name}.s3.dualstack.{region}.{suffix}",
		"RegionalDomainName":  "{name}.s3.{region}.{suffix}",
	}},
	"AWS::S3::BucketPolicy": {},
	"AWS::SES::EmailIdentity": {
		name: "EmailIdentity", ref: "{name}",
	},
	// A secret's ARN ends in six random characters; Secrets Manager also takes
	// it without.
	"AWS::SecretsManager::Secret": {
		name: "Name", ref: "arn:{partition}:secretsmanager:{region}:{account}:secret:{name}",
		attributes: map[string]string{"Id": "arn:{partition}:secretsmanager:{region}:{account}:secret:{name}"},
	},
	"AWS::SQS::Queue": {name: "QueueName", ref: "{queueurl}", attributes: map[string]string{
		"Arn":       "arn:{partition}:sqs:{region}:{account}:{name}",
		"QueueName": "{name}",
		"QueueUrl":  "{queueurl}",
	}},
	"AWS::SQS::QueueInlinePolicy": {},
	"AWS::SQS::QueuePolicy":       {ref: "{name}"},
	"AWS::Serverless::Api": {ref: "{id}", attributes: map[string]string{
		"RestApiId": "{id}", "RootResourceId": "root{id}",
	}},
	"AWS::Serverless::Function": {
		name: "FunctionName", ref: "{name}",
		attributes: arnOnly("arn:{partition}:lambda:{region}:{account}:function:{name}"),
	},
}

// idle are the types that mean nothing on one machine.
var idle = map[string]identity{
	"AWS::ApiGateway::Account":         {},
	"AWS::ApiGateway::BasePathMapping": {},
	"AWS::ApiGateway::DomainName":      {name: "DomainName", ref: "{name}"},

	"AWS::ApplicationAutoScaling::ScalableTarget": {},
	"AWS::ApplicationAutoScaling::ScalingPolicy":  {},

	"AWS::Backup::BackupPlan":      {ref: "{uuid}", attributes: map[string]string{"BackupPlanId": "{uuid}"}},
	"AWS::Backup::BackupSelection": {},
	"AWS::Backup::BackupVault": {name: "BackupVaultName", ref: "{name}", attributes: map[string]string{
		"BackupVaultArn": "arn:{partition}:backup:{region}:{account}:backup-vault:{name}", "BackupVaultName": "{name}",
	}},

	"AWS::Budgets::Budget":        {},
	"AWS::Budgets::BudgetsAction": {},

	"AWS::CE::AnomalyMonitor": {
		ref:        "arn:{partition}:ce::{account}:anomalymonitor/{uuid}",
		attributes: map[string]string{"MonitorArn": "arn:{partition}:ce::{account}:anomalymonitor/{uuid}"},
	},
	"AWS::CE::AnomalySubscription": {},

	"AWS::CertificateManager::Certificate": {ref: "arn:{partition}:acm:{region}:{account}:certificate/{uuid}"},

	"AWS::CloudFront::CachePolicy": {ref: "{uuid}", attributes: map[string]string{"Id": "{uuid}"}},
	"AWS::CloudFront::CloudFrontOriginAccessIdentity": {
		ref: "E{ID}", attributes: map[string]string{"Id": "E{ID}"},
	},
	"AWS::CloudFront::Distribution": {ref: "E{ID}", attributes: map[string]string{
		"DomainName": "d{id}.cloudfront.net", "Id": "E{ID}",
	}},
	"AWS::CloudFront::Function": {
		name: "Name", ref: "arn:{partition}:cloudfront::{account}:function/{name}",
		attributes: map[string]string{
			"FunctionARN":                  "arn:{partition}:cloudfront::{account}:function/{name}",
			"FunctionMetadata.FunctionARN": "arn:{partition}:cloudfront::{account}:function/{name}",
		},
	},
	"AWS::CloudFront::KeyGroup":               {ref: "{uuid}", attributes: map[string]string{"Id": "{uuid}"}},
	"AWS::CloudFront::MonitoringSubscription": {},
	"AWS::CloudFront::OriginAccessControl":    {ref: "E{ID}", attributes: map[string]string{"Id": "E{ID}"}},
	"AWS::CloudFront::OriginRequestPolicy":    {ref: "{uuid}", attributes: map[string]string{"Id": "{uuid}"}},
	"AWS::CloudFront::PublicKey":              {ref: "K{ID}", attributes: map[string]string{"Id": "K{ID}"}},
	"AWS::CloudFront::RealtimeLogConfig": {
		name: "Name", ref: "arn:{partition}:cloudfront::{account}:realtime-log-config/{name}",
		attributes: arnOnly("arn:{partition}:cloudfront::{account}:realtime-log-config/{name}"),
	},
	"AWS::CloudFront::ResponseHeadersPolicy": {ref: "{uuid}", attributes: map[string]string{"Id": "{uuid}"}},

	"AWS::CloudTrail::Trail": {
		name: "TrailName", ref: "{name}",
		attributes: arnOnly("arn:{partition}:cloudtrail:{region}:{account}:trail/{name}"),
	},

	"AWS::CloudWatch::Alarm": {
		name: "AlarmName", ref: "{name}",
		attributes: arnOnly("arn:{partition}:cloudwatch:{region}:{account}:alarm:{name}"),
	},
	"AWS::CloudWatch::AnomalyDetector": {},
	"AWS::CloudWatch::CompositeAlarm": {
		name: "AlarmName", ref: "{name}",
		attributes: arnOnly("arn:{partition}:cloudwatch:{region}:{account}:alarm:{name}"),
	},
	"AWS::CloudWatch::Dashboard":   {name: "DashboardName", ref: "{name}"},
	"AWS::CloudWatch::InsightRule": {},
	"AWS::CloudWatch::MetricStream": {
		name: "Name", ref: "{name}",
		attributes: arnOnly("arn:{partition}:cloudwatch:{region}:{account}:metric-stream/{name}"),
	},

	"AWS::CodeDeploy::Application":      {name: "ApplicationName", ref: "{name}"},
	"AWS::CodeDeploy::DeploymentConfig": {name: "DeploymentConfigName", ref: "{name}"},
	"AWS::CodeDeploy::DeploymentGroup":  {name: "DeploymentGroupName", ref: "{name}"},

	"AWS::ECR::Repository": {name: "RepositoryName", ref: "{name}", attributes: map[string]string{
		"Arn":           "arn:{partition}:ecr:{region}:{account}:repository/{name}",
		"RepositoryUri": "{account}.dkr.ecr.{region}.{suffix}/{name}",
	}},

	"AWS::IAM::Group": {
		name: "GroupName", ref: "{name}", attributes: arnOnly("arn:{partition}:iam::{account}:group{path}{name}"),
	},
	"AWS::IAM::GroupPolicy": {},
	"AWS::IAM::InstanceProfile": {
		name: "InstanceProfileName", ref: "{name}",
		attributes: arnOnly("arn:{partition}:iam::{account}:instance-profile{path}{name}"),
	},
	"AWS::IAM::ManagedPolicy": {
		name: "ManagedPolicyName", ref: "arn:{partition}:iam::{account}:policy{path}{name}",
		attributes: map[string]string{"PolicyArn": "arn:{partition}:iam::{account}:policy{path}{name}"},
	},
	"AWS::IAM::Policy": {name: "PolicyName", ref: "{name}"},
	"AWS::IAM::Role": {
		name: "RoleName", ref: "{name}", attributes: arnOnly("arn:{partition}:iam::{account}:role{path}{name}"),
	},
	"AWS::IAM::RolePolicy": {},
	"AWS::IAM::User": {
		name: "UserName", ref: "{name}", attributes: arnOnly("arn:{partition}:iam::{account}:user{path}{name}"),
	},
	"AWS::IAM::UserPolicy": {},

	"AWS::KMS::Alias": {name: "AliasName", ref: "{name}"},
	"AWS::KMS::Key": {ref: "{uuid}", attributes: map[string]string{
		"Arn": "arn:{partition}:kms:{region}:{account}:key/{uuid}", "KeyId": "{uuid}",
	}},

	"AWS::Lambda::CodeSigningConfig":      {},
	"AWS::Lambda::LayerVersionPermission": {},
	"AWS::Lambda::Permission":             {},

	"AWS::Logs::AccountPolicy":      {},
	"AWS::Logs::LogAnomalyDetector": {},
	"AWS::Logs::LogGroup": {
		name: "LogGroupName", ref: "{name}",
		attributes: arnOnly("arn:{partition}:logs:{region}:{account}:log-group:{name}:*"),
	},
	"AWS::Logs::LogStream":       {name: "LogStreamName", ref: "{name}"},
	"AWS::Logs::MetricFilter":    {name: "FilterName", ref: "{name}"},
	"AWS::Logs::QueryDefinition": {ref: "{uuid}", attributes: map[string]string{"QueryDefinitionId": "{uuid}"}},
	"AWS::Logs::ResourcePolicy":  {name: "PolicyName", ref: "{name}"},

	"AWS::ResourceGroups::Group": {
		name: "Name", ref: "{name}", attributes: arnOnly("arn:{partition}:resource-groups:{region}:{account}:group/{name}"),
	},

	"AWS::Route53::HealthCheck": {ref: "{uuid}", attributes: map[string]string{"HealthCheckId": "{uuid}"}},
	"AWS::Route53::HostedZone":  {ref: "Z{ID}", attributes: map[string]string{"Id": "Z{ID}"}},
	"AWS::Route53::RecordSet":   {name: "Name", ref: "{name}"},
	"AWS::Route53::RecordSetGroup": {
		ref: "{name}",
	},

	"AWS::SES::ConfigurationSet":                 {name: "Name", ref: "{name}"},
	"AWS::SES::ConfigurationSetEventDestination": {},
	"AWS::SES::DedicatedIpPool":                  {name: "PoolName", ref: "{name}"},
	"AWS::SES::VdmAttributes":                    {},

	"AWS::SNS::Subscription": {},
	"AWS::SNS::Topic": {
		name: "TopicName", ref: "arn:{partition}:sns:{region}:{account}:{name}",
		attributes: map[string]string{
			"TopicArn": "arn:{partition}:sns:{region}:{account}:{name}", "TopicName": "{name}",
		},
	},
	"AWS::SNS::TopicInlinePolicy": {},
	"AWS::SNS::TopicPolicy":       {},

	"AWS::SecretsManager::ResourcePolicy": {},

	// Layers are for the machines that Lambda runs on; here a function finds the
	// same tools in the PATH.
	"AWS::Serverless::LayerVersion": {
		name: "LayerName", ref: "arn:{partition}:lambda:{region}:{account}:layer:{name}:1",
	},

	"AWS::WAFv2::IPSet":                {},
	"AWS::WAFv2::LoggingConfiguration": {},
	"AWS::WAFv2::RegexPatternSet":      {},
	"AWS::WAFv2::WebACL": {
		name:       "Name",
		attributes: arnOnly("arn:{partition}:wafv2:{region}:{account}:regional/webacl/{name}/{uuid}"),
	},
	"AWS::WAFv2::WebACLAssociation": {},

	"AWS::XRay::Group":        {},
	"AWS::XRay::SamplingRule": {},
}

// identityOf gives what is known of a type.
func identityOf(typ string) (identity, bool) {
	if i, ok := made[typ]; ok {
		return i, true
	}
	i, ok := idle[typ]
	return i, ok
}

// CloudFormationTypes lists the types whose properties come from AWS' schemas:
// the resources that are known and those of whose parts SAM's own are made.
func CloudFormationTypes() []string {
	types := []string{
		"AWS::ApiGateway::Stage", "AWS::Lambda::EventSourceMapping", "AWS::Lambda::Function",
	}
	for _, known := range []map[string]identity{made, idle} {
		for name := range maps.Keys(known) {
			if !strings.HasPrefix(name, "AWS::Serverless::") {
				types = append(types, name)
			}
		}
	}
	slices.Sort(types)
	return types
}

// refValue is what Ref gives for a resource.
func (r *resolver) refValue(res *resource, line int) (string, bool) {
	i, known := identityOf(res.typ)
	if !known {
		return "", false // an error already
	}
	if i.ref == "" {
		r.add(line, "what Ref gives for %s (%s) is not known before it exists", res.id, res.typ)
		return "", false
	}
	return r.filled(i.ref, res, line)
}

// attribute is what Fn::GetAtt gives for a resource.
func (r *resolver) attribute(res *resource, name string, line int) (string, bool) {
	i, known := identityOf(res.typ)
	if !known {
		return "", false // an error already
	}
	text, ok := i.attributes[name]
	if !ok {
		r.add(line, "%s (%s) has no attribute %q that is known here", res.id, res.typ, name)
		return "", false
	}
	if name == "StreamArn" && res.properties.get("StreamSpecification") == nil {
		r.add(line, "table %s has no stream", res.id)
		return "", false
	}
	return r.filled(text, res, line)
}

// filled puts the resource's names into a text of an identity.
func (r *resolver) filled(text string, res *resource, line int) (string, bool) {
	name, ok := r.physicalName(res, line)
	if !ok {
		return "", false
	}
	id := r.opaque(res.id)
	return strings.NewReplacer(
		"{name}", name,
		"{partition}", r.cfg.Partition,
		"{region}", r.cfg.Region,
		"{account}", r.cfg.AccountID,
		"{suffix}", r.urlSuffix(),
		"{path}", r.path(res),
		"{queueurl}", r.queueURL(name),
		"{id}", id,
		"{ID}", strings.ToUpper(id),
		"{uuid}", r.uuid(res.id),
	).Replace(text), true
}

func (r *resolver) arn(service, resource string) string {
	return "arn:" + r.cfg.Partition + ":" + service + ":" + r.cfg.Region + ":" + r.cfg.AccountID + ":" + resource
}

func (r *resolver) urlSuffix() string {
	if strings.HasPrefix(r.cfg.Region, "cn-") {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}

func (r *resolver) queueURL(name string) string {
	base := strings.TrimSuffix(r.cfg.QueueBaseURL, "/")
	if base == "" {
		base = "https://sqs." + r.cfg.Region + "." + r.urlSuffix()
	}
	return base + "/" + r.cfg.AccountID + "/" + name
}

// path is the Path of an IAM entity, by default "/".
func (r *resolver) path(res *resource) string {
	if p := res.properties.get("Path"); p != nil && strings.HasPrefix(res.typ, "AWS::IAM::") {
		if v := r.eval(p, scope{owner: res.id, live: r.exists(res)}); v.kind == scalar {
			return v.text
		}
	}
	return "/"
}

// opaque is an identifier such as AWS would have drawn, the same every time.
func (r *resolver) opaque(id string) string {
	sum := sha256.Sum256([]byte(r.cfg.StackName + "/" + id))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:10]
}

func (r *resolver) uuid(id string) string {
	sum := sha256.Sum256([]byte(r.cfg.StackName + "/" + id))
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// nameRules are what the services demand of names.
var nameRules = map[string]*regexp.Regexp{
	"AWS::DynamoDB::Table":      regexp.MustCompile(`^[A-Za-z0-9_.-]{3,255}$`),
	"AWS::S3::Bucket":           regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`),
	"AWS::SQS::Queue":           regexp.MustCompile(`^(?:[A-Za-z0-9_-]{1,80}|[A-Za-z0-9_-]{1,75}\.fifo)$`),
	"AWS::Serverless::Function": regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`),
}

// physicalName gives the resource's name: what the template says or, as
// CloudFormation would, one made of the stack's name and the logical ID. A
// function without FunctionName is called by its logical ID alone.
func (r *resolver) physicalName(res *resource, line int) (string, bool) {
	if res.naming {
		r.add(line, "the name of %s depends on itself", res.id)
		return "", false
	}
	if res.name != "" {
		return res.name, true
	}
	res.naming = true
	defer func() { res.naming = false }()

	name := r.cfg.StackName + "-" + res.id
	switch res.typ {
	case "AWS::S3::Bucket":
		name = strings.ToLower(name)
	case "AWS::Serverless::Function":
		name = res.id
	case "AWS::SQS::Queue":
		if fifo := res.properties.get("FifoQueue"); fifo != nil && isTrue(fifo.text) {
			name += ".fifo"
		}
	}
	i, _ := identityOf(res.typ)
	if p := res.properties.get(i.name); i.name != "" && p != nil {
		v := r.eval(p, scope{owner: res.id, live: r.exists(res)})
		if v.kind == bad {
			return "", false
		}
		if v.kind == scalar && v.text == "" {
			r.add(v.line, "%s is empty", i.name)
			return "", false
		}
		if v.kind == scalar {
			name, line = v.text, v.line
		}
	}
	if rule := nameRules[res.typ]; rule != nil && !rule.MatchString(name) {
		r.add(line, "%q is no name for a resource of type %s", name, res.typ)
		return "", false
	}
	res.name = name
	return name, true
}
