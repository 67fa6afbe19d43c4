package provision

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ses"
	"github.com/aws/aws-sdk-go-v2/service/ses/types"

	"github.com/fotograma/fotograma/internal/local/sam"
)

// identity asks SES to verify an address or a domain, unless that is done or
// under way: SES sends a mail each time it is asked.
func (p *provisioner) identity(ctx context.Context, i sam.EmailIdentity) error {
	out, err := p.ses.GetIdentityVerificationAttributes(ctx, &ses.GetIdentityVerificationAttributesInput{Identities: []string{i.Identity}})
	if err != nil && !isNotImplemented(err) {
		return fmt.Errorf("look whether it is verified: %w", err)
	}
	if err == nil {
		switch out.VerificationAttributes[i.Identity].VerificationStatus {
		case types.VerificationStatusSuccess, types.VerificationStatusPending:
			return nil
		}
	}
	if strings.Contains(i.Identity, "@") {
		_, err = p.ses.VerifyEmailIdentity(ctx, &ses.VerifyEmailIdentityInput{EmailAddress: &i.Identity})
	} else {
		_, err = p.ses.VerifyDomainIdentity(ctx, &ses.VerifyDomainIdentityInput{Domain: &i.Identity})
	}
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	return nil
}
