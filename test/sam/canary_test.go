package sam_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// answering are the functions that API Gateway calls for an answer. The authorizer is
// none: one that is rolled out in part would let the same person in and not in.
var answering = []string{"AuthFunction", "NotificationsFunction", "StatusFunction", "VideoFunction"}

func TestTheApiCallsTheVersionsThatAreLive(t *testing.T) {
	stack := translated(t)
	called := fmt.Sprint(stack.Resources["Api"].Properties["Body"])
	live := 0
	for _, f := range answering {
		calls := strings.Count(called, "${"+f+"Aliaslive}/invocations")
		if calls == 0 {
			t.Errorf("nothing calls %s", f)
		}
		live += calls
	}
	if all := strings.Count(called, "/invocations"); all != live+1 { // the authorizer's
		t.Errorf("%d of %d calls are of live versions", live, all)
	}
}

func TestACanaryIsRolledBackByItsAlarms(t *testing.T) {
	stack := translated(t, "Canary=true")
	for _, f := range answering {
		if stack.Resources[f+"Aliaslive"].Update["CodeDeployLambdaAliasUpdate"] == nil {
			t.Errorf("%s gets all requests at once", f)
		}
		group := stack.Resources[f+"DeploymentGroup"].Properties
		if rollback := fmt.Sprint(group["AutoRollbackConfiguration"]); !strings.Contains(rollback, "DEPLOYMENT_STOP_ON_ALARM") {
			t.Errorf("%s is rolled back on %s", f, rollback)
		}
		alarms := fmt.Sprint(group["AlarmConfiguration"])
		for _, alarm := range []string{"ApiErrorsAlarm", strings.TrimSuffix(f, "Function") + "ErrorsAlarm"} {
			if !strings.Contains(alarms, alarm) || stack.Resources[alarm].Type != "AWS::CloudWatch::Alarm" {
				t.Errorf("%s does not hear %s", f, alarm)
			}
		}
	}
}

func TestWithoutACanaryThereIsNoCodeDeploy(t *testing.T) {
	for name, r := range translated(t, "Canary=false").Resources {
		if strings.HasPrefix(r.Type, "AWS::CodeDeploy::") || r.Update["CodeDeployLambdaAliasUpdate"] != nil {
			t.Errorf("%s is there", name)
		}
	}
}

// Otherwise what changes with parameters alone would not reach the API.
func TestAnotherReleaseIsAnotherVersion(t *testing.T) {
	versions := func(parameters ...string) []string {
		var ids []string
		for _, name := range slices.Sorted(maps.Keys(translated(t, parameters...).Resources)) {
			if strings.Contains(name, "FunctionVersion") {
				ids = append(ids, name)
			}
		}
		return ids
	}
	unnamed, first, second := versions(), versions("Release=1"), versions("Release=2")
	if len(first) != len(answering) || len(unnamed) != len(answering) {
		t.Fatalf("versions %v, %v", unnamed, first)
	}
	for i := range first {
		if first[i] == second[i] || first[i] == unnamed[i] {
			t.Errorf("%s stays what it was", first[i])
		}
	}
}
