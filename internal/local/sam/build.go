package sam

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// builder turns resources into what Template holds.
type builder struct {
	*resolver

	t *Template

	// These find resources by what Ref and Fn::GetAtt gave for them.
	functionByARN map[string]string // logical IDs
	apiByID       map[string]*API

	// physical names that are taken, by type and name.
	names map[string]string
}

// properties is a resource's or event's map of properties after resolution.
type properties struct{ *node }

func (p properties) text(key string) string {
	if v := p.get(key); v != nil && v.kind == scalar {
		return v.text
	}
	return ""
}

func (p properties) lineOf(key string) int {
	if v := p.get(key); v != nil {
		return v.line
	}
	return p.line
}

// integer gives a checked integer, or the default.
func (p properties) integer(key string, otherwise int) int {
	if n, err := strconv.Atoi(p.text(key)); err == nil {
		return n
	}
	return otherwise
}

// boolean gives a checked boolean, or the default.
func (p properties) boolean(key string, otherwise bool) bool {
	if v := p.get(key); v != nil && v.kind == scalar {
		return isTrue(v.text)
	}
	return otherwise
}

// texts gives a checked list of strings.
func (p properties) texts(key string) []string {
	v := p.get(key)
	if v == nil || v.kind != list {
		return nil
	}
	out := make([]string, 0, len(v.items))
	for _, item := range v.items {
		out = append(out, item.text)
	}
	return out
}

func (p properties) object(key string) properties { return properties{p.get(key)} }

// has tells whether the property is there.
func (p properties) has(key string) bool { return p.get(key) != nil }

func (b *builder) build() {
	b.functionByARN = map[string]string{}
	b.apiByID = map[string]*API{}
	b.names = map[string]string{}

	resolved := map[string]properties{}
	for _, res := range b.order {
		resolved[res.id] = b.resolve(res)
	}
	// A resource that another one names by its ARN, URL or ID comes before it.
	stages := [][]string{
		{tableType, bucketType, "AWS::SES::EmailIdentity", setType, topicType, queueType, "AWS::SecretsManager::Secret", functionType},
		{"AWS::S3::BucketPolicy", "AWS::SQS::QueueInlinePolicy", "AWS::SQS::QueuePolicy", subscriptionType, destinationType, apiType},
	}
	for _, types := range stages {
		for _, typ := range types {
			for _, res := range b.order {
				if res.typ == typ && b.exists(res) && resolved[res.id].node != nil {
					b.resource(res, resolved[res.id])
				}
			}
		}
	}
	b.events(resolved)
	b.finishAPIs()
}

// resolve works out the properties of a resource and checks them against its
// type; the node is nil where that is hopeless.
func (b *builder) resolve(res *resource) properties {
	if _, known := identityOf(res.typ); !known || res.properties.kind == bad {
		return properties{}
	}
	s := scope{owner: res.id, live: b.exists(res)}
	if _, _, isCall := res.properties.intrinsic(); isCall || res.properties.kind != dict {
		b.addf(res.properties.line, "Properties must be a map, not %s", res.properties.what())
		return properties{}
	}
	out := &node{kind: dict, line: res.line}
	for _, f := range res.properties.fields {
		if v := b.eval(f.value, b.scopeOf(res, f.key, s)); v.kind != none {
			out.fields = append(out.fields, field{key: f.key, line: f.line, value: v})
		}
	}
	b.checkObject(res.typ, out, res.typ)
	return properties{out}
}

// scopeOf tells to which of the resources that SAM makes out of a function one
// of its properties belongs: its policies to the role, its events to resources
// of their own, how it is deployed to CodeDeploy's group. Nothing refers to those, so
// they close no circle.
func (b *builder) scopeOf(res *resource, property string, s scope) scope {
	if res.typ != functionType {
		return s
	}
	switch property {
	case "Policies", "AssumeRolePolicyDocument", "PermissionsBoundary":
		b.edge(s, res.id+"Role", res.line)
		s.owner = res.id + "Role"
	case "Events":
		s.owner = res.id + ".Events"
	case "DeploymentPreference":
		s.owner = res.id + "DeploymentGroup"
	}
	return s
}

func (b *builder) resource(res *resource, p properties) {
	name, ok := b.physicalName(res, res.line)
	if !ok {
		return
	}
	i, _ := identityOf(res.typ)
	if other, taken := b.names[res.typ+" "+name]; taken && i.name != "" {
		b.addf(p.lineOf(i.name), "%s and %s have the same name, %q", other, res.id, name)
	}
	b.names[res.typ+" "+name] = res.id
	arn := ""
	if i.attributes["Arn"] != "" {
		arn, _ = b.attribute(res, "Arn", res.line)
	}

	switch res.typ {
	case functionType:
		b.functionByARN[arn] = res.id
		b.function(res, p, name)
	case apiType:
		b.api(res, p)
	case tableType:
		b.table(res, p, name, arn)
	case queueType:
		b.queue(res, p, name, arn)
	case bucketType:
		b.bucket(res, p, name, arn)
	case "AWS::SecretsManager::Secret":
		b.secret(res, p, name)
	case "AWS::SES::EmailIdentity":
		b.t.Identities = append(b.t.Identities, EmailIdentity{LogicalID: res.id, Identity: name})
	case topicType:
		topic, _ := b.refValue(res, res.line)
		b.t.Topics = append(b.t.Topics, Topic{LogicalID: res.id, Name: name, ARN: topic})
	case setType:
		b.t.MailSets = append(b.t.MailSets, ConfigurationSet{LogicalID: res.id, Name: name})
	case subscriptionType:
		b.subscription(p)
	case destinationType:
		b.eventDestination(res, p)
	case "AWS::S3::BucketPolicy":
		b.bucketPolicy(p)
	case "AWS::SQS::QueuePolicy":
		b.queuePolicy(p, p.get("Queues").itemsOrNil())
	case "AWS::SQS::QueueInlinePolicy":
		b.queuePolicy(p, []*node{p.get("Queue")})
	}
}

// itemsOrNil gives the elements of a list, which may be missing.
func (n *node) itemsOrNil() []*node {
	if n == nil {
		return nil
	}
	return n.items
}

// raw gives n as JSON; nil where it has an error.
func (n *node) raw() json.RawMessage {
	if n == nil || n.isBad() {
		return nil
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(n.plain()); err != nil {
		return nil // plain has nothing that JSON lacks
	}
	return bytes.TrimSpace(out.Bytes())
}

func (b *builder) table(res *resource, p properties, name, arn string) {
	definition := named(p, "TableName", name)
	t := Table{LogicalID: res.id, Name: name, ARN: arn, Definition: definition.raw()}
	if ttl := p.object("TimeToLiveSpecification"); ttl.node != nil && ttl.boolean("Enabled", false) {
		t.TTLAttribute = ttl.text("AttributeName")
		if t.TTLAttribute == "" {
			b.addf(ttl.line, "TimeToLiveSpecification is enabled without an AttributeName")
		}
	}
	b.t.Tables = append(b.t.Tables, t)
}

// named gives the properties with the physical name in them.
func named(p properties, key, name string) *node {
	out := &node{kind: dict, line: p.line}
	for _, f := range p.fields {
		if f.key != key {
			out.fields = append(out.fields, f)
		}
	}
	out.fields = append(out.fields, field{key: key, line: p.line, value: newText(p.line, name)})
	return out
}

func (b *builder) bucket(res *resource, p properties, name, arn string) {
	b.t.Buckets = append(b.t.Buckets, Bucket{
		LogicalID: res.id, Name: name, ARN: arn, Definition: named(p, "BucketName", name).raw(),
	})
}

func (b *builder) bucketPolicy(p properties) {
	name := p.text("Bucket")
	policy := p.get("PolicyDocument")
	if name == "" || policy == nil || policy.kind == bad {
		return // reported
	}
	if _, ok := b.names[bucketType+" "+name]; !ok {
		b.addf(p.lineOf("Bucket"), "there is no bucket %q in this template", name)
		return
	}
	for i := range b.t.Buckets {
		if b.t.Buckets[i].Name != name {
			continue
		}
		if b.t.Buckets[i].Policy != nil {
			b.addf(p.line, "bucket %s has two policies, of which only one would count", name)
		}
		b.t.Buckets[i].Policy = document(policy)
	}
}

// document is a policy, which may also be given as a string of JSON.
func document(n *node) json.RawMessage {
	if n.kind == scalar && json.Valid([]byte(n.text)) {
		return json.RawMessage(n.text)
	}
	return n.raw()
}

// queueAttributes are the scalar properties that SQS has attributes for, of the
// same names.
var queueAttributes = []string{
	"ContentBasedDeduplication", "DeduplicationScope", "DelaySeconds", "FifoQueue", "FifoThroughputLimit",
	"KmsDataKeyReusePeriodSeconds", "KmsMasterKeyId", "MaximumMessageSize", "MessageRetentionPeriod",
	"ReceiveMessageWaitTimeSeconds", "SqsManagedSseEnabled", "VisibilityTimeout",
}

func (b *builder) queue(res *resource, p properties, name, arn string) {
	url, _ := b.refValue(res, res.line)
	q := Queue{LogicalID: res.id, Name: name, ARN: arn, URL: url, Attributes: map[string]string{}}
	for _, key := range queueAttributes {
		if v := p.get(key); v != nil && v.kind == scalar {
			q.Attributes[key] = v.text
			if v.typ == boolType {
				q.Attributes[key] = strconv.FormatBool(isTrue(v.text))
			}
		}
	}
	if fifo := p.boolean("FifoQueue", false); fifo != strings.HasSuffix(name, ".fifo") {
		b.addf(p.lineOf("QueueName"), `a FIFO queue's name, and no other's, ends in ".fifo"`)
	}
	if v := p.get("RedrivePolicy"); v != nil {
		b.redrive(v)
		q.Attributes["RedrivePolicy"] = string(document(v))
	}
	if v := p.get("RedriveAllowPolicy"); v != nil {
		if b.shape(v, "RedriveAllowPolicy", []string{"redrivePermission", "sourceQueueArns"}, "redrivePermission") {
			b.check("string(allowAll|byQueue|denyAll)", v.get("redrivePermission"), "redrivePermission")
			if arns := v.get("sourceQueueArns"); arns != nil {
				b.check("[]string", arns, "sourceQueueArns")
			}
		}
		q.Attributes["RedriveAllowPolicy"] = string(document(v))
	}
	b.t.Queues = append(b.t.Queues, q)
}

func (b *builder) redrive(v *node) {
	known := []string{"deadLetterTargetArn", "maxReceiveCount"}
	if b.shape(v, "RedrivePolicy", known, known...) {
		b.check("string", v.get("deadLetterTargetArn"), "deadLetterTargetArn")
		b.check("integer(1..1000)", v.get("maxReceiveCount"), "maxReceiveCount")
	}
}

// shape checks the keys of a map that AWS' schemas leave open.
func (b *builder) shape(v *node, what string, known []string, required ...string) bool {
	if !b.onlyKeys(v, what, known) {
		return false
	}
	ok := true
	for _, key := range required {
		if v.get(key) == nil {
			b.addf(v.line, "%s must have %s", what, key)
			ok = false
		}
	}
	return ok
}

func (b *builder) queuePolicy(p properties, urls []*node) {
	policy := p.get("PolicyDocument")
	if policy == nil || policy.kind == bad {
		return // reported
	}
	for _, url := range urls {
		if url == nil || url.kind != scalar {
			continue // reported
		}
		found := false
		for i := range b.t.Queues {
			q := &b.t.Queues[i]
			if q.URL != url.text {
				continue
			}
			found = true
			if q.Attributes["Policy"] != "" {
				b.addf(url.line, "queue %s has two policies, of which only one would count", q.LogicalID)
			}
			q.Attributes["Policy"] = string(document(policy))
		}
		if !found {
			b.addf(url.line, "there is no queue with the URL %q in this template", url.text)
		}
	}
}

// subscription adds a subscription to its topic, if it leads to a queue.
func (b *builder) subscription(p properties) {
	if p.text("Protocol") != "sqs" {
		return // of no meaning on one machine
	}
	for i := range b.t.Topics {
		if t := &b.t.Topics[i]; t.ARN == p.text("TopicArn") {
			t.Queues = append(t.Queues, Subscription{QueueARN: p.text("Endpoint"), Raw: p.boolean("RawMessageDelivery", false)})
			return
		}
	}
	b.addf(p.lineOf("TopicArn"), "there is no topic %q in this template", p.text("TopicArn"))
}

// eventDestination adds a destination to its configuration set, if it is a topic.
func (b *builder) eventDestination(res *resource, p properties) {
	d := p.object("EventDestination")
	if d.node == nil || !d.has("SnsDestination") {
		return // reported, or of no meaning on one machine
	}
	out := EventDestination{
		Name: d.text("Name"), TopicARN: d.object("SnsDestination").text("TopicARN"),
		Types: d.texts("MatchingEventTypes"), Enabled: d.boolean("Enabled", true),
	}
	if out.Name == "" {
		out.Name = res.id
	}
	for i := range b.t.MailSets {
		if set := &b.t.MailSets[i]; set.Name == p.text("ConfigurationSetName") {
			set.Destinations = append(set.Destinations, out)
			return
		}
	}
	b.addf(p.lineOf("ConfigurationSetName"), "there is no configuration set %q in this template", p.text("ConfigurationSetName"))
}

const (
	lowercase   = "abcdefghijklmnopqrstuvwxyz"
	digits      = "0123456789"
	punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
)

func (b *builder) secret(res *resource, p properties, name string) {
	s := Secret{LogicalID: res.id, Name: name}
	s.ARN, _ = b.refValue(res, res.line)
	if g := p.object("GenerateSecretString"); g.node != nil {
		s.Length = g.integer("PasswordLength", 32)
		s.Exclude = g.text("ExcludeCharacters")
		for key, characters := range map[string]string{
			"ExcludePunctuation": punctuation, "ExcludeNumbers": digits,
			"ExcludeLowercase": lowercase, "ExcludeUppercase": strings.ToUpper(lowercase),
		} {
			if g.boolean(key, false) {
				s.Exclude += characters
			}
		}
		if !g.boolean("IncludeSpace", false) {
			s.Exclude += " "
		}
		s.Exclude = sortedSet(s.Exclude)
	}
	b.t.Secrets = append(b.t.Secrets, s)
}

// sortedSet gives each character once, in order.
func sortedSet(text string) string {
	var out strings.Builder
	for c := rune(0); c <= 0x7f; c++ {
		if strings.ContainsRune(text, c) {
			out.WriteRune(c)
		}
	}
	return out.String()
}
