package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/metrics"
	"github.com/versity/versitygw/s3api/controllers"
	"github.com/versity/versitygw/s3api/middlewares"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"
)

// The bucket settings kept here, named as the query parameter that addresses
// them.
const (
	notificationSetting = "notification"
	lifecycleSetting    = "lifecycle"
	encryptionSetting   = "encryption"
	publicAccessSetting = "publicAccessBlock"
)

// settings answers the calls on bucket configurations that versitygw lacks.
type settings struct {
	store  *store
	notify func(ctx context.Context, queueARN, body string) error
	now    func() time.Time
	logger *slog.Logger

	mu    sync.RWMutex
	rules map[string][]notificationRule // by bucket, as stored
}

// openSettings reads the notification rules into memory, where every change of
// an object looks for them.
func openSettings(ctx context.Context, s *settings) error {
	s.rules = map[string][]notificationRule{}
	stored, err := s.store.settingsNamed(ctx, notificationSetting)
	if err != nil {
		return err
	}
	for _, bucket := range stored {
		config, err := parseNotification(bucket.document, rand.Text)
		if err != nil {
			return fmt.Errorf("notification configuration of bucket %s: %w", bucket.bucket, err)
		}
		s.rules[bucket.bucket] = config.Queues
	}
	return nil
}

// rulesOf returns a bucket's notification rules.
func (s *settings) rulesOf(bucket string) []notificationRule {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.rules[bucket]
}

func (s *settings) setRules(bucket string, rules []notificationRule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(rules) == 0 {
		delete(s.rules, bucket)
		return
	}
	s.rules[bucket] = rules
}

// forget removes all settings of a bucket that is no more.
func (s *settings) forget(ctx context.Context, bucket string) error {
	s.setRules(bucket, nil)
	return s.store.deleteBucketSettings(ctx, bucket)
}

// forgetLost removes the settings of buckets that do not exist, which a crash
// between the two halves of a deletion leaves.
func (s *settings) forgetLost(ctx context.Context, be backend.Backend) error {
	buckets, err := s.store.settingsBuckets(ctx)
	if err != nil {
		return err
	}
	for _, bucket := range buckets {
		_, err := be.HeadBucket(ctx, &awss3.HeadBucketInput{Bucket: &bucket})
		if _, refused := errors.AsType[s3err.S3Error](err); refused {
			err = s.forget(ctx, bucket)
		}
		if err != nil {
			return fmt.Errorf("look at bucket %s: %w", bucket, err)
		}
	}
	return nil
}

// settingCall is one API call on a bucket setting.
type settingCall struct {
	method  string
	setting string
	action  auth.Action                            // what a bucket policy calls it
	perm    auth.Permission                        // what an ACL calls it
	handle  func(call *bucketCall) ([]byte, error) // returns the document to answer, nil for none
}

// bucketCall is a request that passed authentication.
type bucketCall struct {
	fiber.Ctx

	bucket  string
	setting string
}

// calls lists what is answered here rather than by versitygw.
func (s *settings) calls() []settingCall {
	const read, write = auth.PermissionRead, auth.PermissionWrite
	return []settingCall{
		{http.MethodPut, notificationSetting, auth.PutBucketNotificationAction, write, s.putNotification},
		{http.MethodGet, notificationSetting, auth.GetBucketNotificationAction, read, s.getOr([]byte(`<NotificationConfiguration xmlns="`+xmlNamespace+`"/>`), nil)},
		{http.MethodPut, lifecycleSetting, auth.PutLifecycleConfigurationAction, write, s.put(parseLifecycleDocument)},
		{http.MethodGet, lifecycleSetting, auth.GetLifecycleConfigurationAction, read, s.getOr(nil, missing("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"))},
		{http.MethodDelete, lifecycleSetting, auth.PutLifecycleConfigurationAction, write, s.remove},
		{http.MethodPut, encryptionSetting, auth.PutEncryptionConfigurationAction, write, s.put(parseEncryption)},
		{http.MethodGet, encryptionSetting, auth.GetEncryptionConfigurationAction, read, s.getOr([]byte(defaultEncryption), nil)},
		{http.MethodDelete, encryptionSetting, auth.PutEncryptionConfigurationAction, write, s.remove},
		{http.MethodPut, publicAccessSetting, auth.PutBucketPublicAccessBlockAction, write, s.put(parsePublicAccess)},
		{http.MethodGet, publicAccessSetting, auth.GetBucketPublicAccessBlockAction, read, s.getOr(nil, missing("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found"))},
		{http.MethodDelete, publicAccessSetting, auth.PutBucketPublicAccessBlockAction, write, s.remove},
	}
}

func missing(code, message string) error {
	return s3err.APIError{Code: code, Description: message, HTTPStatusCode: http.StatusNotFound}
}

// middleware answers the calls in front of versitygw's routes, after the same
// checks of signature, checksums and ownership, and passes on all others.
func (s *settings) middleware(be backend.Backend, root middlewares.RootUserConfig, iam auth.IAMService, region string) fiber.Handler {
	handlers := map[string]map[string]fiber.Handler{} // by method and setting
	for _, call := range s.calls() {
		if handlers[call.method] == nil {
			handlers[call.method] = map[string]fiber.Handler{}
		}
		handlers[call.method][call.setting] = controllers.ProcessHandlers(
			controller(call), metrics.ActionUndetected, &controllers.Services{},
			defaultLocals(root, region),
			middlewares.BucketObjectNameValidator(),
			middlewares.ApplyBucketCORS(be, middlewares.BucketFromPath, ""),
			middlewares.AuthorizePublicBucketAccess(be, metrics.ActionUndetected, call.action, call.perm, region, false),
			middlewares.VerifyPresignedV4Signature(root, iam, region, false),
			middlewares.VerifyV4Signature(root, iam, region, false, true, false),
			middlewares.VerifyChecksums(false, call.method == http.MethodPut, false),
			middlewares.ParseAcl(be),
			authorize(be, iam, call),
		)
	}
	return func(ctx fiber.Ctx) error {
		if strings.Contains(strings.Trim(ctx.Path(), "/"), "/") {
			return ctx.Next() // an object
		}
		for setting, handler := range handlers[ctx.Method()] {
			if ctx.Request().URI().QueryArgs().Has(setting) {
				return handler(ctx)
			}
		}
		return ctx.Next()
	}
}

// hostStyle rewrites those requests for settings that name the bucket in the
// host. All others versitygw rewrites itself, later, when it has decoded the path.
func (s *settings) hostStyle(rewrite fiber.Handler) fiber.Handler {
	return func(ctx fiber.Ctx) error {
		query := ctx.Request().URI().QueryArgs()
		for _, call := range s.calls() {
			if ctx.Path() == "/" && ctx.Method() == call.method && query.Has(call.setting) {
				return rewrite(ctx)
			}
		}
		return ctx.Next()
	}
}

// defaultLocals sets what versitygw's own middleware would set for its routes,
// which come later.
func defaultLocals(root middlewares.RootUserConfig, region string) fiber.Handler {
	return func(ctx fiber.Ctx) error {
		utils.ContextKeyRegion.Set(ctx, region)
		utils.ContextKeyStartTime.Set(ctx, time.Now())
		utils.ContextKeyRootAccessKey.Set(ctx, root.Access)
		utils.ContextKeyAccount.Set(ctx, auth.Account{})
		utils.ContextKeyIsRoot.Set(ctx, false)
		return nil
	}
}

// authorize asks the bucket's policy and ACL about an authenticated request.
func authorize(be backend.Backend, iam auth.IAMService, call settingCall) fiber.Handler {
	return func(ctx fiber.Ctx) error {
		account, _ := utils.ContextKeyAccount.Get(ctx).(auth.Account)
		isRoot, _ := utils.ContextKeyIsRoot.Get(ctx).(bool)
		acl, _ := utils.ContextKeyParsedAcl.Get(ctx).(auth.ACL)
		return auth.VerifyAccess(ctx, be, auth.AccessOptions{
			Acl: acl, AclPermission: call.perm, IsRoot: isRoot, Acc: account, Bucket: ctx.Params("bucket"),
			Actions: []auth.Action{call.action}, IsPublicRequest: utils.ContextKeyPublicBucket.IsSet(ctx), Iam: iam,
		})
	}
}

// controller turns a call into what versitygw's response writer wants.
func controller(call settingCall) controllers.Controller {
	return func(ctx fiber.Ctx) (*controllers.Response, error) {
		document, err := call.handle(&bucketCall{Ctx: ctx, bucket: strings.Clone(ctx.Params("bucket")), setting: call.setting})
		status := http.StatusOK
		if call.method == http.MethodDelete {
			status = http.StatusNoContent
		}
		response := &controllers.Response{MetaOpts: &controllers.MetaOptions{Status: status}}
		if document != nil {
			contentType := fiber.MIMEApplicationXML
			response.Data, response.Headers = document, map[string]*string{"Content-Type": &contentType}
		}
		return response, err
	}
}

// put stores the document that parse returns for the request's body.
func (s *settings) put(parse func(body []byte) (any, error)) func(*bucketCall) ([]byte, error) {
	return func(call *bucketCall) ([]byte, error) {
		document, err := parse(call.BodyRaw())
		if err != nil {
			return nil, err
		}
		return nil, s.save(call, document)
	}
}

func (s *settings) save(call *bucketCall, document any) error {
	encoded, err := xml.Marshal(document)
	if err != nil {
		return fmt.Errorf("encode %s: %w", call.setting, err)
	}
	return s.store.putSetting(call.RequestCtx(), call.bucket, call.setting, encoded)
}

// getOr returns the stored document; without one the given document or error.
func (s *settings) getOr(otherwise []byte, none error) func(*bucketCall) ([]byte, error) {
	return func(call *bucketCall) ([]byte, error) {
		document, err := s.store.setting(call.RequestCtx(), call.bucket, call.setting)
		if err != nil {
			return nil, err
		}
		if document == nil {
			document = otherwise
		}
		if document == nil {
			return nil, none
		}
		return append([]byte(xml.Header), document...), nil
	}
}

func (s *settings) remove(call *bucketCall) ([]byte, error) {
	return nil, s.store.deleteSetting(call.RequestCtx(), call.bucket, call.setting)
}

// putNotification replaces a bucket's notification rules, after a test event
// reached every queue in them or the caller chose to do without.
func (s *settings) putNotification(call *bucketCall) ([]byte, error) {
	config, err := parseNotification(call.BodyRaw(), rand.Text)
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(call.Get("X-Amz-Skip-Destination-Validation"), "true") {
		if err := s.testDestinations(call, config.Queues); err != nil {
			return nil, err
		}
	}
	if err := s.save(call, config); err != nil {
		return nil, err
	}
	s.setRules(call.bucket, config.Queues)
	return nil, nil
}

// testDestinations sends s3:TestEvent to every queue, once each.
func (s *settings) testDestinations(call *bucketCall, rules []notificationRule) error {
	requestID, hostID := utils.EnsureRequestIDs(call.Ctx)
	body, err := testBody(call.bucket, requestID, hostID, s.now())
	if err != nil {
		return err
	}
	tested := map[string]bool{}
	for _, rule := range rules {
		if tested[rule.Queue] {
			continue
		}
		tested[rule.Queue] = true
		if err := s.notify(call.RequestCtx(), rule.Queue, body); err != nil {
			s.logger.WarnContext(call.RequestCtx(), "S3 notification refused: queue does not take the test event", "bucket", call.bucket, "queue", rule.Queue, "error", err)
			return invalidArgument("Unable to validate the following destination configurations")
		}
	}
	return nil
}

// encryptionConfiguration is the body of PutBucketEncryption. It is stored and
// returned; nothing is encrypted here.
type encryptionConfiguration struct {
	XMLName   xml.Name         `xml:"ServerSideEncryptionConfiguration"`
	Namespace string           `xml:"xmlns,attr,omitempty"`
	Rules     []encryptionRule `xml:"Rule"`
}

type encryptionRule struct {
	Default *struct {
		Algorithm string `xml:"SSEAlgorithm"`
		KeyID     string `xml:"KMSMasterKeyID,omitempty"`
	} `xml:"ApplyServerSideEncryptionByDefault,omitempty"`
	Blocked *struct {
		Types []string `xml:"EncryptionType"`
	} `xml:"BlockedEncryptionTypes,omitempty"`
	BucketKey *bool `xml:"BucketKeyEnabled,omitempty"`
}

// defaultEncryption is what S3 answers for a bucket nobody configured.
const defaultEncryption = `<ServerSideEncryptionConfiguration xmlns="` + xmlNamespace + `"><Rule><ApplyServerSideEncryptionByDefault>` +
	`<SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>false</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>`

func parseEncryption(body []byte) (any, error) {
	var config encryptionConfiguration
	if err := unmarshal(body, &config); err != nil {
		return nil, err
	}
	if len(config.Rules) != 1 {
		return nil, s3err.GetAPIError(s3err.ErrMalformedXML)
	}
	if def := config.Rules[0].Default; def != nil && def.Algorithm != "AES256" && def.Algorithm != "aws:kms" && def.Algorithm != "aws:kms:dsse" {
		return nil, s3err.GetAPIError(s3err.ErrMalformedXML)
	}
	config.XMLName, config.Namespace = xml.Name{Local: "ServerSideEncryptionConfiguration"}, xmlNamespace
	return &config, nil
}

// publicAccessBlock is the body of PutPublicAccessBlock. It is stored and
// returned; it changes no decision here.
type publicAccessBlock struct {
	XMLName               xml.Name `xml:"PublicAccessBlockConfiguration"`
	Namespace             string   `xml:"xmlns,attr,omitempty"`
	BlockPublicAcls       bool     `xml:"BlockPublicAcls"`
	IgnorePublicAcls      bool     `xml:"IgnorePublicAcls"`
	BlockPublicPolicy     bool     `xml:"BlockPublicPolicy"`
	RestrictPublicBuckets bool     `xml:"RestrictPublicBuckets"`
}

func parsePublicAccess(body []byte) (any, error) {
	var config publicAccessBlock
	if err := unmarshal(body, &config); err != nil {
		return nil, err
	}
	config.XMLName, config.Namespace = xml.Name{Local: "PublicAccessBlockConfiguration"}, xmlNamespace
	return &config, nil
}

// unmarshal reads a whole XML document or answers MalformedXML.
func unmarshal(body []byte, into any) error {
	if err := xml.NewDecoder(bytes.NewReader(body)).Decode(into); err != nil {
		return s3err.GetAPIError(s3err.ErrMalformedXML)
	}
	return nil
}
