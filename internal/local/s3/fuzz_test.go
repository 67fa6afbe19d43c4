package s3

import (
	"encoding/xml"
	"errors"
	"testing"

	"github.com/versity/versitygw/s3err"
)

// Settings of a bucket are refused as S3 does, or can be written and read again.
func FuzzSettings(f *testing.F) {
	f.Add([]byte(`<NotificationConfiguration><QueueConfiguration><Queue>arn:aws:sqs:us-east-1:000000000000:q</Queue><Event>s3:ObjectCreated:*</Event></QueueConfiguration></NotificationConfiguration>`))
	f.Add([]byte(`<LifecycleConfiguration><Rule><ID>a</ID><Status>Enabled</Status><Filter><Prefix>x</Prefix></Filter><Expiration><Days>7</Days></Expiration></Rule></LifecycleConfiguration>`))
	f.Add([]byte(`<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>`))
	f.Add([]byte(`<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>`))
	f.Add([]byte(`<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><PublicAccessBlockConfiguration>&b;</PublicAccessBlockConfiguration>`))
	parsers := map[string]func([]byte) (any, error){
		notificationSetting: func(body []byte) (any, error) { return parseNotification(body, func() string { return "id" }) },
		lifecycleSetting:    parseLifecycleDocument,
		encryptionSetting:   parseEncryption,
		publicAccessSetting: parsePublicAccess,
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for name, parse := range parsers {
			parsed, err := parse(body)
			if err != nil {
				if _, ok := errors.AsType[s3err.S3Error](err); !ok {
					t.Errorf("%s: refused with %v", name, err)
				}
				continue
			}
			written, err := xml.Marshal(parsed)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if _, err := parse(written); err != nil {
				t.Errorf("%s: %s was written and is refused: %v", name, written, err)
			}
		}
	})
}
