package client_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/fotograma/fotograma/pkg/client"
)

// schema is what is read of a schema of the contract.
type schema struct {
	Ref        string            `yaml:"$ref"`
	Properties map[string]schema `yaml:"properties"`
	Required   []string          `yaml:"required"`
}

// operation is what is read of a call of the contract.
type operation struct {
	OperationID string `yaml:"operationId"`
	RequestBody struct {
		Content map[string]struct {
			Schema schema `yaml:"schema"`
		} `yaml:"content"`
	} `yaml:"requestBody"`
}

type contract struct {
	Components struct {
		Schemas map[string]schema `yaml:"schemas"`
	} `yaml:"components"`
	Paths map[string]map[string]operation `yaml:"paths"`
}

func readContract(t *testing.T) contract {
	t.Helper()
	raw, err := os.ReadFile("../../api/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var c contract
	if err := yaml.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// methods are the operations of the contract and the methods that call them.
var methods = map[string]string{
	"cancel-video": "Cancel", "change-account": "ChangeAccount", "change-email": "ChangeEmail", "change-password": "ChangePassword",
	"change-notification-preferences": "ChangeNotificationPreferences", "get-notification-preferences": "NotificationPreferences",
	"list-notifications": "Notifications", "unsubscribe": "Unsubscribe",
	"list-webhook-deliveries": "WebhookDeliveries", "test-webhook": "TestWebhook", "lift-suppression": "LiftSuppression",
	"complete-upload": "CompleteUpload", "confirm-email": "ConfirmEmail", "create-api-key": "CreateAPIKey", "create-video": "CreateVideo",
	"delete-video": "Delete", "download-archive": "SignDownload", "end-other-sessions": "EndOtherSessions", "end-session": "EndSession",
	"erase-account": "EraseAccount", "forgot-password": "ForgotPassword", "get-account": "Account", "get-export": "Export",
	"get-manifest": "Manifest", "get-video": "Video", "get-usage": "Usage", "health": "Health", "list-api-keys": "APIKeys",
	"list-audit": "Audit", "list-parts": "Parts", "list-sessions": "Sessions", "list-videos": "Videos", "login": "Login",
	"logout": "Logout", "refresh": "Refresh", "register": "Register", "request-export": "RequestExport",
	"request-verification": "RequestVerification", "reset-password": "ResetPassword", "retry-video": "Retry",
	"revoke-api-key": "RevokeAPIKey", "sign-parts": "SignParts", "verify-email": "VerifyEmail",
}

// browsed are the operations that lead a browser to a page, which a program has no use for.
var browsed = []string{"show-unsubscribe"}

// beside are the methods that call no operation of their own.
var beside = []string{"Download", "DownloadFile", "Tokens", "Upload", "UseAPIKey", "UseSession", "Wait"}

func TestEveryOperationHasAMethodAndEveryMethodAnOperation(t *testing.T) {
	var operations []string
	for _, item := range readContract(t).Paths {
		for _, o := range item {
			operations = append(operations, o.OperationID)
			if (methods[o.OperationID] == "") != slices.Contains(browsed, o.OperationID) {
				t.Errorf("%s has no method, or one too many", o.OperationID)
			}
		}
	}
	for o := range methods {
		if !slices.Contains(operations, o) {
			t.Errorf("%s is not in the contract", o)
		}
	}
	known := slices.Clone(beside)
	for _, name := range methods {
		known = append(known, name)
	}
	for m := range reflect.TypeFor[*client.Client]().Methods() {
		if !slices.Contains(known, m.Name) {
			t.Errorf("%s calls no operation", m.Name)
		}
	}
}

// Each method must make the call of its operation: that method at that path, with
// the members of that body.
func TestMethodsCallTheirOperations(t *testing.T) {
	c := readContract(t)
	for path, item := range c.Paths {
		for method, o := range item {
			if slices.Contains(browsed, o.OperationID) {
				continue
			}
			t.Run(o.OperationID, func(t *testing.T) {
				got := recordCall(t, methods[o.OperationID])
				pattern := "^" + regexp.MustCompile(`\\\{[a-z_]+\\\}`).ReplaceAllString(regexp.QuoteMeta(path), "[^/]+") + "$"
				if got.method != strings.ToUpper(method) || !regexp.MustCompile(pattern).MatchString(got.path) {
					t.Fatalf("it calls %s %s, not %s %s", got.method, got.path, strings.ToUpper(method), path)
				}
				body, takes := o.RequestBody.Content["application/json"]
				if takes != (len(got.body) > 0) {
					t.Fatalf("it sends %q; there should be a body: %v", got.body, takes)
				}
				if takes {
					checkBody(t, got.body, c.Components.Schemas[strings.TrimPrefix(body.Schema.Ref, "#/components/schemas/")])
				}
			})
		}
	}
}

func checkBody(t *testing.T, body []byte, s schema) {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal(body, &members); err != nil {
		t.Fatal(err)
	}
	for name := range members {
		if _, known := s.Properties[name]; !known {
			t.Errorf("it sends %s, which is not in the contract", name)
		}
	}
	for _, name := range s.Required {
		if _, sent := members[name]; !sent {
			t.Errorf("it does not send %s", name)
		}
	}
}

type recorded struct {
	method, path string
	body         []byte
}

// recordCall calls a method with something for every argument, and gives the call
// that it makes.
func recordCall(t *testing.T, name string) recorded {
	t.Helper()
	var got recorded
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.method, got.path = r.Method, r.URL.Path
		got.body, _ = io.ReadAll(r.Body)
		reply(w, http.StatusOK, `{}`)
	}))
	defer server.Close()
	method := reflect.ValueOf(client.New(server.URL)).MethodByName(name)
	arguments := []reflect.Value{reflect.ValueOf(t.Context())}
	for i := 1; i < method.Type().NumIn(); i++ {
		of := method.Type().In(i)
		if method.Type().IsVariadic() && i == method.Type().NumIn()-1 {
			of = of.Elem()
		}
		arguments = append(arguments, something(of))
	}
	results := method.Call(arguments)
	if err := results[len(results)-1]; !err.IsNil() {
		t.Fatal(err.Interface())
	}
	return got
}

// something is a value that is not zero.
func something(of reflect.Type) reflect.Value {
	v := reflect.New(of).Elem()
	if of == reflect.TypeFor[json.RawMessage]() {
		return reflect.ValueOf(json.RawMessage(`{"fps":1}`))
	}
	switch of.Kind() {
	case reflect.String:
		v.SetString("something")
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Pointer:
		v.Set(reflect.New(of.Elem()))
		v.Elem().Set(something(of.Elem()))
	case reflect.Slice:
		v.Set(reflect.Append(v, something(of.Elem())))
	case reflect.Struct:
		for i := range of.NumField() {
			if of.Field(i).IsExported() {
				v.Field(i).Set(something(of.Field(i).Type))
			}
		}
	}
	return v
}

// shapes are the schemas that callers see, and the types that hold them.
var shapes = map[string]reflect.Type{
	"ApiKeyBody": reflect.TypeFor[client.APIKey](), "Archive": reflect.TypeFor[client.Archive](), "AuditBody": reflect.TypeFor[client.AuditEntry](),
	"AuditOutputBody": reflect.TypeFor[client.AuditPage](), "ChangeProfileInputBody": reflect.TypeFor[client.Profile](),
	"CompletedPart": reflect.TypeFor[client.CompletedPart](), "CreateAPIKeyInputBody": reflect.TypeFor[client.NewAPIKey](),
	"CreateAPIKeyOutputBody": reflect.TypeFor[client.CreatedAPIKey](), "CreateInputBody": reflect.TypeFor[client.NewVideo](),
	"CreateOutputBody": reflect.TypeFor[client.CreatedVideo](), "DownloadOutputBody": reflect.TypeFor[client.Download](),
	"ExportBody": reflect.TypeFor[client.Export](), "ExportFileBody": reflect.TypeFor[client.ExportFile](), "Extraction": reflect.TypeFor[client.Extraction](),
	"Page": reflect.TypeFor[client.Page](), "Media": reflect.TypeFor[client.Media](), "Notice": reflect.TypeFor[client.Notice](),
	"NotificationBody": reflect.TypeFor[client.Notification](), "NotificationsOutputBody": reflect.TypeFor[client.NotificationPage](),
	"EmailPreferences": reflect.TypeFor[client.EmailPreferences](), "EmailChanges": reflect.TypeFor[client.EmailChanges](),
	"PreferencesOutputBody": reflect.TypeFor[client.Preferences](), "PreferencesInputBody": reflect.TypeFor[client.PreferenceChanges](),
	"SuppressionBody": reflect.TypeFor[client.Suppression](), "WebhookBody": reflect.TypeFor[client.Webhook](), "WebhookChange": reflect.TypeFor[client.WebhookChange](),
	"DeliveryBody": reflect.TypeFor[client.Delivery](), "TryBody": reflect.TypeFor[client.Try](), "DeliveriesOutputBody": reflect.TypeFor[client.DeliveryPage](),
	"Quota": reflect.TypeFor[client.Quota](), "Quotas": reflect.TypeFor[client.Quotas](), "RegisterInputBody": reflect.TypeFor[client.NewUser](),
	"SessionBody": reflect.TypeFor[client.Session](), "SignPartsOutputBody": reflect.TypeFor[client.SignedParts](),
	"SignedPart": reflect.TypeFor[client.SignedPart](), "StoredPart": reflect.TypeFor[client.StoredPart](), "TimedQuota": reflect.TypeFor[client.TimedQuota](),
	"TokensOutputBody": reflect.TypeFor[client.Tokens](), "UploadResponse": reflect.TypeFor[client.SignedUpload](), "UserBody": reflect.TypeFor[client.User](),
	"Video": reflect.TypeFor[client.Video](),
}

// wrappers are answers of one member, which the methods unwrap.
var wrappers = []string{"HealthOutputBody", "ListAPIKeysOutputBody", "ListPartsOutputBody", "RegisterOutputBody", "RequestExportOutputBody", "SessionsOutputBody", "TestOutputBody", "UsageOutputBody"}

func TestTypesHaveTheMembersOfTheSchemas(t *testing.T) {
	schemas := readContract(t).Components.Schemas
	for name, of := range shapes {
		s, ok := schemas[name]
		if !ok {
			t.Errorf("%s is not in the contract", name)
			continue
		}
		var want, have, always []string
		for member := range s.Properties {
			want = append(want, member)
		}
		for field := range of.Fields() {
			member, rest, _ := strings.Cut(field.Tag.Get("json"), ",")
			if member == "-" {
				continue
			}
			have = append(have, member)
			if rest == "" {
				always = append(always, member)
			}
		}
		for _, list := range [][]string{want, have, always, s.Required} {
			slices.Sort(list)
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("%v has other members than %s (-):\n%s", of, name, diff)
		}
		if diff := cmp.Diff(s.Required, always); diff != "" {
			t.Errorf("%v always has other members than %s (-):\n%s", of, name, diff)
		}
	}
	for name, s := range schemas {
		_, shaped := shapes[name]
		// Requests' bodies are held against the contract as they are sent.
		if !shaped && !strings.HasSuffix(name, "InputBody") && !slices.Contains([]string{"Problem", "ErrorDetail"}, name) && (!slices.Contains(wrappers, name) || len(s.Properties) != 1) {
			t.Errorf("there is no type for %s", name)
		}
	}
}
