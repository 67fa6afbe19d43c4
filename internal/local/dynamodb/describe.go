package dynamodb

import "context"

// tableDescription is what the table calls say about a table.
type tableDescription struct {
	TableName                 string
	TableArn                  string
	TableId                   string //nolint:revive // the service's name
	TableStatus               string
	CreationDateTime          float64
	AttributeDefinitions      []attributeDefinition
	KeySchema                 schema
	ItemCount                 int64
	TableSizeBytes            int64
	ProvisionedThroughput     throughputDescription
	BillingModeSummary        *billingSummary          `json:",omitempty"`
	LocalSecondaryIndexes     []localIndexDescription  `json:",omitempty"`
	GlobalSecondaryIndexes    []globalIndexDescription `json:",omitempty"`
	SSEDescription            *encryptionDescription   `json:",omitempty"`
	TableClassSummary         *tableClassSummary       `json:",omitempty"`
	DeletionProtectionEnabled bool
}

type throughputDescription struct {
	NumberOfDecreasesToday int64
	ReadCapacityUnits      int64
	WriteCapacityUnits     int64
}

type billingSummary struct {
	BillingMode                       string
	LastUpdateToPayPerRequestDateTime float64
}

type encryptionDescription struct {
	Status  string
	SSEType string
}

type tableClassSummary struct{ TableClass string }

type localIndexDescription struct {
	IndexName      string
	IndexArn       string
	KeySchema      schema
	Projection     projectionSpec
	ItemCount      int64
	IndexSizeBytes int64
}

type globalIndexDescription struct {
	localIndexDescription

	IndexStatus           string
	ProvisionedThroughput throughputDescription
}

func describeThroughput(t *throughput) throughputDescription {
	return throughputDescription{ReadCapacityUnits: deref(t).ReadCapacityUnits, WriteCapacityUnits: deref(t).WriteCapacityUnits}
}

// tableOutput describes a table as it is now: it can be used at once, so it is never CREATING.
func (s *Server) tableOutput(ctx context.Context, t *table) (*tableOutput, error) {
	d := &tableDescription{
		TableName:                 t.Name,
		TableArn:                  s.arn(t.Name),
		TableId:                   t.UUID,
		TableStatus:               "ACTIVE",
		CreationDateTime:          epoch(t.Created),
		AttributeDefinitions:      t.Attributes,
		KeySchema:                 t.Keys,
		ProvisionedThroughput:     describeThroughput(t.Throughput),
		DeletionProtectionEnabled: t.DeletionProtection,
	}
	if t.BillingMode == onDemand {
		d.BillingModeSummary = &billingSummary{BillingMode: onDemand, LastUpdateToPayPerRequestDateTime: epoch(t.Created)}
	}
	if t.Encrypted {
		d.SSEDescription = &encryptionDescription{Status: "ENABLED", SSEType: "KMS"}
	}
	if t.TableClass != "" {
		d.TableClassSummary = &tableClassSummary{TableClass: t.TableClass}
	}
	var err error
	if d.ItemCount, d.TableSizeBytes, err = s.store.statistics(ctx, t, nil); err != nil {
		return nil, err
	}
	return &tableOutput{d}, s.describeIndexes(ctx, t, d)
}

func (s *Server) describeIndexes(ctx context.Context, t *table, d *tableDescription) error {
	for _, ix := range t.Indexes {
		count, size, err := s.store.statistics(ctx, t, ix)
		if err != nil {
			return err
		}
		described := localIndexDescription{
			IndexName: ix.Name, IndexArn: s.arn(t.Name) + "/index/" + ix.Name,
			KeySchema: ix.Keys, Projection: ix.Projection, ItemCount: count, IndexSizeBytes: size,
		}
		if !ix.Global {
			d.LocalSecondaryIndexes = append(d.LocalSecondaryIndexes, described)
			continue
		}
		d.GlobalSecondaryIndexes = append(d.GlobalSecondaryIndexes, globalIndexDescription{
			localIndexDescription: described, IndexStatus: "ACTIVE", ProvisionedThroughput: describeThroughput(ix.Throughput),
		})
	}
	return nil
}
