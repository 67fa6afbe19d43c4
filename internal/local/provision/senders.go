package provision

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ses"
	"github.com/aws/aws-sdk-go-v2/service/ses/types"

	"github.com/fotograma/fotograma/internal/local/sam"
)

// identity asks SES to verify an address or a domain, unless that is done or
// under way: SES sends a mail each time it is asked.
func (p *provisioner) identity(ctx context.Context, i sam.EmailIdentity) error {
	asked, err := p.askedFor(ctx, i.Identity)
	if err != nil {
		return fmt.Errorf("look whether it is verified: %w", err)
	}
	if asked {
		return nil
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

// askedFor tells whether SES verifies an identity, or has done so. It must be in
// SES' list, too: LocalStack says of every address that it is verified, but takes no
// mail of one that it was never asked to verify.
func (p *provisioner) askedFor(ctx context.Context, identity string) (bool, error) {
	out, err := p.ses.GetIdentityVerificationAttributes(ctx, &ses.GetIdentityVerificationAttributesInput{Identities: []string{identity}})
	if isNotImplemented(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	switch out.VerificationAttributes[identity].VerificationStatus {
	case types.VerificationStatusSuccess, types.VerificationStatusPending:
	default:
		return false, nil
	}
	for pages := ses.NewListIdentitiesPaginator(p.ses, &ses.ListIdentitiesInput{}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if isNotImplemented(err) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		if slices.Contains(page.Identities, identity) {
			return true, nil
		}
	}
	return false, nil
}
