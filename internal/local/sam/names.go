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

const (
	byName = "{name}"
	byUUID = "{uuid}"
	byID   = "E{ID}" // CloudFront's

	nameProperty = "Name"

	bucketType = "AWS::S3::Bucket"
	queueType  = "AWS::SQS::Queue"
	tableType  = "AWS::DynamoDB::Table"

	topicType        = "AWS::SNS::Topic"
	subscriptionType = "AWS::SNS::Subscription"
	setType          = "AWS::SES::ConfigurationSet"
	destinationType  = "AWS::SES::ConfigurationSetEventDestination"
)

// attributes of things that only have an ARN.
func arnOnly(arn string) map[string]string { return map[string]string{"Arn": arn} }

// made are the types of which something exists on one machine.
var made = map[string]identity{
	tableType: {name: "TableName", ref: byName, attributes: map[string]string{
		"Arn": "arn:{partition}:dynamodb:{region}:{account}:table/{name}",
		// The label is the time when the stream was made.
		"StreamArn": "arn:{partition}:dynamodb:{region}:{account}:table/{name}/stream/1970-01-01T00:00:00.000",
	}},
	bucketType: {name: "BucketName", ref: byName, attributes: map[string]string{
		"Arn":                 "arn:{partition}:s3:::{name}",
		"DomainName":          "{name}.s3.{suffix}",
		"DualStackDomainName": "{name}.s3.dualstack.{region}.{suffix}",
		"RegionalDomainName":  "{name}.s3.{region}.{suffix}",
	}},
	"AWS::S3::BucketPolicy": {},
	setType:                 {name: nameProperty, ref: byName},
	destinationType:         {},
	"AWS::SES::EmailIdentity": {
		name: "EmailIdentity", ref: byName,
	},
	// A secret's ARN ends in six random characters; Secrets Manager also takes
	// it without.
	"AWS::SecretsManager::Secret": {
		name: nameProperty, ref: "arn:{partition}:secretsmanager:{region}:{account}:secret:{name}",
		attributes: map[string]string{"Id": "arn:{partition}:secretsmanager:{region}:{account}:secret:{name}"},
	},
	topicType: {
		name: "TopicName", ref: "arn:{partition}:sns:{region}:{account}:{name}",
		attributes: map[string]string{
			"TopicArn": "arn:{partition}:sns:{region}:{account}:{name}", "TopicName": byName,
		},
	},
	subscriptionType: {},
	queueType: {name: "QueueName", ref: "{queueurl}", attributes: map[string]string{
		"Arn":       "arn:{partition}:sqs:{region}:{account}:{name}",
		"QueueName": byName,
		"QueueUrl":  "{queueurl}",
	}},
	"AWS::SQS::QueueInlinePolicy": {},
	"AWS::SQS::QueuePolicy":       {ref: byName},
	"AWS::Serverless::Api": {ref: "{id}", attributes: map[string]string{
		"RestApiId": "{id}", "RootResourceId": "root{id}",
	}},
	"AWS::Serverless::Function": {
		name: "FunctionName", ref: byName,
		attributes: arnOnly("arn:{partition}:lambda:{region}:{account}:function:{name}"),
	},
}

// idle are the types that mean nothing on one machine.
var idle = map[string]identity{
	"AWS::ApiGateway::Account":         {},
	"AWS::ApiGateway::BasePathMapping": {},
	"AWS::ApiGateway::DomainName":      {name: "DomainName", ref: byName},

	"AWS::ApplicationAutoScaling::ScalableTarget": {},
	"AWS::ApplicationAutoScaling::ScalingPolicy":  {},

	"AWS::Backup::BackupPlan":      {ref: byUUID, attributes: map[string]string{"BackupPlanId": byUUID}},
	"AWS::Backup::BackupSelection": {},
	"AWS::Backup::BackupVault": {name: "BackupVaultName", ref: byName, attributes: map[string]string{
		"BackupVaultArn": "arn:{partition}:backup:{region}:{account}:backup-vault:{name}", "BackupVaultName": byName,
	}},

	"AWS::Budgets::Budget":        {},
	"AWS::Budgets::BudgetsAction": {},

	"AWS::CE::AnomalyMonitor": {
		ref:        "arn:{partition}:ce::{account}:anomalymonitor/{uuid}",
		attributes: map[string]string{"MonitorArn": "arn:{partition}:ce::{account}:anomalymonitor/{uuid}"},
	},
	"AWS::CE::AnomalySubscription": {},

	"AWS::CertificateManager::Certificate": {ref: "arn:{partition}:acm:{region}:{account}:certificate/{uuid}"},

	"AWS::CloudFront::CachePolicy": {ref: byUUID, attributes: map[string]string{"Id": byUUID}},
	"AWS::CloudFront::CloudFrontOriginAccessIdentity": {
		ref: byID, attributes: map[string]string{"Id": byID},
	},
	"AWS::CloudFront::Distribution": {ref: byID, attributes: map[string]string{
		"DomainName": "d{id}.cloudfront.net", "Id": byID,
	}},
	"AWS::CloudFront::Function": {
		name: nameProperty, ref: "arn:{partition}:cloudfront::{account}:function/{name}",
		attributes: map[string]string{
			"FunctionARN":                  "arn:{partition}:cloudfront::{account}:function/{name}",
			"FunctionMetadata.FunctionARN": "arn:{partition}:cloudfront::{account}:function/{name}",
		},
	},
	"AWS::CloudFront::KeyGroup":               {ref: byUUID, attributes: map[string]string{"Id": byUUID}},
	"AWS::CloudFront::MonitoringSubscription": {},
	"AWS::CloudFront::OriginAccessControl":    {ref: byID, attributes: map[string]string{"Id": byID}},
	"AWS::CloudFront::OriginRequestPolicy":    {ref: byUUID, attributes: map[string]string{"Id": byUUID}},
	"AWS::CloudFront::PublicKey":              {ref: "K{ID}", attributes: map[string]string{"Id": "K{ID}"}},
	"AWS::CloudFront::RealtimeLogConfig": {
		name: nameProperty, ref: "arn:{partition}:cloudfront::{account}:realtime-log-config/{name}",
		attributes: arnOnly("arn:{partition}:cloudfront::{account}:realtime-log-config/{name}"),
	},
	"AWS::CloudFront::ResponseHeadersPolicy": {ref: byUUID, attributes: map[string]string{"Id": byUUID}},

	"AWS::CloudTrail::Trail": {
		name: "TrailName", ref: byName,
		attributes: arnOnly("arn:{partition}:cloudtrail:{region}:{account}:trail/{name}"),
	},

	"AWS::CloudWatch::Alarm": {
		name: "AlarmName", ref: byName,
		attributes: arnOnly("arn:{partition}:cloudwatch:{region}:{account}:alarm:{name}"),
	},
	"AWS::CloudWatch::AnomalyDetector": {},
	"AWS::CloudWatch::CompositeAlarm": {
		name: "AlarmName", ref: byName,
		attributes: arnOnly("arn:{partition}:cloudwatch:{region}:{account}:alarm:{name}"),
	},
	"AWS::CloudWatch::Dashboard":   {name: "DashboardName", ref: byName},
	"AWS::CloudWatch::InsightRule": {},
	"AWS::CloudWatch::MetricStream": {
		name: nameProperty, ref: byName,
		attributes: arnOnly("arn:{partition}:cloudwatch:{region}:{account}:metric-stream/{name}"),
	},

	"AWS::CodeDeploy::Application":      {name: "ApplicationName", ref: byName},
	"AWS::CodeDeploy::DeploymentConfig": {name: "DeploymentConfigName", ref: byName},
	"AWS::CodeDeploy::DeploymentGroup":  {name: "DeploymentGroupName", ref: byName},

	"AWS::ECR::Repository": {name: "RepositoryName", ref: byName, attributes: map[string]string{
		"Arn":           "arn:{partition}:ecr:{region}:{account}:repository/{name}",
		"RepositoryUri": "{account}.dkr.ecr.{region}.{suffix}/{name}",
	}},

	"AWS::IAM::Group": {
		name: "GroupName", ref: byName, attributes: arnOnly("arn:{partition}:iam::{account}:group{path}{name}"),
	},
	"AWS::IAM::GroupPolicy": {},
	"AWS::IAM::InstanceProfile": {
		name: "InstanceProfileName", ref: byName,
		attributes: arnOnly("arn:{partition}:iam::{account}:instance-profile{path}{name}"),
	},
	"AWS::IAM::ManagedPolicy": {
		name: "ManagedPolicyName", ref: "arn:{partition}:iam::{account}:policy{path}{name}",
		attributes: map[string]string{"PolicyArn": "arn:{partition}:iam::{account}:policy{path}{name}"},
	},
	"AWS::IAM::Policy": {name: "PolicyName", ref: byName},
	"AWS::IAM::Role": {
		name: "RoleName", ref: byName, attributes: arnOnly("arn:{partition}:iam::{account}:role{path}{name}"),
	},
	"AWS::IAM::RolePolicy": {},
	"AWS::IAM::User": {
		name: "UserName", ref: byName, attributes: arnOnly("arn:{partition}:iam::{account}:user{path}{name}"),
	},
	"AWS::IAM::UserPolicy": {},

	"AWS::KMS::Alias": {name: "AliasName", ref: byName},
	"AWS::KMS::Key": {ref: byUUID, attributes: map[string]string{
		"Arn": "arn:{partition}:kms:{region}:{account}:key/{uuid}", "KeyId": byUUID,
	}},

	"AWS::Lambda::CodeSigningConfig":      {},
	"AWS::Lambda::LayerVersionPermission": {},
	"AWS::Lambda::Permission":             {},

	"AWS::Logs::AccountPolicy":      {},
	"AWS::Logs::LogAnomalyDetector": {},
	"AWS::Logs::LogGroup": {
		name: "LogGroupName", ref: byName,
		attributes: arnOnly("arn:{partition}:logs:{region}:{account}:log-group:{name}:*"),
	},
	"AWS::Logs::LogStream":       {name: "LogStreamName", ref: byName},
	"AWS::Logs::MetricFilter":    {name: "FilterName", ref: byName},
	"AWS::Logs::QueryDefinition": {ref: byUUID, attributes: map[string]string{"QueryDefinitionId": byUUID}},
	"AWS::Logs::ResourcePolicy":  {name: "PolicyName", ref: byName},

	"AWS::ResourceGroups::Group": {
		name: nameProperty, ref: byName, attributes: arnOnly("arn:{partition}:resource-groups:{region}:{account}:group/{name}"),
	},

	"AWS::Route53::HealthCheck": {ref: byUUID, attributes: map[string]string{"HealthCheckId": byUUID}},
	"AWS::Route53::HostedZone":  {ref: "Z{ID}", attributes: map[string]string{"Id": "Z{ID}"}},
	"AWS::Route53::RecordSet":   {name: nameProperty, ref: byName},
	"AWS::Route53::RecordSetGroup": {
		ref: byName,
	},

	"AWS::SES::DedicatedIpPool": {name: "PoolName", ref: byName},
	"AWS::SES::VdmAttributes":   {},

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
		name:       nameProperty,
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
		r.addf(line, "what Ref gives for %s (%s) is not known before it exists", res.id, res.typ)
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
		r.addf(line, "%s (%s) has no attribute %q that is known here", res.id, res.typ, name)
		return "", false
	}
	if name == "StreamArn" && res.properties.get("StreamSpecification") == nil {
		r.addf(line, "table %s has no stream", res.id)
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
		byName, name,
		"{partition}", r.cfg.Partition,
		"{region}", r.cfg.Region,
		"{account}", r.cfg.AccountID,
		"{suffix}", r.urlSuffix(),
		"{path}", r.path(res),
		"{queueurl}", r.queueURL(name),
		"{id}", id,
		"{ID}", strings.ToUpper(id),
		byUUID, r.uuid(res.id),
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
	tableType:                   regexp.MustCompile(`^[A-Za-z0-9_.-]{3,255}$`),
	bucketType:                  regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`),
	queueType:                   regexp.MustCompile(`^(?:[A-Za-z0-9_-]{1,80}|[A-Za-z0-9_-]{1,75}\.fifo)$`),
	"AWS::Serverless::Function": regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`),
}

// physicalName gives the resource's name: what the template says or, as
// CloudFormation would, one made of the stack's name and the logical ID. A
// function without FunctionName is called by its logical ID alone.
func (r *resolver) physicalName(res *resource, line int) (string, bool) {
	if res.naming {
		r.addf(line, "the name of %s depends on itself", res.id)
		return "", false
	}
	if res.name != "" {
		return res.name, true
	}
	res.naming = true
	defer func() { res.naming = false }()

	name := r.cfg.StackName + "-" + res.id
	switch res.typ {
	case bucketType:
		name = strings.ToLower(name)
	case "AWS::Serverless::Function":
		name = res.id
	case queueType:
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
			r.addf(v.line, "%s is empty", i.name)
			return "", false
		}
		if v.kind == scalar {
			name, line = v.text, v.line
		}
	}
	if rule := nameRules[res.typ]; rule != nil && !rule.MatchString(name) {
		r.addf(line, "%q is no name for a resource of type %s", name, res.typ)
		return "", false
	}
	res.name = name
	return name, true
}
