package sam

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

const (
	functionType = "AWS::Serverless::Function"
	apiType      = "AWS::Serverless::Api"

	// implicitAPI is the API of events that name none.
	implicitAPI = "ServerlessRestApi"
)

var resourceAttributes = []string{
	"Condition", "DeletionPolicy", "DependsOn", "IgnoreGlobals", "Metadata",
	"Properties", "Type", "UpdateReplacePolicy",
}

// collect reads the Resources section and merges Globals into it.
func (r *resolver) collect() {
	globals := r.globals()
	section := r.root.get("Resources")
	if section == nil {
		r.addf(1, "a template must have Resources")
		return
	}
	for _, f := range r.entries(section, "Resources") {
		if res := r.resource(f, globals); res != nil {
			r.resources[res.id] = res
			r.order = append(r.order, res)
		}
	}
	r.addImplicitAPI(globals)
	for _, res := range r.order {
		r.attributesOf(res)
	}
}

func (r *resolver) resource(f field, globals map[string]*node) *resource {
	if !r.onlyKeys(f.value, "resource "+f.key, resourceAttributes) {
		return nil
	}
	typ := f.value.get("Type")
	if typ == nil || typ.kind != scalar {
		r.addf(f.line, "resource %s has no Type", f.key)
		return nil
	}
	if _, taken := r.params[f.key]; taken {
		r.addf(f.line, "%s is the name of a parameter and of a resource", f.key)
	}
	res := &resource{
		id: f.key, line: f.line, typ: typ.text, attributes: f.value,
		metadata: f.value.get("Metadata"), properties: f.value.get("Properties"),
		condition: f.value.get("Condition"),
	}
	if res.properties == nil {
		res.properties = &node{kind: dict, line: f.line}
	}
	if _, known := identityOf(res.typ); !known {
		r.addf(typ.line, "resource type %s is not supported", res.typ)
	}
	if g := globals[res.typ]; g != nil {
		res.properties = merge(r.withoutIgnored(g, f.value.get("IgnoreGlobals")), res.properties)
	}
	return res
}

// attributesOf checks what stands beside Type and Properties.
func (r *resolver) attributesOf(res *resource) {
	if res.condition != nil {
		r.conditionNamed(res.condition)
	}
	for _, name := range []string{"DeletionPolicy", "UpdateReplacePolicy"} {
		v := res.attributes.get(name)
		if v == nil || v.kind == bad {
			continue
		}
		allowed := []string{"Delete", "Retain", "RetainExceptOnCreate", "Snapshot"}
		if v = r.eval(v, scope{conditions: true}); v.kind != bad && !slices.Contains(allowed, v.text) {
			r.addf(v.line, "%s must be one of %s, not %s", name, strings.Join(allowed, ", "), v.what())
		}
	}
	dependsOn := res.attributes.get("DependsOn")
	if dependsOn == nil {
		return
	}
	names := []*node{dependsOn}
	if dependsOn.kind == list {
		names = dependsOn.items
	}
	for _, n := range names {
		if _, ok := r.resources[n.text]; n.kind != scalar || !ok {
			r.addf(n.line, "DependsOn: there is no resource %s", n.what())
			continue
		}
		r.edge(scope{owner: res.id, live: true}, n.text, n.line)
	}
}

// addImplicitAPI makes ServerlessRestApi if an event needs it.
func (r *resolver) addImplicitAPI(globals map[string]*node) {
	for _, res := range r.order {
		if res.typ != functionType {
			continue
		}
		for _, e := range events(res) {
			properties := e.value.get("Properties")
			if t := e.value.get("Type"); t == nil || t.text != "Api" || properties.get("RestApiId") != nil {
				continue
			}
			if r.resources[implicitAPI] != nil {
				return
			}
			api := &resource{id: implicitAPI, line: e.line, typ: apiType, attributes: &node{kind: dict, line: e.line}}
			api.properties = &node{kind: dict, line: e.line, fields: []field{
				{key: "StageName", line: e.line, value: newText(e.line, "Prod")},
			}}
			if g := globals[apiType]; g != nil {
				api.properties = merge(g, api.properties)
			}
			r.resources[implicitAPI] = api
			r.order = append(r.order, api)
			return
		}
	}
}

// events gives the fields of a function's Events, if that is a map.
func events(res *resource) []field {
	if e := res.properties.get("Events"); e != nil && e.kind == dict {
		return e.fields
	}
	return nil
}

// globalProperties are those which SAM takes from Globals.
var globalProperties = map[string][]string{
	functionType: {
		"Architectures", "AssumeRolePolicyDocument", "AutoPublishAlias", "AutoPublishAliasAllProperties",
		"CapacityProviderConfig", "CodeSigningConfigArn", "CodeUri", "DeadLetterQueue", "DeploymentPreference",
		"Description", "DurableConfig", "Environment", "EphemeralStorage", "EventInvokeConfig",
		"FileSystemConfigs", "FunctionScalingConfig", "FunctionUrlConfig", "Handler", "KmsKeyArn", "Layers",
		"LoggingConfig", "MemorySize", "PermissionsBoundary", "PropagateTags", "ProvisionedConcurrencyConfig",
		"PublishToLatestPublished", "RecursiveLoop", "ReservedConcurrentExecutions", "RolePath", "Runtime",
		"RuntimeManagementConfig", "SnapStart", "SourceKMSKeyArn", "Tags", "TenancyConfig", "Timeout",
		"Tracing", "VersionDeletionPolicy", "VpcConfig",
	},
	apiType: {
		"AccessLogSetting", "AlwaysDeploy", "Auth", "BinaryMediaTypes", "CacheClusterEnabled",
		"CacheClusterSize", "CanarySetting", "Cors", "DefinitionUri", "Domain", "EndpointAccessMode",
		"EndpointConfiguration", "GatewayResponses", "MergeDefinitions", "MethodSettings",
		"MinimumCompressionSize", nameProperty, "OpenApiVersion", "PropagateTags", "SecurityPolicy",
		"TracingEnabled", "Variables",
	},
	"AWS::Serverless::LayerVersion": {"PublishLambdaVersion"},
}

// globals gives the Globals by resource type.
func (r *resolver) globals() map[string]*node {
	out := map[string]*node{}
	for _, f := range r.entries(r.root.get("Globals"), "Globals") {
		typ := "AWS::Serverless::" + f.key
		known, ok := globalProperties[typ]
		if !ok {
			r.addf(f.line, "Globals of %s are not supported", f.key)
			continue
		}
		if r.onlyKeys(f.value, "Globals."+f.key, known) {
			out[typ] = f.value
		}
	}
	return out
}

// withoutIgnored leaves out of globals what IgnoreGlobals names, or everything
// for "*".
func (r *resolver) withoutIgnored(globals, ignore *node) *node {
	if ignore == nil {
		return globals
	}
	out := &node{kind: dict, line: globals.line}
	if ignore.kind == scalar && ignore.text == "*" {
		return out
	}
	if ignore.kind != list {
		r.addf(ignore.line, `IgnoreGlobals must be "*" or a list of properties, not %s`, ignore.what())
		return globals
	}
	names := map[string]bool{}
	for _, n := range ignore.items {
		if globals.get(n.text) == nil {
			r.addf(n.line, "IgnoreGlobals: Globals have no %q", n.text)
		}
		names[n.text] = true
	}
	for _, f := range globals.fields {
		if !names[f.key] {
			out.fields = append(out.fields, f)
		}
	}
	return out
}

// merge puts a resource's own value over the global one, as SAM does: maps
// merge key by key, lists add up, everything else (calls of functions too) is
// replaced.
func merge(global, local *node) *node {
	_, _, call1 := global.intrinsic()
	_, _, call2 := local.intrinsic()
	if global.kind != local.kind || call1 || call2 {
		return local
	}
	switch local.kind {
	case list:
		return &node{kind: list, line: local.line, items: slices.Concat(global.items, local.items)}
	case dict:
		out := &node{kind: dict, line: local.line, fields: slices.Clone(global.fields)}
		for _, f := range local.fields {
			i := slices.IndexFunc(out.fields, func(g field) bool { return g.key == f.key })
			if i < 0 {
				out.fields = append(out.fields, f)
				continue
			}
			f.value = merge(out.fields[i].value, f.value)
			out.fields[i] = f
		}
		return out
	default:
		return local
	}
}

// roleOf gives the function whose role SAM makes under the name id.
func (r *resolver) roleOf(id string) *resource {
	function, isRole := strings.CutSuffix(id, "Role")
	res := r.resources[function]
	if !isRole || res == nil || res.typ != functionType || res.properties.get("Role") != nil {
		return nil
	}
	return res
}

// isGenerated tells whether "Resource.Property" is one of SAM's own names.
func (r *resolver) isGenerated(name string) bool {
	id, property, _ := strings.Cut(name, ".")
	res := r.resources[id]
	switch {
	case res == nil:
		return false
	case res.typ == apiType:
		return property == "Stage" || property == "Deployment"
	default:
		return res.typ == functionType && (property == "Version" || property == "Alias")
	}
}

// refGenerated is Ref of what SAM makes by itself: the role of a function, its
// version and alias, the stage of an API. ok tells whether name is such a thing;
// the text is empty after an error.
func (r *resolver) refGenerated(name string, line int, s scope) (text string, ok bool) {
	if r.resources[name] != nil {
		return "", false
	}
	if f := r.roleOf(name); f != nil {
		if !r.present(f, "Ref", line, s) {
			return "", true
		}
		r.edge(s, name, line)
		return r.cfg.StackName + "-" + name, true
	}
	if r.isGenerated(name) {
		id, property, _ := strings.Cut(name, ".")
		return r.refProperty(r.target(id, "Ref", line, s), property, line), true
	}
	for _, api := range r.order {
		if api.typ != apiType || !strings.HasPrefix(name, api.id) || !strings.HasSuffix(name, "Stage") {
			continue
		}
		if stage, known := r.stage(api); known && (name == api.id+"Stage" || name == api.id+stage+"Stage") {
			r.edge(s, api.id, line)
			return stage, true
		}
	}
	return "", false
}

// refProperty is Ref of Resource.Property, where SAM has one.
func (r *resolver) refProperty(res *resource, property string, line int) string {
	if res == nil {
		return ""
	}
	if res.typ == apiType {
		if property == "Stage" {
			stage, _ := r.stage(res)
			return stage
		}
		r.addf(line, "the deployment of %s has no name that is known here", res.id)
		return ""
	}
	arn, ok := r.attribute(res, "Arn", line)
	alias := res.properties.get("AutoPublishAlias")
	if alias == nil {
		r.addf(line, "function %s has no AutoPublishAlias, so SAM makes no %s", res.id, property)
		return ""
	}
	if !ok {
		return ""
	}
	if property == "Version" {
		return arn + ":1"
	}
	name := r.eval(alias, scope{owner: res.id, live: true})
	if name.kind != scalar {
		return ""
	}
	return arn + ":" + name.text
}

// getAttGenerated is Fn::GetAtt of a function's generated role.
func (r *resolver) getAttGenerated(id, attribute string, line int, s scope) (text string, ok bool) {
	f := r.roleOf(id)
	if r.resources[id] != nil || f == nil {
		return "", false
	}
	if !r.present(f, "Fn::GetAtt", line, s) {
		return "", true
	}
	r.edge(s, id, line)
	if attribute != "Arn" {
		r.addf(line, "role %s has no attribute %q that is known here", id, attribute)
		return "", true
	}
	path := "/"
	if p := f.properties.get("RolePath"); p != nil {
		if v := r.eval(p, s); v.kind == scalar {
			path = v.text
		}
	}
	return "arn:" + r.cfg.Partition + ":iam::" + r.cfg.AccountID + ":role" + path + r.cfg.StackName + "-" + id, true
}

// stage works out the StageName of an API.
func (r *resolver) stage(api *resource) (string, bool) {
	n := api.properties.get("StageName")
	if n == nil || api.naming {
		return "", false
	}
	api.naming = true // a StageName that names the API's own address
	defer func() { api.naming = false }()
	v := r.eval(n, scope{owner: api.id, live: r.exists(api)})
	return v.text, v.kind == scalar && v.text != ""
}

// localAddress replaces AWS' address of the template's APIs by the local one.
func (r *resolver) localAddress(text string, line int, s scope) string {
	if r.cfg.APIBaseURL == nil || !strings.Contains(text, ".execute-api.") {
		return text
	}
	for _, api := range r.order {
		host := "https://" + r.opaque(api.id) + ".execute-api." + r.cfg.Region + "." + r.urlSuffix() + "/"
		if api.typ != apiType || !strings.Contains(text, host) {
			continue
		}
		stage, ok := r.stage(api)
		if !ok {
			continue
		}
		r.edge(s, api.id, line)
		base := strings.TrimSuffix(r.cfg.APIBaseURL(api.id, stage), "/")
		address := regexp.MustCompile(regexp.QuoteMeta(host+stage) + `($|[^A-Za-z0-9_-])`)
		text = address.ReplaceAllString(text, strings.ReplaceAll(base, "$", "$$")+"$1")
	}
	return text
}

// circles reports references that lead back to where they begin.
func (r *resolver) circles() {
	done := map[string]bool{}
	for _, id := range slices.Sorted(maps.Keys(r.edges)) {
		r.follow(id, nil, done)
	}
}

func (r *resolver) follow(id string, path []string, done map[string]bool) {
	if i := slices.Index(path, id); i >= 0 {
		circle := slices.Concat(path[i:], []string{id})
		r.addf(r.edges[circle[0]][circle[1]], "circular reference: %s", strings.Join(circle, " → "))
		return
	}
	if done[id] {
		return
	}
	path = append(path, id)
	for _, next := range slices.Sorted(maps.Keys(r.edges[id])) {
		r.follow(next, path, done)
	}
	done[id] = true
}
