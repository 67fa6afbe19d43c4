package ses

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	kindEmail  = "EmailAddress"
	kindDomain = "Domain"

	maxListed = 1000
)

var domainName = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$`)

// bareAddress is an address as it is compared: without a display name, in lower case.
func bareAddress(address string) string {
	if parsed, err := mail.ParseAddress(address); err == nil {
		address = parsed.Address
	}
	return strings.ToLower(address)
}

// VerifyIdentity lets an e-mail address, or every address of a domain, send mail.
// It is what AWS::SES::EmailIdentity in a template comes to.
func (s *Server) VerifyIdentity(ctx context.Context, identity string) error {
	kind := kindDomain
	if strings.Contains(identity, "@") {
		kind = kindEmail
	}
	_, err := s.verify(ctx, kind, identity)
	return err
}

// verify gives the identity's token, which a domain would carry in its DNS.
func (s *Server) verify(ctx context.Context, kind, identity string) (string, error) {
	identity = strings.ToLower(identity)
	if kind == kindEmail {
		if parsed, err := mail.ParseAddress(identity); err != nil || parsed.Address != identity {
			return "", errInvalidParameter("Invalid email address %s.", identity)
		}
	} else if !domainName.MatchString(identity) {
		return "", errInvalidParameter("Invalid domain name %s.", identity)
	}
	token := rand.Text()
	err := s.store.db.QueryRowContext(ctx, `
		INSERT INTO identities (identity, kind, token) VALUES (?, ?, ?)
		ON CONFLICT (identity) DO UPDATE SET kind = kind RETURNING token`, identity, kind, token).Scan(&token)
	if err != nil {
		return "", fmt.Errorf("store identity: %w", err)
	}
	return token, nil
}

// verified says whether the address, its domain or a parent of that is verified.
func (s *Server) verified(ctx context.Context, address string) (bool, error) {
	address = bareAddress(address)
	_, domain, _ := strings.Cut(address, "@")
	for candidate := address; candidate != ""; {
		var one int
		err := s.store.db.QueryRowContext(ctx, `SELECT 1 FROM identities WHERE identity = ?`, candidate).Scan(&one)
		if err == nil {
			return true, nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return false, fmt.Errorf("look up identity: %w", err)
		}
		if candidate == address {
			candidate = domain
			continue
		}
		_, candidate, _ = strings.Cut(candidate, ".")
	}
	return false, nil
}

func (s *Server) verifyEmailIdentity(ctx context.Context, form url.Values) (any, error) {
	address := form.Get("EmailAddress")
	if address == "" {
		return nil, errValidation("emailAddress")
	}
	_, err := s.verify(ctx, kindEmail, address)
	return empty{}, err
}

type verifyDomainResult struct{ VerificationToken string }

func (s *Server) verifyDomainIdentity(ctx context.Context, form url.Values) (any, error) {
	domain := form.Get("Domain")
	if domain == "" {
		return nil, errValidation("domain")
	}
	token, err := s.verify(ctx, kindDomain, domain)
	return verifyDomainResult{token}, err
}

func (s *Server) deleteIdentity(ctx context.Context, form url.Values) (any, error) {
	identity := form.Get("Identity")
	if identity == "" {
		return nil, errValidation("identity")
	}
	_, err := s.store.db.ExecContext(ctx, `DELETE FROM identities WHERE identity = ?`, strings.ToLower(identity))
	if err != nil {
		return nil, fmt.Errorf("delete identity: %w", err)
	}
	return empty{}, nil
}

type listIdentitiesResult struct {
	Identities []string `xml:"Identities>member"`
	NextToken  string   `xml:",omitempty"`
}

func (s *Server) listIdentities(ctx context.Context, form url.Values) (any, error) {
	kind := form.Get("IdentityType")
	if kind != "" && kind != kindEmail && kind != kindDomain {
		return nil, errInvalidParameter("Invalid identity type %s.", kind)
	}
	limit, err := maxItems(form, maxListed)
	if err != nil {
		return nil, err
	}
	names, err := s.names(ctx, `SELECT identity FROM identities WHERE (?1 = '' OR kind = ?1) AND identity > ?2 ORDER BY identity LIMIT ?3`,
		kind, form.Get("NextToken"), limit+1)
	if err != nil {
		return nil, err
	}
	out := listIdentitiesResult{Identities: names}
	if len(names) > limit {
		out.Identities, out.NextToken = names[:limit], names[limit-1]
	}
	return out, nil
}

// maxItems reads a page size; what is larger than the most is the most.
func maxItems(form url.Values, most int) (int, error) {
	text := form.Get("MaxItems")
	if text == "" {
		return most, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, errInvalidParameter("MaxItems must be a positive number.")
	}
	return min(n, most), nil
}

func (s *Server) names(ctx context.Context, query string, args ...any) ([]string, error) {
	rows, err := s.store.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list names: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

type listAddressesResult struct {
	Addresses []string `xml:"VerifiedEmailAddresses>member"`
}

func (s *Server) listVerifiedEmailAddresses(ctx context.Context, _ url.Values) (any, error) {
	names, err := s.names(ctx, `SELECT identity FROM identities WHERE kind = 'EmailAddress' ORDER BY identity`)
	return listAddressesResult{names}, err
}

// verificationEntry is an entry of a map in the query protocol's XML.
type verificationEntry struct {
	Identity string `xml:"key"`
	Status   string `xml:"value>VerificationStatus"`
	Token    string `xml:"value>VerificationToken,omitempty"`
}

type verificationResult struct {
	Entries []verificationEntry `xml:"VerificationAttributes>entry"`
}

func (s *Server) getIdentityVerificationAttributes(ctx context.Context, form url.Values) (any, error) {
	var out verificationResult
	for _, identity := range list(form, "Identities") {
		var kind, token string
		err := s.store.db.QueryRowContext(ctx, `SELECT kind, token FROM identities WHERE identity = ?`, strings.ToLower(identity)).Scan(&kind, &token)
		if errors.Is(err, sql.ErrNoRows) {
			continue // as documented: there is no entry for an identity that was never verified
		}
		if err != nil {
			return nil, fmt.Errorf("read identity: %w", err)
		}
		entry := verificationEntry{Identity: identity, Status: "Success"}
		if kind == kindDomain {
			entry.Token = token
		}
		out.Entries = append(out.Entries, entry)
	}
	return out, nil
}

type quotaResult struct {
	Max24HourSend   float64
	MaxSendRate     float64
	SentLast24Hours float64
}

// getSendQuota gives the quota of a usual account out of the sandbox, which is not
// enforced here.
func (s *Server) getSendQuota(ctx context.Context, _ url.Values) (any, error) {
	out := quotaResult{Max24HourSend: 50000, MaxSendRate: 14}
	since := s.opts.Now().Add(-24 * time.Hour).UnixMilli()
	err := s.store.db.QueryRowContext(ctx, `SELECT count(*) FROM mails WHERE sent > ?`, since).Scan(&out.SentLast24Hours)
	if err != nil {
		return nil, fmt.Errorf("count mails: %w", err)
	}
	return out, nil
}

// statisticsInterval is what one data point covers, over the last two weeks.
const statisticsInterval = 15 * time.Minute

type dataPoint struct {
	Timestamp        string
	DeliveryAttempts int64
	Bounces          int64
	Complaints       int64
	Rejects          int64
}

type statisticsResult struct {
	Points []dataPoint `xml:"SendDataPoints>member"`
}

func (s *Server) getSendStatistics(ctx context.Context, _ url.Values) (any, error) {
	since := s.opts.Now().Add(-14 * 24 * time.Hour).UnixMilli()
	rows, err := s.store.db.QueryContext(ctx, `SELECT sent / ?1 * ?1 AS slot, count(*) FROM mails WHERE sent > ?2 GROUP BY slot ORDER BY slot`,
		statisticsInterval.Milliseconds(), since)
	if err != nil {
		return nil, fmt.Errorf("count mails: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var out statisticsResult
	for rows.Next() {
		var slot int64
		var p dataPoint
		if err := rows.Scan(&slot, &p.DeliveryAttempts); err != nil {
			return nil, err
		}
		p.Timestamp = time.UnixMilli(slot).UTC().Format(time.RFC3339)
		out.Points = append(out.Points, p)
	}
	return out, rows.Err()
}

type enabledResult struct{ Enabled bool }

func (s *Server) getAccountSendingEnabled(context.Context, url.Values) (any, error) {
	return enabledResult{true}, nil
}
