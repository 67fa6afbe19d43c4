package provision

import "encoding/json"

// The types in this file are AWS::DynamoDB::Table and AWS::S3::Bucket as
// CloudFormation spells their properties. What has the type ignored is known and
// has no meaning on one machine.

type ignored = json.RawMessage

type tableDefinition struct {
	TableName                 string
	AttributeDefinitions      []attributeDefinition
	KeySchema                 []keyElement
	BillingMode               string
	ProvisionedThroughput     *throughput
	GlobalSecondaryIndexes    []indexDefinition
	LocalSecondaryIndexes     []indexDefinition
	DeletionProtectionEnabled bool

	StreamSpecification *struct {
		StreamViewType string
		ResourcePolicy ignored
	}
	TimeToLiveSpecification *struct {
		AttributeName string
		Enabled       bool
	}
	SSESpecification *struct {
		SSEEnabled     bool
		SSEType        string
		KMSMasterKeyId string //nolint:revive // CloudFormation's spelling
	}
	PointInTimeRecoverySpecification *struct {
		PointInTimeRecoveryEnabled bool
		RecoveryPeriodInDays       *int32
	}

	ContributorInsightsSpecification ignored
	OnDemandThroughput               ignored
	ResourcePolicy                   ignored
	TableClass                       ignored
	Tags                             ignored
	WarmThroughput                   ignored
}

type attributeDefinition struct{ AttributeName, AttributeType string }

type keyElement struct{ AttributeName, KeyType string }

type throughput struct{ ReadCapacityUnits, WriteCapacityUnits int64 }

type indexDefinition struct {
	IndexName  string
	KeySchema  []keyElement
	Projection struct {
		ProjectionType   string
		NonKeyAttributes []string
	}
	ProvisionedThroughput *throughput

	ContributorInsightsSpecification ignored
	OnDemandThroughput               ignored
	WarmThroughput                   ignored
}

type bucketDefinition struct {
	BucketName        string
	CorsConfiguration *struct {
		CorsRules []corsRule
	}
	LifecycleConfiguration *struct {
		Rules                              []lifecycleRule
		TransitionDefaultMinimumObjectSize string
	}
	VersioningConfiguration *struct{ Status string }
	BucketEncryption        *struct {
		ServerSideEncryptionConfiguration []encryptionRule
	}
	PublicAccessBlockConfiguration *struct {
		BlockPublicAcls       bool
		BlockPublicPolicy     bool
		IgnorePublicAcls      bool
		RestrictPublicBuckets bool
	}
	OwnershipControls *struct {
		Rules []struct{ ObjectOwnership string }
	}
	NotificationConfiguration *struct {
		QueueConfigurations []queueNotification
	}

	AbacStatus                       ignored
	AccelerateConfiguration          ignored
	AccessControl                    ignored
	AnalyticsConfigurations          ignored
	BucketNamespace                  ignored
	IntelligentTieringConfigurations ignored
	InventoryConfigurations          ignored
	LoggingConfiguration             ignored
	MetricsConfigurations            ignored
	Tags                             ignored
}

type corsRule struct {
	Id             string //nolint:revive // CloudFormation's spelling
	AllowedHeaders []string
	AllowedMethods []string
	AllowedOrigins []string
	ExposedHeaders []string
	MaxAge         *int32
}

type lifecycleRule struct {
	Id     string //nolint:revive // CloudFormation's spelling
	Status string

	Prefix                string
	TagFilters            []struct{ Key, Value string }
	ObjectSizeGreaterThan *json.Number
	ObjectSizeLessThan    *json.Number

	AbortIncompleteMultipartUpload *struct{ DaysAfterInitiation int32 }
	ExpirationDate                 string
	ExpirationInDays               *int32
	ExpiredObjectDeleteMarker      *bool
	Transition                     *transition
	Transitions                    []transition

	NoncurrentVersionExpiration *struct {
		NoncurrentDays          int32
		NewerNoncurrentVersions *int32
	}
	NoncurrentVersionExpirationInDays *int32
	NoncurrentVersionTransition       *noncurrentTransition
	NoncurrentVersionTransitions      []noncurrentTransition
}

type transition struct {
	StorageClass     string
	TransitionDate   string
	TransitionInDays *int32
}

type noncurrentTransition struct {
	StorageClass            string
	TransitionInDays        *int32
	NewerNoncurrentVersions *int32
}

type encryptionRule struct {
	BucketKeyEnabled              *bool
	BlockedEncryptionTypes        ignored
	ServerSideEncryptionByDefault *struct {
		SSEAlgorithm   string
		KMSMasterKeyID string
	}
}

type queueNotification struct {
	Event  string
	Queue  string
	Filter *struct {
		S3Key struct {
			Rules []struct{ Name, Value string }
		}
	}
}
