package auth

import (
	"errors"
	"fmt"
	"time"

	"github.com/fotograma/fotograma/internal/event"
)

// Config is what the environment says of the auth service.
type Config struct {
	Limits
	SweepConfig

	SigningSecret  string `env:"SIGNING_SECRET,required"`   // name or ARN
	MailCodeSecret string `env:"MAIL_CODE_SECRET,required"` // name or ARN
	WebOrigin      string `env:"WEB_ORIGIN"`
	EdgeSecret     string `env:"EDGE_SECRET"`

	// RetentionDays is how long the archives bucket keeps whatever is in it.
	RetentionDays int `env:"RETENTION_DAYS" envDefault:"7"`
}

// AuthorizerConfig is what the environment says of the authorizer.
type AuthorizerConfig struct {
	Table         string `env:"AUTH_TABLE,required"`
	SigningSecret string `env:"SIGNING_SECRET,required"` // name or ARN
}

// SweepConfig is what the environment says of the sweep.
type SweepConfig struct {
	Table                string `env:"AUTH_TABLE,required"`
	NotificationQueueURL string `env:"NOTIFICATION_QUEUE_URL,required"`
	VideoEventsQueueURL  string `env:"VIDEO_EVENTS_QUEUE_URL,required"`
	ControlQueueURL      string `env:"CONTROL_QUEUE_URL,required"`
	StatusQueueURL       string `env:"STATUS_QUEUE_URL,required"`
	ArchivesBucket       string `env:"ARCHIVES_BUCKET,required"`
}

// Limits are the limits of accounts and sessions.
type Limits struct {
	// AccessLifetime is how long an access token is valid, and SessionLifetime
	// how long a session lasts after its last refresh.
	AccessLifetime  time.Duration `env:"ACCESS_LIFETIME" envDefault:"15m"`
	SessionLifetime time.Duration `env:"SESSION_LIFETIME" envDefault:"720h"`

	// LoginAttempts is how many attempts to log in to one account may fail
	// within LoginWindow, which begins with the first of them. LoginsPerNetwork
	// is how many one network may make within it, to all accounts, whether or not
	// they fail. Package ratelimit says what a network is.
	LoginAttempts    int           `env:"LOGIN_ATTEMPTS" envDefault:"10"`
	LoginsPerNetwork int           `env:"LOGINS_PER_NETWORK" envDefault:"300"`
	LoginWindow      time.Duration `env:"LOGIN_WINDOW" envDefault:"15m"`

	// How often one address may be registered or tried to be, and how many
	// accounts one network may open, within RegistrationWindow.
	RegistrationsPerAddress int           `env:"REGISTRATIONS_PER_ADDRESS" envDefault:"5"`
	RegistrationsPerNetwork int           `env:"REGISTRATIONS_PER_NETWORK" envDefault:"100"`
	RegistrationWindow      time.Duration `env:"REGISTRATION_WINDOW" envDefault:"1h"`

	// How many codes may be asked to be mailed to one address, and by one network,
	// within CodeWindow. That of a registration is not among them.
	CodesPerAddress int           `env:"CODES_PER_ADDRESS" envDefault:"5"`
	CodesPerNetwork int           `env:"CODES_PER_NETWORK" envDefault:"100"`
	CodeWindow      time.Duration `env:"CODE_WINDOW" envDefault:"3h"`

	// How many codes may be typed for one address, and by one network, within
	// GuessWindow. Each code bears codeAttempts of them.
	GuessesPerAddress int           `env:"GUESSES_PER_ADDRESS" envDefault:"30"`
	GuessesPerNetwork int           `env:"GUESSES_PER_NETWORK" envDefault:"300"`
	GuessWindow       time.Duration `env:"GUESS_WINDOW" envDefault:"1h"`

	// AuditDays is for how many days an entry of the audit log is kept.
	AuditDays int `env:"AUDIT_DAYS" envDefault:"365"`

	// The cost of a password hash: see Passwords. Hashes of another cost are
	// made anew at the next login.
	PasswordMemory     uint32 `env:"PASSWORD_MEMORY" envDefault:"19456"` // KiB
	PasswordIterations uint32 `env:"PASSWORD_ITERATIONS" envDefault:"2"`

	// PasswordHashes is how many hashes may be made at one moment: each takes
	// PasswordMemory.
	PasswordHashes int `env:"PASSWORD_HASHES" envDefault:"4"`

	// APIKeys is how many API keys a person may have, expired ones included.
	APIKeys int `env:"API_KEYS" envDefault:"50"`
}

// Validate tells what is wrong with the limits.
func (l Limits) Validate() error {
	var problems []error
	for name, d := range map[string]time.Duration{
		"ACCESS_LIFETIME": l.AccessLifetime, "SESSION_LIFETIME": l.SessionLifetime, "LOGIN_WINDOW": l.LoginWindow,
		"REGISTRATION_WINDOW": l.RegistrationWindow, "CODE_WINDOW": l.CodeWindow, "GUESS_WINDOW": l.GuessWindow,
	} {
		if d < time.Second {
			problems = append(problems, fmt.Errorf("%s is %s: at least a second is needed", name, d))
		}
	}
	for name, n := range map[string]int{
		"LOGIN_ATTEMPTS": l.LoginAttempts, "LOGINS_PER_NETWORK": l.LoginsPerNetwork,
		"REGISTRATIONS_PER_ADDRESS": l.RegistrationsPerAddress, "REGISTRATIONS_PER_NETWORK": l.RegistrationsPerNetwork,
		"CODES_PER_ADDRESS": l.CodesPerAddress, "CODES_PER_NETWORK": l.CodesPerNetwork,
		"GUESSES_PER_ADDRESS": l.GuessesPerAddress, "GUESSES_PER_NETWORK": l.GuessesPerNetwork,
		"AUDIT_DAYS": l.AuditDays, "PASSWORD_HASHES": l.PasswordHashes,
		"PASSWORD_MEMORY": int(l.PasswordMemory), "PASSWORD_ITERATIONS": int(l.PasswordIterations),
		"API_KEYS": l.APIKeys,
	} {
		if n < 1 {
			problems = append(problems, fmt.Errorf("%s is %d: at least 1 is needed", name, n))
		}
	}
	return errors.Join(problems...)
}

const (
	// minPassword is in characters, maxPassword in bytes: longer ones cost
	// time and guard nothing.
	minPassword = 10
	maxPassword = 1000

	maxName = 200 // characters
)

const (
	// codeAttempts is how often a code may be typed wrongly.
	codeAttempts = 5

	// How long codes are good.
	verifyLifetime = 24 * time.Hour
	resetLifetime  = 30 * time.Minute
	changeLifetime = 24 * time.Hour
)

// routes tells where the events of auth go.
func routes(cfg SweepConfig) map[string][]string {
	notification := []string{cfg.NotificationQueueURL}
	all := []string{cfg.VideoEventsQueueURL, cfg.ControlQueueURL, cfg.StatusQueueURL, cfg.NotificationQueueURL}
	return map[string][]string{
		event.UserRegistered{}.EventType():  notification,
		event.ContactChanged{}.EventType():  notification,
		event.CodeRequested{}.EventType():   notification,
		event.PasswordChanged{}.EventType(): notification,
		event.NewLogin{}.EventType():        notification,
		event.EmailChanged{}.EventType():    notification,
		event.AccountErased{}.EventType():   all,
		event.ExportRequested{}.EventType(): all,
	}
}
