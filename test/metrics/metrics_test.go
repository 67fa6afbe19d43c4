// Package metrics tests that what is shown of the metrics and what rings because of
// them fits together: the catalogue, the dashboards of CloudWatch and Grafana, the
// alarms of template.yaml, those of Prometheus, and the runbooks.
package metrics

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	local "github.com/fotograma/fotograma/internal/local/metrics"
	"github.com/fotograma/fotograma/internal/platform/metrics"
)

const root = "../../"

func read(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(root + path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// awsMetrics are those of AWS' own that may be shown, by namespace.
var awsMetrics = map[string][]string{
	"AWS/SQS":        {"ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible", "ApproximateAgeOfOldestMessage"},
	"AWS/Lambda":     {"Errors", "Throttles", "ConcurrentExecutions"},
	"AWS/ApiGateway": {"Count", "4XXError", "5XXError", "Latency"},
	"AWS/SES":        {"Reputation.BounceRate", "Reputation.ComplaintRate"},
}

// checkMetric finds out whether there is a metric of a namespace with dimensions.
func checkMetric(t *testing.T, namespace, name string, dimensions map[string]string) {
	t.Helper()
	if namespace != "Fotograma" {
		if !slices.Contains(awsMetrics[namespace], name) {
			t.Errorf("%s has no %s", namespace, name)
		}
		return
	}
	for _, d := range metrics.Catalogue() {
		if d.Name != name {
			continue
		}
		var has []string
		for _, dimension := range d.Dimensions {
			has = append(has, dimension.Name)
			if value := dimensions[dimension.Name]; dimension.Values != nil && !slices.Contains(dimension.Values, value) {
				t.Errorf("%s is never measured with %s %q", name, dimension.Name, value)
			}
		}
		if diff := cmp.Diff(slices.Sorted(slices.Values(has)), slices.Sorted(maps.Keys(dimensions))); diff != "" {
			t.Errorf("dimensions of %s (-catalogue +used):\n%s", name, diff)
		}
		return
	}
	t.Errorf("the catalogue has no %s", name)
}

// resource is a resource of template.yaml, as far as these tests look at it.
type resource struct {
	Type       string    `yaml:"Type"`
	Properties yaml.Node `yaml:"Properties"`
}

func resources(t *testing.T) map[string]resource {
	t.Helper()
	var template struct {
		Resources map[string]resource `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(read(t, "template.yaml"), &template); err != nil {
		t.Fatal(err)
	}
	return template.Resources
}

// search is a search for metrics of ours in a dashboard.
var search = regexp.MustCompile(`SEARCH\('\{Fotograma,([A-Za-z,]+)\} MetricName="(\w+)"`)

func TestTheCloudWatchDashboardShowsMetricsThatThereAre(t *testing.T) {
	var properties struct {
		DashboardBody struct {
			Sub string `yaml:"Fn::Sub"`
		} `yaml:"DashboardBody"`
	}
	dashboard := resources(t)["Dashboard"]
	if err := dashboard.Properties.Decode(&properties); err != nil {
		t.Fatal(err)
	}
	var body struct {
		Widgets []struct {
			Properties struct {
				Metrics [][]any `json:"metrics"`
			} `json:"properties"`
		} `json:"widgets"`
	}
	if err := json.Unmarshal([]byte(properties.DashboardBody.Sub), &body); err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, widget := range body.Widgets {
		for _, metric := range widget.Properties.Metrics {
			shown++
			checkWidgetMetric(t, metric)
		}
	}
	if shown < 50 {
		t.Errorf("only %d metrics are shown", shown)
	}
}

// checkWidgetMetric reads [namespace, name, dimension, value …, options], or an
// expression.
func checkWidgetMetric(t *testing.T, metric []any) {
	t.Helper()
	var words []string
	for _, element := range metric {
		switch element := element.(type) {
		case string:
			words = append(words, element)
		case map[string]any:
			if expression, ok := element["expression"].(string); ok {
				checkSearch(t, expression)
				return
			}
		}
	}
	dimensions := map[string]string{}
	for i := 2; i+1 < len(words); i += 2 {
		dimensions[words[i]] = words[i+1]
	}
	checkMetric(t, words[0], words[1], dimensions)
}

func checkSearch(t *testing.T, expression string) {
	t.Helper()
	found := search.FindStringSubmatch(expression)
	if found == nil {
		t.Errorf("%s is no search that this test can read", expression)
		return
	}
	for _, d := range metrics.Catalogue() {
		if d.Name != found[2] {
			continue
		}
		var names []string
		for _, dimension := range d.Dimensions {
			names = append(names, dimension.Name)
		}
		if diff := cmp.Diff(names, strings.Split(found[1], ",")); diff != "" {
			t.Errorf("%s (-catalogue +searched):\n%s", expression, diff)
		}
		return
	}
	t.Errorf("the catalogue has no %s", found[2])
}

// alarm is an alarm of template.yaml.
type alarm struct {
	AlarmDescription string `yaml:"AlarmDescription"`
	single           `yaml:",inline"`
	Metrics          []struct {
		MetricStat struct {
			Metric single `yaml:"Metric"`
		} `yaml:"MetricStat"`
	} `yaml:"Metrics"`
}

type single struct {
	Namespace  string `yaml:"Namespace"`
	MetricName string `yaml:"MetricName"`
	Dimensions []struct {
		Name  string    `yaml:"Name"`
		Value yaml.Node `yaml:"Value"`
	} `yaml:"Dimensions"`
}

func (s single) check(t *testing.T) {
	t.Helper()
	if s.MetricName == "" {
		return // an expression
	}
	dimensions := map[string]string{}
	for _, d := range s.Dimensions {
		dimensions[d.Name] = d.Value.Value
	}
	checkMetric(t, s.Namespace, s.MetricName, dimensions)
}

func alarms(t *testing.T) map[string]alarm {
	t.Helper()
	all := map[string]alarm{}
	for name, r := range resources(t) {
		if r.Type != "AWS::CloudWatch::Alarm" {
			continue
		}
		var a alarm
		if err := r.Properties.Decode(&a); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[name] = a
	}
	return all
}

func TestAlarmsAreOfMetricsThatThereAre(t *testing.T) {
	for name, a := range alarms(t) {
		t.Run(name, func(t *testing.T) {
			a.check(t)
			for _, m := range a.Metrics {
				m.MetricStat.Metric.check(t)
			}
		})
	}
}

// rule is an alarm of Prometheus.
type rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	Annotations map[string]string `yaml:"annotations"`
}

func rules(t *testing.T) []rule {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []rule `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.Unmarshal(read(t, "infra/prometheus/alerts.yml"), &file); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	return all
}

func TestPrometheusHasTheAlarmsOfTheTemplate(t *testing.T) {
	described := map[string]string{}
	for _, r := range rules(t) {
		described[r.Alert] = r.Annotations["summary"] + " Runbook: " + r.Annotations["runbook"]
	}
	want := map[string]string{}
	for name, a := range alarms(t) {
		want[name] = a.AlarmDescription
	}
	if diff := cmp.Diff(want, described); diff != "" {
		t.Errorf("(-template +alerts.yml):\n%s", diff)
	}
}

func TestEveryAlarmHasItsRunbook(t *testing.T) {
	sections := map[string]string{} // by anchor
	for section := range strings.SplitSeq("\n"+string(read(t, "docs/operations.md")), "\n## ") {
		heading, text, _ := strings.Cut(section, "\n")
		sections[strings.ToLower(strings.ReplaceAll(heading, " ", "-"))] = text
	}
	for _, r := range rules(t) {
		file, anchor, _ := strings.Cut(r.Annotations["runbook"], "#")
		text, found := sections[anchor]
		if file != "docs/operations.md" || !found || anchor != strings.ToLower(r.Alert) {
			t.Errorf("%s names the runbook %s", r.Alert, r.Annotations["runbook"])
			continue
		}
		if !strings.Contains(text, strings.TrimSuffix(r.Annotations["summary"], ".")) || !strings.Contains(text, "\n1. ") {
			t.Errorf("the runbook of %s does not say what it is about, or what to do", r.Alert)
		}
	}
}

// promtool runs Prometheus' own tool.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command("promtool", args...)
	cmd.Dir = root + "infra/prometheus"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestEveryAlarmOfPrometheusRingsWhenItShould(t *testing.T) {
	promtool(t, "check", "config", "prometheus.yml")
	rings, silent := map[string]bool{}, map[string]bool{}
	for _, name := range []string{"alerts.test.yml", "alerts.days.test.yml"} {
		promtool(t, "test", "rules", name)
		sortCases(t, name, rings, silent)
	}
	for _, r := range rules(t) {
		if !rings[r.Alert] || !silent[r.Alert] {
			t.Errorf("%s is not shown both ringing and silent", r.Alert)
		}
	}
}

// sortCases learns from promtool's tests which alarms are shown to ring and which to
// be silent.
func sortCases(t *testing.T, name string, rings, silent map[string]bool) {
	t.Helper()
	var file struct {
		Tests []struct {
			AlertRuleTest []struct {
				Alertname string `yaml:"alertname"`
				ExpAlerts []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		} `yaml:"tests"`
	}
	if err := yaml.Unmarshal(read(t, "infra/prometheus/"+name), &file); err != nil {
		t.Fatal(err)
	}
	for _, test := range file.Tests {
		for _, a := range test.AlertRuleTest {
			if len(a.ExpAlerts) > 0 {
				rings[a.Alertname] = true
			} else {
				silent[a.Alertname] = true
			}
		}
	}
}

var (
	ours     = regexp.MustCompile(`\b(fotograma|lambda|sqs)_\w+`)
	ofSeries = regexp.MustCompile(`_(bucket|sum|count)$`)
)

// localMetrics are those of the local stack beside the catalogue.
var localMetrics = []string{
	"sqs_messages_visible", "sqs_messages_not_visible", "sqs_messages_delayed", "sqs_oldest_message_age_seconds",
	"lambda_invocations_total", "lambda_errors_total", "lambda_throttles_total", "lambda_cold_starts_total",
	"lambda_duration_seconds", "lambda_init_duration_seconds", "lambda_concurrent_executions",
}

func checkExpression(t *testing.T, expression string) {
	t.Helper()
	known := slices.Clone(localMetrics)
	for _, d := range metrics.Catalogue() {
		known = append(known, local.Name("Fotograma", d.Name, string(d.Unit)))
	}
	names := ours.FindAllString(expression, -1)
	for _, name := range names {
		if !slices.Contains(known, name) && !slices.Contains(known, ofSeries.ReplaceAllString(name, "")) {
			t.Errorf("there is no %s", name)
		}
	}
	if len(names) == 0 && !strings.Contains(expression, "ALERTS") {
		t.Errorf("%s is about nothing", expression)
	}
}

func TestExpressionsAreOfMetricsThatThereAre(t *testing.T) {
	for _, r := range rules(t) {
		checkExpression(t, r.Expr)
	}
	files, err := filepath.Glob(root + "infra/grafana/dashboards/*.json")
	if err != nil || len(files) < 6 {
		t.Fatalf("%d dashboards: %v", len(files), err)
	}
	for _, file := range files {
		for _, expression := range expressions(t, file) {
			checkExpression(t, expression)
		}
	}
}

// expressions gives those of all panels of a dashboard.
func expressions(t *testing.T, file string) []string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Targets []struct {
				Expr string `json:"expr"`
			} `json:"targets"`
		} `json:"panels"`
	}
	if err := json.Unmarshal(raw, &dashboard); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	var all []string
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			all = append(all, target.Expr)
		}
	}
	return all
}
