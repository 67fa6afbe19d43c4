package provision

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/fotograma/fotograma/internal/local/sam"
)

// A table is looked at again every while until it is active, for at most
// patience.
const (
	while    = 50 * time.Millisecond
	patience = 5 * time.Minute
)

func (p *provisioner) table(ctx context.Context, t sam.Table) error {
	var d tableDefinition
	if err := decode(t.Definition, &d); err != nil {
		return err
	}
	there, err := p.describeTable(ctx, t.Name)
	if err != nil {
		return err
	}
	if there == nil {
		if _, err := p.dynamodb.CreateTable(ctx, d.createInput(t.Name)); err != nil {
			return fmt.Errorf("create: %w", err)
		}
	} else if err := p.alterTable(ctx, t.Name, there, d); err != nil {
		return err
	}
	if err := p.activeTable(ctx, t.Name); err != nil {
		return err
	}
	if err := p.timeToLive(ctx, t.Name, d); err != nil {
		return err
	}
	return p.backups(ctx, t.Name, d)
}

// describeTable gives nil for a table that does not exist.
func (p *provisioner) describeTable(ctx context.Context, name string) (*types.TableDescription, error) {
	out, err := p.dynamodb.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &name})
	if _, ok := errors.AsType[*types.ResourceNotFoundException](err); ok {
		return nil, nil //nolint:nilnil // not there is no error here
	}
	if err != nil {
		return nil, fmt.Errorf("describe: %w", err)
	}
	return out.Table, nil
}

// activeTable waits until the table and its indexes are active.
func (p *provisioner) activeTable(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		table, err := p.describeTable(ctx, name)
		if err != nil {
			return err
		}
		if table != nil && isActive(table) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until it is active: %w", ctx.Err())
		case <-time.After(while):
		}
	}
}

func isActive(t *types.TableDescription) bool {
	return t.TableStatus == types.TableStatusActive &&
		!slices.ContainsFunc(t.GlobalSecondaryIndexes, func(i types.GlobalSecondaryIndexDescription) bool {
			return i.IndexStatus != "" && i.IndexStatus != types.IndexStatusActive
		})
}

func (d tableDefinition) createInput(name string) *dynamodb.CreateTableInput {
	in := &dynamodb.CreateTableInput{
		TableName:             &name,
		AttributeDefinitions:  d.attributes(),
		KeySchema:             keySchema(d.KeySchema),
		BillingMode:           d.billingMode(),
		ProvisionedThroughput: d.ProvisionedThroughput.api(),
		StreamSpecification:   d.stream(),
	}
	if d.DeletionProtectionEnabled {
		in.DeletionProtectionEnabled = aws.Bool(true)
	}
	for _, i := range d.GlobalSecondaryIndexes {
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{
			IndexName: aws.String(i.IndexName), KeySchema: keySchema(i.KeySchema), Projection: i.projection(),
			ProvisionedThroughput: i.ProvisionedThroughput.api(),
		})
	}
	for _, i := range d.LocalSecondaryIndexes {
		in.LocalSecondaryIndexes = append(in.LocalSecondaryIndexes, types.LocalSecondaryIndex{
			IndexName: aws.String(i.IndexName), KeySchema: keySchema(i.KeySchema), Projection: i.projection(),
		})
	}
	if s := d.SSESpecification; s != nil && s.SSEEnabled && isOwnKey(s.KMSMasterKeyId) {
		in.SSESpecification = &types.SSESpecification{Enabled: aws.Bool(true), SSEType: types.SSEType(s.SSEType)}
	}
	return in
}

func (d tableDefinition) attributes() []types.AttributeDefinition {
	out := make([]types.AttributeDefinition, 0, len(d.AttributeDefinitions))
	for _, a := range d.AttributeDefinitions {
		out = append(out, types.AttributeDefinition{
			AttributeName: aws.String(a.AttributeName), AttributeType: types.ScalarAttributeType(a.AttributeType),
		})
	}
	return out
}

// billingMode is PROVISIONED where CloudFormation's property is missing.
func (d tableDefinition) billingMode() types.BillingMode {
	if d.BillingMode == "" {
		return types.BillingModeProvisioned
	}
	return types.BillingMode(d.BillingMode)
}

func (d tableDefinition) stream() *types.StreamSpecification {
	if d.StreamSpecification == nil {
		return nil
	}
	return &types.StreamSpecification{
		StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewType(d.StreamSpecification.StreamViewType),
	}
}

func (t *throughput) api() *types.ProvisionedThroughput {
	if t == nil {
		return nil
	}
	return &types.ProvisionedThroughput{
		ReadCapacityUnits: aws.Int64(t.ReadCapacityUnits), WriteCapacityUnits: aws.Int64(t.WriteCapacityUnits),
	}
}

func (i indexDefinition) projection() *types.Projection {
	return &types.Projection{
		ProjectionType:   types.ProjectionType(i.Projection.ProjectionType),
		NonKeyAttributes: i.Projection.NonKeyAttributes,
	}
}

func keySchema(elements []keyElement) []types.KeySchemaElement {
	out := make([]types.KeySchemaElement, 0, len(elements))
	for _, e := range elements {
		out = append(out, types.KeySchemaElement{AttributeName: aws.String(e.AttributeName), KeyType: types.KeyType(e.KeyType)})
	}
	return out
}

// isOwnKey tells whether a key is AWS' own for the service: a key of the
// template exists nowhere.
func isOwnKey(id string) bool { return id == "" || strings.Contains(id, "alias/aws/") }

// keys spells a key schema with its types: "pk (S, HASH), sk (S, RANGE)".
func keys(schema []types.KeySchemaElement, attributes []types.AttributeDefinition) string {
	out := make([]string, 0, len(schema))
	for _, k := range schema {
		typ := types.ScalarAttributeType("?")
		for _, a := range attributes {
			if aws.ToString(a.AttributeName) == aws.ToString(k.AttributeName) {
				typ = a.AttributeType
			}
		}
		out = append(out, fmt.Sprintf("%s (%s, %s)", aws.ToString(k.AttributeName), typ, k.KeyType))
	}
	return strings.Join(out, ", ")
}

// alterTable brings an existing table to its definition.
func (p *provisioner) alterTable(ctx context.Context, name string, there *types.TableDescription, d tableDefinition) error {
	has, wants := keys(there.KeySchema, there.AttributeDefinitions), keys(keySchema(d.KeySchema), d.attributes())
	if has != wants {
		return fmt.Errorf("it exists with the key %s, but the template wants %s: a key cannot be changed, so delete the table first", has, wants)
	}
	if err := p.activeTable(ctx, name); err != nil {
		return err
	}
	if err := p.tableSettings(ctx, name, there, d); err != nil {
		return err
	}
	return p.indexes(ctx, name, there, d)
}

func (p *provisioner) tableSettings(ctx context.Context, name string, there *types.TableDescription, d tableDefinition) error {
	in := &dynamodb.UpdateTableInput{TableName: &name}
	changed := false
	has := types.BillingModeProvisioned
	if there.BillingModeSummary != nil {
		has = there.BillingModeSummary.BillingMode
	}
	if has != d.billingMode() {
		in.BillingMode, in.ProvisionedThroughput, changed = d.billingMode(), d.ProvisionedThroughput.api(), true
	}
	if aws.ToBool(there.DeletionProtectionEnabled) != d.DeletionProtectionEnabled {
		in.DeletionProtectionEnabled, changed = aws.Bool(d.DeletionProtectionEnabled), true
	}
	if there.StreamSpecification == nil && d.StreamSpecification != nil {
		in.StreamSpecification, changed = d.stream(), true
	}
	if !changed {
		return nil
	}
	if _, err := p.dynamodb.UpdateTable(ctx, in); err != nil {
		return fmt.Errorf("update: %w", err)
	}
	return p.activeTable(ctx, name)
}

// indexes makes the global secondary indexes that are missing, and deletes
// those that the template no longer has. DynamoDB does one at a time.
func (p *provisioner) indexes(ctx context.Context, name string, there *types.TableDescription, d tableDefinition) error {
	wanted := map[string]indexDefinition{}
	for _, i := range d.GlobalSecondaryIndexes {
		wanted[i.IndexName] = i
	}
	for _, has := range there.GlobalSecondaryIndexes {
		index := aws.ToString(has.IndexName)
		i, ok := wanted[index]
		delete(wanted, index)
		if !ok {
			update := types.GlobalSecondaryIndexUpdate{Delete: &types.DeleteGlobalSecondaryIndexAction{IndexName: has.IndexName}}
			if err := p.changeIndex(ctx, name, d, update); err != nil {
				return fmt.Errorf("delete index %s: %w", index, err)
			}
			continue
		}
		if err := i.same(has, there.AttributeDefinitions, d); err != nil {
			return fmt.Errorf("index %s: %w", index, err)
		}
	}
	for _, i := range d.GlobalSecondaryIndexes {
		if _, missing := wanted[i.IndexName]; !missing {
			continue
		}
		update := types.GlobalSecondaryIndexUpdate{Create: &types.CreateGlobalSecondaryIndexAction{
			IndexName: aws.String(i.IndexName), KeySchema: keySchema(i.KeySchema), Projection: i.projection(),
			ProvisionedThroughput: i.ProvisionedThroughput.api(),
		}}
		if err := p.changeIndex(ctx, name, d, update); err != nil {
			return fmt.Errorf("create index %s: %w", i.IndexName, err)
		}
	}
	return nil
}

// same compares an index with its definition; an index cannot be changed.
func (i indexDefinition) same(has types.GlobalSecondaryIndexDescription, attributes []types.AttributeDefinition, d tableDefinition) error {
	had, wants := keys(has.KeySchema, attributes), keys(keySchema(i.KeySchema), d.attributes())
	if has.Projection != nil {
		had += projected(has.Projection)
	}
	wants += projected(i.projection())
	if had != wants {
		return fmt.Errorf("it exists with %s, but the template wants %s: an index cannot be changed, so give the new one another name", had, wants)
	}
	return nil
}

func projected(p *types.Projection) string {
	names := slices.Clone(p.NonKeyAttributes)
	slices.Sort(names)
	return strings.TrimSuffix(fmt.Sprintf(", projection %s %s", p.ProjectionType, strings.Join(names, " ")), " ")
}

func (p *provisioner) changeIndex(ctx context.Context, name string, d tableDefinition, update types.GlobalSecondaryIndexUpdate) error {
	in := &dynamodb.UpdateTableInput{TableName: &name, GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{update}}
	if update.Create != nil {
		in.AttributeDefinitions = d.attributes()
	}
	if _, err := p.dynamodb.UpdateTable(ctx, in); err != nil {
		return err
	}
	return p.activeTable(ctx, name)
}

func (p *provisioner) timeToLive(ctx context.Context, name string, d tableDefinition) error {
	out, err := p.dynamodb.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &name})
	if err != nil {
		return fmt.Errorf("describe its time to live: %w", err)
	}
	has := ""
	if t := out.TimeToLiveDescription; t != nil &&
		(t.TimeToLiveStatus == types.TimeToLiveStatusEnabled || t.TimeToLiveStatus == types.TimeToLiveStatusEnabling) {
		has = aws.ToString(t.AttributeName)
	}
	wants := ""
	if t := d.TimeToLiveSpecification; t != nil && t.Enabled {
		wants = t.AttributeName
	}
	if has == wants {
		return nil
	}
	set := func(attribute string, enabled bool) error {
		_, err := p.dynamodb.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
			TableName:               &name,
			TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: &attribute, Enabled: &enabled},
		})
		if err != nil {
			return fmt.Errorf("set its time to live by %s to %t: %w", attribute, enabled, err)
		}
		return nil
	}
	if has != "" { // one attribute cannot follow another
		if err := set(has, false); err != nil {
			return err
		}
	}
	if wants == "" {
		return nil
	}
	return set(wants, true)
}

func (p *provisioner) backups(ctx context.Context, name string, d tableDefinition) error {
	const what = "set point-in-time recovery"
	spec := d.PointInTimeRecoverySpecification
	if spec == nil {
		return nil
	}
	out, err := p.dynamodb.DescribeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: &name})
	if err != nil {
		return p.optional(ctx, what, name, err)
	}
	enabled := false
	if b := out.ContinuousBackupsDescription; b != nil && b.PointInTimeRecoveryDescription != nil {
		enabled = b.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus == types.PointInTimeRecoveryStatusEnabled
	}
	if enabled == spec.PointInTimeRecoveryEnabled {
		return nil
	}
	_, err = p.dynamodb.UpdateContinuousBackups(ctx, &dynamodb.UpdateContinuousBackupsInput{
		TableName: &name,
		PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{
			PointInTimeRecoveryEnabled: &spec.PointInTimeRecoveryEnabled, RecoveryPeriodInDays: spec.RecoveryPeriodInDays,
		},
	})
	return p.optional(ctx, what, name, err)
}
