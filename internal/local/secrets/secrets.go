package secrets

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Stages which Secrets Manager moves by itself.
const (
	current  = "AWSCURRENT"
	previous = "AWSPREVIOUS"
)

const (
	maxValue         = 65536 // bytes
	maxStages        = 20    // of one version
	keepUnstaged     = 24 * time.Hour
	defaultWindow    = 30 // days until a deleted secret is gone
	shortestWindow   = 7
	suffixCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
)

var (
	nameRule  = regexp.MustCompile(`^[A-Za-z0-9/_+=.@-]{1,512}$`)
	tokenRule = regexp.MustCompile(`^.{32,64}$`)
)

type tag struct {
	Key   string `json:"Key"`
	Value string `json:"Value"`
}

// value is what a version holds: text or bytes.
type value struct {
	SecretString *string
	SecretBinary []byte // base64 in JSON
}

func (v value) given() bool { return v.SecretString != nil || v.SecretBinary != nil }

func (v value) check() error {
	switch {
	case v.SecretString != nil && v.SecretBinary != nil:
		return errInvalid("You can't specify both a binary secret value and a string secret value in the same secret.")
	case v.SecretString != nil && (len(*v.SecretString) == 0 || len(*v.SecretString) > maxValue),
		v.SecretBinary != nil && (len(v.SecretBinary) == 0 || len(v.SecretBinary) > maxValue):
		return errInvalid("A secret value has 1 to %d bytes.", maxValue)
	}
	return nil
}

func (v value) equals(other *version) bool {
	if (v.SecretString == nil) != (other.text == nil) {
		return false
	}
	if v.SecretString != nil {
		return *v.SecretString == *other.text
	}
	return bytes.Equal(v.SecretBinary, other.binary)
}

// seconds is a time as AWS' JSON has it: seconds since 1970.
func seconds(millis int64) float64 { return float64(millis) / 1000 }

func (s *Server) now() int64 { return s.options.Now().UnixMilli() }

// find looks a secret up by its name, its ARN or its ARN without the six random
// characters.
func (s *Server) find(t *txn, id string) (*secret, error) {
	if id == "" {
		return nil, errInvalid("You must provide a SecretId.")
	}
	name := id
	if strings.HasPrefix(id, "arn:") {
		name, _ = strings.CutPrefix(id, s.arnOf(""))
	}
	return t.find(name, id)
}

func (s *Server) arnOf(name string) string {
	return "arn:aws:secretsmanager:" + s.options.Region + ":" + s.options.AccountID + ":secret:" + name
}

// suffix is a hyphen and six random characters.
func (s *Server) suffix() (string, error) {
	raw := make([]byte, 6)
	if _, err := io.ReadFull(s.options.Random, raw); err != nil {
		return "", fmt.Errorf("draw an ARN: %w", err)
	}
	for i, b := range raw {
		raw[i] = suffixCharacters[int(b)%len(suffixCharacters)]
	}
	return "-" + string(raw), nil
}

// versionID is the caller's token, which makes the call idempotent, or random.
func (s *Server) versionID(token string) (string, error) {
	if token != "" {
		if !tokenRule.MatchString(token) {
			return "", errInvalid("ClientRequestToken must be 32-64 characters long.")
		}
		return token, nil
	}
	var b [16]byte
	if _, err := io.ReadFull(s.options.Random, b[:]); err != nil {
		return "", fmt.Errorf("draw a version: %w", err)
	}
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:], nil
}

type createInput struct {
	value

	Name               string
	ClientRequestToken string
	Description        string
	KmsKeyId           string //nolint:revive // AWS' spelling
	Tags               []tag
	AddReplicaRegions  []json.RawMessage
}

// reference names a secret, and a version where there is one.
type reference struct {
	ARN           string
	Name          string
	VersionId     string   `json:",omitempty"` //nolint:revive // AWS' spelling
	VersionStages []string `json:",omitempty"`
}

func (s *Server) createSecret(ctx context.Context, in createInput) (reference, error) {
	if !nameRule.MatchString(in.Name) {
		return reference{}, errInvalid("Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@")
	}
	if len(in.AddReplicaRegions) > 0 {
		return reference{}, errInvalid("AddReplicaRegions is not supported: there is one region.")
	}
	if err := in.check(); err != nil {
		return reference{}, err
	}
	var out reference
	err := s.store.in(ctx, s.now(), func(t *txn) error {
		old, err := t.find(in.Name, "")
		if err == nil {
			out, err = s.created(t, old, in)
			return err
		}
		if _, none := errors.AsType[*apiError](err); !none {
			return err
		}
		out, err = s.create(t, in)
		return err
	})
	return out, err
}

// created answers for a secret that is there already: the same call again is
// fine, another is not.
func (s *Server) created(t *txn, old *secret, in createInput) (reference, error) {
	if old.deleted != 0 {
		return reference{}, &apiError{invalidRequest, "You can't create this secret because a secret with this name is already scheduled for deletion."}
	}
	v, err := t.version(old, in.ClientRequestToken)
	if err != nil {
		return reference{}, err
	}
	if v == nil || !in.equals(v) {
		return reference{}, &apiError{exists, fmt.Sprintf("The operation failed because the secret %s already exists.", in.Name)}
	}
	return reference{ARN: old.arn, Name: old.name, VersionId: v.id}, nil
}

func (s *Server) create(t *txn, in createInput) (reference, error) {
	suffix, err := s.suffix()
	if err != nil {
		return reference{}, err
	}
	if in.Tags == nil {
		in.Tags = []tag{}
	}
	tags, err := json.Marshal(in.Tags)
	if err != nil {
		return reference{}, err
	}
	out := reference{ARN: s.arnOf(in.Name) + suffix, Name: in.Name}
	err = t.exec(`INSERT INTO secrets (name, arn, description, kms_key_id, tags, created, changed) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		in.Name, out.ARN, in.Description, in.KmsKeyId, string(tags), s.now(), s.now())
	if err != nil || !in.given() {
		return out, err
	}
	made, err := t.find(in.Name, "")
	if err != nil {
		return reference{}, err
	}
	out.VersionId, err = s.addVersion(t, made, in.ClientRequestToken, in.value, []string{current})
	return out, err
}

// addVersion stores a value and moves the stages to it.
func (s *Server) addVersion(t *txn, of *secret, token string, v value, stages []string) (string, error) {
	id, err := s.versionID(token)
	if err != nil {
		return "", err
	}
	old, err := t.version(of, id)
	if err != nil {
		return "", err
	}
	if old != nil {
		if !v.equals(old) {
			return "", &apiError{exists, "You can't use ClientRequestToken " + id + " because that value is already in use for a version of secret " + of.arn + "."}
		}
		return id, nil
	}
	at, err := t.stages(of)
	if err != nil {
		return "", err
	}
	if slices.Contains(stages, current) && at[current] != "" {
		if err := t.move(of, previous, at[current]); err != nil {
			return "", err
		}
	}
	for _, stage := range stages {
		if err := t.move(of, stage, id); err != nil {
			return "", err
		}
	}
	now := s.now()
	return id, errors.Join(
		t.exec(`INSERT INTO versions (secret_id, version_id, text, binary, created) VALUES (?, ?, ?, ?, ?)`,
			of.id, id, v.SecretString, v.SecretBinary, now),
		t.exec(`UPDATE secrets SET changed = ? WHERE id = ?`, now, of.id),
		t.exec(`DELETE FROM versions WHERE secret_id = ?1 AND created <= ?2 AND version_id NOT IN
			(SELECT version_id FROM stages WHERE secret_id = ?1)`, of.id, now-keepUnstaged.Milliseconds()),
	)
}

type putInput struct {
	value

	SecretId           string //nolint:revive // AWS' spelling
	ClientRequestToken string
	VersionStages      []string
}

func (s *Server) putSecretValue(ctx context.Context, in putInput) (reference, error) {
	if !in.given() {
		return reference{}, errInvalid("You must provide either SecretString or SecretBinary.")
	}
	if err := in.check(); err != nil {
		return reference{}, err
	}
	if in.VersionStages == nil {
		in.VersionStages = []string{current}
	}
	if len(in.VersionStages) == 0 || len(in.VersionStages) > maxStages {
		return reference{}, errInvalid("A version has 1 to %d stages.", maxStages)
	}
	var out reference
	err := s.store.in(ctx, s.now(), func(t *txn) error {
		of, err := s.find(t, in.SecretId)
		if err != nil {
			return err
		}
		if of.deleted != 0 {
			return errDeleted("perform this operation on the secret")
		}
		stages := in.VersionStages
		at, err := t.stages(of)
		if err != nil {
			return err
		}
		if len(at) == 0 && !slices.Contains(stages, current) {
			stages = append(slices.Clone(stages), current) // the first version always is
		}
		id, err := s.addVersion(t, of, in.ClientRequestToken, in.value, stages)
		if err != nil {
			return err
		}
		if at, err = t.stages(of); err != nil {
			return err
		}
		out = reference{ARN: of.arn, Name: of.name, VersionId: id, VersionStages: stagesAt(at, id)}
		return nil
	})
	return out, err
}

// stagesAt gives the stages that are at a version, in order.
func stagesAt(at map[string]string, id string) []string {
	var out []string
	for _, stage := range slices.Sorted(maps.Keys(at)) {
		if at[stage] == id {
			out = append(out, stage)
		}
	}
	return out
}

type getInput struct {
	SecretId     string //nolint:revive // AWS' spelling
	VersionId    string //nolint:revive // AWS' spelling
	VersionStage string
}

type getOutput struct {
	reference

	SecretString *string `json:",omitempty"`
	SecretBinary []byte  `json:",omitempty"`
	CreatedDate  float64
}

func (s *Server) getSecretValue(ctx context.Context, in getInput) (getOutput, error) {
	var out getOutput
	err := s.store.in(ctx, s.now(), func(t *txn) error {
		of, err := s.find(t, in.SecretId)
		if err != nil {
			return err
		}
		if of.deleted != 0 {
			return errDeleted("perform this operation on the secret")
		}
		at, err := t.stages(of)
		if err != nil {
			return err
		}
		id, err := in.version(at)
		if err != nil {
			return err
		}
		v, err := t.version(of, id)
		if err != nil {
			return err
		}
		if v == nil {
			return &apiError{notFound, "Secrets Manager can't find the specified secret value for VersionId: " + id}
		}
		out = getOutput{
			reference:    reference{ARN: of.arn, Name: of.name, VersionId: id, VersionStages: stagesAt(at, id)},
			SecretString: v.text, SecretBinary: v.binary, CreatedDate: seconds(v.created),
		}
		return nil
	})
	return out, err
}

// version tells which version is asked for.
func (in getInput) version(at map[string]string) (string, error) {
	if in.VersionId != "" && (in.VersionStage == "" || at[in.VersionStage] == in.VersionId) {
		return in.VersionId, nil
	}
	if in.VersionId != "" {
		return "", &apiError{invalidRequest, "You provided a VersionStage that is not associated to the provided VersionId."}
	}
	stage := in.VersionStage
	if stage == "" {
		stage = current
	}
	if at[stage] == "" {
		return "", &apiError{notFound, "Secrets Manager can't find the specified secret value for staging label: " + stage}
	}
	return at[stage], nil
}

type idInput struct {
	SecretId string //nolint:revive // AWS' spelling
}

// entry describes a secret without its value.
type entry struct {
	ARN             string
	Name            string
	Description     string `json:",omitempty"`
	KmsKeyId        string `json:",omitempty"` //nolint:revive // AWS' spelling
	Tags            []tag
	CreatedDate     float64
	LastChangedDate float64
	DeletedDate     float64 `json:",omitempty"`

	// DescribeSecret and ListSecrets name the versions differently.
	VersionIdsToStages     map[string][]string `json:",omitempty"` //nolint:revive // AWS' spelling
	SecretVersionsToStages map[string][]string `json:",omitempty"`
}

func (s *Server) describe(t *txn, of *secret) (entry, error) {
	at, err := t.stages(of)
	if err != nil {
		return entry{}, err
	}
	out := entry{
		ARN: of.arn, Name: of.name, Description: of.description, KmsKeyId: of.kmsKey, Tags: of.tags,
		CreatedDate: seconds(of.created), LastChangedDate: seconds(of.changed), DeletedDate: seconds(of.deleted),
		VersionIdsToStages: map[string][]string{},
	}
	for _, id := range at {
		out.VersionIdsToStages[id] = stagesAt(at, id)
	}
	return out, nil
}

func (s *Server) describeSecret(ctx context.Context, in idInput) (entry, error) {
	var out entry
	err := s.store.in(ctx, s.now(), func(t *txn) error {
		of, err := s.find(t, in.SecretId)
		if err != nil {
			return err
		}
		out, err = s.describe(t, of)
		return err
	})
	return out, err
}

type listInput struct {
	MaxResults             *int
	NextToken              string
	SortOrder              string
	IncludePlannedDeletion bool
	Filters                []struct {
		Key    string
		Values []string
	}
}

type listOutput struct {
	SecretList []entry
	NextToken  string `json:",omitempty"`
}

const maxListed = 100

func (s *Server) listSecrets(ctx context.Context, in listInput) (listOutput, error) {
	limit := maxListed
	if in.MaxResults != nil {
		limit = *in.MaxResults
	}
	if limit < 1 || limit > maxListed {
		return listOutput{}, errInvalid("MaxResults must be between 1 and %d.", maxListed)
	}
	if len(in.Filters) > 0 {
		return listOutput{}, errInvalid("Filters is not supported by the local Secrets Manager.")
	}
	if in.SortOrder != "" && in.SortOrder != "asc" && in.SortOrder != "desc" {
		return listOutput{}, errInvalid("SortOrder must be asc or desc.")
	}
	var after int64
	if in.NextToken != "" {
		var err error
		if after, err = strconv.ParseInt(in.NextToken, 36, 64); err != nil {
			return listOutput{}, &apiError{"InvalidNextTokenException", "The NextToken value is invalid."}
		}
	}
	out := listOutput{SecretList: []entry{}}
	err := s.store.in(ctx, s.now(), func(t *txn) error {
		found, err := t.list(after, in.SortOrder == "desc", in.IncludePlannedDeletion, limit+1)
		if err != nil {
			return err
		}
		if len(found) > limit {
			found = found[:limit]
			out.NextToken = strconv.FormatInt(found[limit-1].id, 36)
		}
		for _, of := range found {
			e, err := s.describe(t, of)
			if err != nil {
				return err
			}
			e.SecretVersionsToStages, e.VersionIdsToStages = e.VersionIdsToStages, nil
			out.SecretList = append(out.SecretList, e)
		}
		return nil
	})
	return out, err
}

type deleteInput struct {
	idInput

	RecoveryWindowInDays       *int
	ForceDeleteWithoutRecovery bool
}

type deleteOutput struct {
	ARN          string
	Name         string
	DeletionDate float64
}

func (s *Server) deleteSecret(ctx context.Context, in deleteInput) (deleteOutput, error) {
	days := defaultWindow
	if in.RecoveryWindowInDays != nil {
		days = *in.RecoveryWindowInDays
	}
	switch {
	case in.ForceDeleteWithoutRecovery && in.RecoveryWindowInDays != nil:
		return deleteOutput{}, errInvalid("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
	case days < shortestWindow || days > defaultWindow:
		return deleteOutput{}, errInvalid("The RecoveryWindowInDays value must be between %d and %d days (inclusive).", shortestWindow, defaultWindow)
	}
	now := s.now()
	var out deleteOutput
	err := s.store.in(ctx, now, func(t *txn) error {
		of, err := s.find(t, in.SecretId)
		if err != nil {
			return err
		}
		out = deleteOutput{ARN: of.arn, Name: of.name, DeletionDate: seconds(now)}
		if in.ForceDeleteWithoutRecovery {
			return t.exec(`DELETE FROM secrets WHERE id = ?`, of.id)
		}
		if of.deleted != 0 {
			return errDeleted("perform this operation on the secret")
		}
		gone := now + (time.Duration(days) * 24 * time.Hour).Milliseconds()
		out.DeletionDate = seconds(gone)
		return t.exec(`UPDATE secrets SET deleted = ?, gone = ? WHERE id = ?`, now, gone, of.id)
	})
	return out, err
}

func (s *Server) restoreSecret(ctx context.Context, in idInput) (reference, error) {
	var out reference
	err := s.store.in(ctx, s.now(), func(t *txn) error {
		of, err := s.find(t, in.SecretId)
		if err != nil {
			return err
		}
		out = reference{ARN: of.arn, Name: of.name}
		return t.exec(`UPDATE secrets SET deleted = 0, gone = 0 WHERE id = ?`, of.id)
	})
	return out, err
}
