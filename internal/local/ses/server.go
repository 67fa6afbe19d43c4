// Package ses is Amazon SES v1 on one machine: the query protocol (a form with
// Action=…&Version=2010-12-01, XML answers) over one SQLite file, and an inbox in
// which a person reads what was sent.
//
// No mail leaves the machine unless Options.SMTPURL says so. Then every mail is
// also relayed in the background, with a bounded number of attempts; the outcome
// shows on the mail. A mail is stored before its sending is acknowledged, so it is
// never lost, whatever becomes of its relaying.
//
// As in the real service, the sender must be verified, or its domain or a parent of
// that, else the answer is MessageRejected. What differs, on purpose:
//
//   - Verifying an identity succeeds at once: there is no mail to answer and no DNS.
//   - Signatures, quotas, the sandbox' rule about recipients, configuration sets and
//     tags are not enforced; the latter two are shown in the inbox.
//   - Nothing bounces but mails to the mailbox simulator: bounce@simulator.amazonses.com
//     and complaint@simulator.amazonses.com, with or without a label (bounce+label@…). Of
//     those the topics of the configuration set are told, at once.
//   - Templates know {{name}} and {{a.b}}; anything else of Handlebars is refused when
//     the template is stored. A value that is missing is refused at SendTemplatedEmail,
//     where the real service accepts the call and then sends no mail.
package ses

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"
)

const (
	namespace = "http://ses.amazonaws.com/doc/2010-12-01/"

	// maxMessageBytes is the quota of a message in the v1 API, after decoding.
	maxMessageBytes = 10 << 20
	// maxRequestBytes leaves room for base64 and percent-encoding.
	maxRequestBytes = 4 * maxMessageBytes
)

// Options configures a server. The zero value is a server without relay.
type Options struct {
	// Region is named in error messages. The default is "us-east-1".
	Region string
	// Now is the clock for what is stored: times of sending, next attempts to relay.
	// The default is time.Now.
	Now func() time.Time
	// SMTPURL makes mail leave the machine: smtp://user:password@host:port (with
	// STARTTLS, unless the host is this machine) or smtps://… (TLS from the start).
	// The default ports are 587, or 25 without a user, and 465.
	SMTPURL string
	// RelayRetry is the time before the second attempt to relay a mail; it doubles
	// with each attempt. The default is 5 seconds.
	RelayRetry time.Duration
	// Publish puts what became of a mail into an SNS topic. Without it nobody is told.
	Publish func(ctx context.Context, topicARN, message string) error
	// Logger takes failed attempts to relay and what callers cannot be told. The
	// default is slog.Default().
	Logger *slog.Logger
}

// Server answers SES calls and shows the inbox. It is safe for concurrent use.
type Server struct {
	opts    Options
	store   *store
	actions map[string]action
	relay   *relay // nil without Options.SMTPURL
	sets    configurationSets
}

// action answers one call: the request's form in, the result element's content out.
type action func(ctx context.Context, form url.Values) (any, error)

// empty is the result of the calls that answer nothing.
type empty struct{}

// Open opens the identities, mails and templates stored in the SQLite file at path,
// which is created if it does not exist, and takes up relaying where it was left.
func Open(path string, opts Options) (*Server, error) {
	if opts.Region == "" {
		opts.Region = "us-east-1"
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	if opts.RelayRetry <= 0 {
		opts.RelayRetry = 5 * time.Second
	}
	var target *smtpTarget
	if opts.SMTPURL != "" {
		var err error
		if target, err = parseSMTPURL(opts.SMTPURL); err != nil {
			return nil, err
		}
	}
	st, err := openStore(path)
	if err != nil {
		return nil, fmt.Errorf("open SES store %s: %w", path, err)
	}
	s := &Server{opts: opts, store: st, sets: configurationSets{sets: map[string]map[string]destination{}}}
	s.actions = s.actionTable()
	if target != nil {
		s.relay = startRelay(st, target, opts)
	}
	return s, nil
}

// Close stops relaying and closes the file.
func (s *Server) Close() error {
	if s.relay != nil {
		s.relay.stop()
	}
	return s.store.close()
}

func (s *Server) actionTable() map[string]action {
	return map[string]action{
		"CreateConfigurationSet":                 s.createConfigurationSet,
		"CreateConfigurationSetEventDestination": s.createEventDestination,
		"UpdateConfigurationSetEventDestination": s.updateEventDestination,
		"CreateTemplate":                         s.createTemplate,
		"DeleteIdentity":                         s.deleteIdentity,
		"DeleteTemplate":                         s.deleteTemplate,
		"GetAccountSendingEnabled":               s.getAccountSendingEnabled,
		"GetIdentityVerificationAttributes":      s.getIdentityVerificationAttributes,
		"GetSendQuota":                           s.getSendQuota,
		"GetSendStatistics":                      s.getSendStatistics,
		"GetTemplate":                            s.getTemplate,
		"ListIdentities":                         s.listIdentities,
		"ListTemplates":                          s.listTemplates,
		"ListVerifiedEmailAddresses":             s.listVerifiedEmailAddresses,
		"SendEmail":                              s.sendEmail,
		"SendRawEmail":                           s.sendRawEmail,
		"SendTemplatedEmail":                     s.sendTemplatedEmail,
		"UpdateTemplate":                         s.updateTemplate,
		"VerifyDomainIdentity":                   s.verifyDomainIdentity,
		"VerifyEmailAddress":                     s.verifyEmailIdentity,
		"VerifyEmailIdentity":                    s.verifyEmailIdentity,
	}
}

// ServeHTTP answers the AWS API, whatever the path.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	requestID := newID()
	w.Header().Set("X-Amzn-Requestid", requestID)
	r.Body = http.MaxBytesReader(w, r.Body, maxRequestBytes)
	if err := r.ParseForm(); err != nil {
		s.writeError(r.Context(), w, requestID, errMalformed(err))
		return
	}
	name := r.Form.Get("Action")
	act, ok := s.actions[name]
	if !ok {
		s.writeError(r.Context(), w, requestID, errInvalidAction(name))
		return
	}
	result, err := act(r.Context(), r.Form)
	if err != nil {
		s.writeError(r.Context(), w, requestID, fmt.Errorf("%s: %w", name, err))
		return
	}
	s.writeXML(r.Context(), w, http.StatusOK, response{action: name, result: result, requestID: requestID})
}

// response is <ActionResponse><ActionResult>…</ActionResult><ResponseMetadata>….
type response struct {
	action    string
	result    any
	requestID string
}

func (r response) MarshalXML(e *xml.Encoder, _ xml.StartElement) error {
	root := xml.StartElement{Name: xml.Name{Space: namespace, Local: r.action + "Response"}}
	result := xml.StartElement{Name: xml.Name{Local: r.action + "Result"}}
	metadata := struct {
		RequestID string `xml:"RequestId"`
	}{r.requestID}
	return errors.Join(
		e.EncodeToken(root),
		e.EncodeElement(r.result, result),
		e.EncodeElement(metadata, xml.StartElement{Name: xml.Name{Local: "ResponseMetadata"}}),
		e.EncodeToken(root.End()),
	)
}

func (s *Server) writeXML(ctx context.Context, w http.ResponseWriter, status int, v any) {
	out, err := xml.Marshal(v)
	if err != nil {
		s.opts.Logger.ErrorContext(ctx, "encode SES answer", "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	if _, err := w.Write(out); err != nil {
		s.opts.Logger.DebugContext(ctx, "write SES answer", "error", err)
	}
}

// newID is a random UUID, version 4 (RFC 9562).
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, as its documentation says
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// list reads Name.member.1, Name.member.2, … out of a form.
func list(form url.Values, name string) []string {
	var all []string
	for i := 1; ; i++ {
		values, ok := form[fmt.Sprintf("%s.member.%d", name, i)]
		if !ok {
			return all
		}
		all = append(all, values[0])
	}
}
