package sam

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

func (b *builder) function(res *resource, p properties, name string) {
	f := Function{
		LogicalID: res.id, Name: name,
		PackageType:         "Zip",
		Architecture:        "x86_64",
		MemorySize:          p.integer("MemorySize", 128),
		EphemeralStorage:    p.object("EphemeralStorage").integer("Size", 512),
		Timeout:             time.Duration(p.integer("Timeout", 3)) * time.Second,
		ReservedConcurrency: p.integer("ReservedConcurrentExecutions", 0),
		Environment:         b.environment(p.object("Environment").get("Variables")),
	}
	if architectures := p.texts("Architectures"); len(architectures) > 1 {
		b.addf(p.lineOf("Architectures"), "a function has one architecture, not %d", len(architectures))
	} else if len(architectures) == 1 {
		f.Architecture = architectures[0]
	}
	if p.has("ReservedConcurrentExecutions") && f.ReservedConcurrency == 0 {
		b.addf(p.lineOf("ReservedConcurrentExecutions"), "a function that may never run (0) is not supported")
	}
	if t := p.text("PackageType"); t != "" {
		f.PackageType = t
	}
	if f.PackageType == "Image" {
		b.image(res, p, &f)
	} else {
		b.zip(res, p, &f)
	}
	b.t.Functions = append(b.t.Functions, f)
}

// image reads how sam build makes the image, from the resource's Metadata.
func (b *builder) image(res *resource, p properties, f *Function) {
	for _, key := range []string{"CodeUri", "Handler", "Layers", "Runtime"} {
		if p.has(key) {
			b.addf(p.lineOf(key), "%s does not go with PackageType Image", key)
		}
	}
	for key, to := range map[string]*string{"DockerContext": &f.DockerContext, "Dockerfile": &f.Dockerfile} {
		v := res.metadata.get(key)
		if v == nil || v.kind != scalar || v.text == "" {
			b.addf(res.line, "function %s of PackageType Image must have %s in its Metadata", res.id, key)
			continue
		}
		*to = v.text
	}
	f.DockerTag = "latest"
	if v := res.metadata.get("DockerTag"); v != nil && v.kind == scalar && v.text != "" {
		f.DockerTag = v.text
	}
}

func (b *builder) zip(res *resource, p properties, f *Function) {
	f.CodeURI, f.Handler, f.Runtime = ".", p.text("Handler"), p.text("Runtime")
	for key, value := range map[string]string{"Handler": f.Handler, "Runtime": f.Runtime} {
		if value == "" {
			b.addf(res.line, "function %s must have a %s", res.id, key)
		}
	}
	if p.has("ImageUri") {
		b.addf(p.lineOf("ImageUri"), "ImageUri goes with PackageType Image only")
	}
	switch v := p.get("CodeUri"); {
	case v == nil || v.kind == bad:
	case v.kind != scalar || strings.HasPrefix(v.text, "s3://"):
		b.addf(v.line, "CodeUri must be a folder: code in a bucket is not supported")
	default:
		f.CodeURI = v.text
	}
	if m := res.metadata.get("BuildMethod"); m != nil && m.text != "go1.x" {
		b.addf(m.line, "BuildMethod %s is not supported, only go1.x", m.what())
	}
}

var variableName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]+$`)

// reservedVariables are set by Lambda itself.
var reservedVariables = map[string]bool{
	"_HANDLER": true, "_X_AMZN_TRACE_ID": true, "AWS_ACCESS_KEY": true, "AWS_ACCESS_KEY_ID": true,
	"AWS_DEFAULT_REGION": true, "AWS_EXECUTION_ENV": true, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": true,
	"AWS_LAMBDA_FUNCTION_NAME": true, "AWS_LAMBDA_FUNCTION_VERSION": true,
	"AWS_LAMBDA_INITIALIZATION_TYPE": true, "AWS_LAMBDA_LOG_GROUP_NAME": true,
	"AWS_LAMBDA_LOG_STREAM_NAME": true, "AWS_LAMBDA_RUNTIME_API": true, "AWS_REGION": true,
	"AWS_SECRET_ACCESS_KEY": true, "AWS_SESSION_TOKEN": true, "LAMBDA_RUNTIME_DIR": true,
	"LAMBDA_TASK_ROOT": true,
}

func (b *builder) environment(variables *node) map[string]string {
	out := map[string]string{}
	if variables == nil || variables.kind != dict {
		return out
	}
	for _, f := range variables.fields {
		switch {
		case !variableName.MatchString(f.key):
			b.addf(f.line, "Lambda does not allow an environment variable %q", f.key)
		case reservedVariables[f.key]:
			b.addf(f.line, "environment variable %s is Lambda's own", f.key)
		case f.value.kind == scalar:
			out[f.key] = f.value.text
		case f.value.kind != bad:
			b.addf(f.line, "environment variable %s must be a string, not %s", f.key, f.value.what())
		}
	}
	return out
}

// events works out the events of all functions.
func (b *builder) events(resolved map[string]properties) {
	for _, res := range b.order {
		events := resolved[res.id].object("Events")
		if res.typ != functionType || events.node == nil || events.kind != dict {
			continue
		}
		for _, f := range events.fields {
			e := event{id: f.key, line: f.line, function: res.id, live: b.exists(res)}
			b.event(e, properties{f.value})
		}
	}
}

// event is one entry of a function's Events.
type event struct {
	id       string
	line     int
	function string
	live     bool
}

func (b *builder) event(e event, p properties) {
	typ := p.text("Type")
	of := functionType + "." + typ
	switch typ {
	case "":
		return // reported
	case "Api", "SQS", "Schedule", "ScheduleV2":
	default:
		b.addf(p.lineOf("Type"), "events of type %s are not supported (but Api, SQS, Schedule, ScheduleV2 are)", typ)
		return
	}
	inner := p.object("Properties")
	if inner.node == nil {
		inner.node = &node{kind: dict, line: e.line}
	}
	b.checkObject(of, inner.node, typ+" event")
	if inner.kind != dict {
		return
	}
	switch typ {
	case "Api":
		b.route(e, inner)
	case "SQS":
		b.eventSource(e, inner)
	case "Schedule":
		b.schedule(e, inner, "Schedule")
	default:
		b.schedule(e, inner, "ScheduleExpression")
	}
}

func (b *builder) eventSource(e event, p properties) {
	s := EventSource{
		LogicalID: e.id, Function: e.function,
		QueueARN:                p.text("Queue"),
		BatchSize:               p.integer("BatchSize", 10),
		BatchingWindow:          time.Duration(p.integer("MaximumBatchingWindowInSeconds", 0)) * time.Second,
		MaximumConcurrency:      p.object("ScalingConfig").integer("MaximumConcurrency", 0),
		ReportBatchItemFailures: len(p.texts("FunctionResponseTypes")) > 0,
		Enabled:                 p.boolean("Enabled", true),
	}
	if s.QueueARN != "" && !strings.HasPrefix(s.QueueARN, "arn:"+b.cfg.Partition+":sqs:") {
		b.addf(p.lineOf("Queue"), "Queue must be the ARN of a queue, not %q", s.QueueARN)
	}
	if s.BatchSize > 10 && s.BatchingWindow == 0 {
		b.addf(p.lineOf("BatchSize"), "Lambda wants MaximumBatchingWindowInSeconds with a BatchSize of more than 10")
	}
	b.longEnough(e, p, s.QueueARN)
	if e.live {
		b.t.EventSources = append(b.t.EventSources, s)
	}
}

// longEnough checks that the queue hides a message for as long as the function
// may take, which Lambda demands.
func (b *builder) longEnough(e event, p properties, queueARN string) {
	for _, q := range b.t.Queues {
		if q.ARN != queueARN {
			continue
		}
		visible := 30 * time.Second
		if n, err := strconv.Atoi(q.Attributes["VisibilityTimeout"]); err == nil {
			visible = time.Duration(n) * time.Second
		}
		for _, f := range b.t.Functions {
			if f.LogicalID == e.function && f.Timeout > visible {
				b.addf(p.lineOf("Queue"), "queue %s hides messages for %v, less than the %v that %s may take",
					q.LogicalID, visible, f.Timeout, f.LogicalID)
			}
		}
	}
}

func (b *builder) schedule(e event, p properties, key string) {
	s := Schedule{LogicalID: e.id, Function: e.function, Expression: p.text(key), Enabled: p.boolean("Enabled", true)}
	if p.has("Enabled") && p.has("State") {
		b.addf(p.lineOf("State"), "a schedule has Enabled or State, not both")
	}
	if p.text("State") == "DISABLED" {
		s.Enabled = false
	}
	if p.has(key) {
		if err := checkExpression(s.Expression); err != nil {
			b.addf(p.lineOf(key), "%s: %v", key, err)
		}
	}
	if p.has("Input") {
		s.Input = json.RawMessage(p.text("Input"))
		if !json.Valid(s.Input) {
			b.addf(p.lineOf("Input"), "Input must be JSON")
		}
	}
	if e.live {
		b.t.Schedules = append(b.t.Schedules, s)
	}
}

var (
	rate = regexp.MustCompile(`^rate\(([1-9][0-9]*) (minute|hour|day)(s?)\)$`)
	cron = regexp.MustCompile(`^cron\(([^()]*)\)$`)

	cronField = regexp.MustCompile(`^[0-9A-Z*?,/#-]+$`)
)

// checkExpression checks the form of EventBridge's rate(…) and cron(…).
func checkExpression(text string) error {
	if m := rate.FindStringSubmatch(text); m != nil {
		if (m[1] == "1") == (m[3] == "s") {
			return fmt.Errorf("%s: EventBridge has it that one is %q and more are %q", text, m[2], m[2]+"s")
		}
		return nil
	}
	m := cron.FindStringSubmatch(text)
	if m == nil {
		return fmt.Errorf("%q is neither rate(…) nor cron(…)", text)
	}
	fields := strings.Fields(m[1])
	if len(fields) != 6 {
		return fmt.Errorf("%s has %d fields, not 6 (minutes hours day-of-month month day-of-week year)", text, len(fields))
	}
	for _, f := range fields {
		if !cronField.MatchString(strings.ToUpper(f)) {
			return fmt.Errorf("%s: %q is no field of cron", text, f)
		}
	}
	if (fields[2] == "?") == (fields[4] == "?") {
		return fmt.Errorf("%s: either day-of-month or day-of-week must be ?", text)
	}
	return nil
}
