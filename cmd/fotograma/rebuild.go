package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/local"
)

func rebuildCommand() *cobra.Command {
	var o local.Options
	var stack string
	var scratch bool
	cmd := &cobra.Command{
		Use:   "rebuild-status",
		Short: "Have the list of videos that people see made again",
		Long: `Have the read model, which is what people see of their videos, made again from what
the services that own the videos know. It asks for that and returns; functions do it,
while everything goes on. Asked twice does no harm.

With --from-scratch, what is there is deleted first: until it is made again, which takes
about a second for some hundred videos, people miss videos in their lists.

It reaches AWS at AWS_ENDPOINT_URL if that is set (“aws” for AWS itself, with the
credentials of the environment), else the running stack (fotograma up).`,
		Example: `  fotograma rebuild-status
  AWS_ENDPOINT_URL=aws AWS_REGION=eu-west-1 fotograma rebuild-status --stack fotograma-staging`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Endpoint = os.Getenv("AWS_ENDPOINT_URL")
			id, err := askForRebuild(cmd.Context(), o, stack, scratch)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "Asked for (%s). The queue %s-status is empty when it is done.\n", id, stack)
			return nil
		},
	}
	cmd.Flags().StringVar(&stack, "stack", "fotograma", "the name of the stack, which its queues' names begin with")
	cmd.Flags().BoolVar(&scratch, "from-scratch", false, "delete what is there first")
	cmd.Flags().StringVar(&o.AWSAddr, "aws-addr", "127.0.0.1:4566", "where S3, SQS, DynamoDB and SES of the running stack listen")
	return cmd
}

// askForRebuild asks the status service to make the read model again, and gives the ID
// under which its log has that.
func askForRebuild(ctx context.Context, o local.Options, stack string, scratch bool) (string, error) {
	id := uuid.NewString()
	e, err := event.New("/operations", id, time.Now(), event.RebuildRequested{RebuildID: id, FromScratch: scratch})
	if err != nil {
		return "", fmt.Errorf("ask for the rebuild: %w", err)
	}
	body, err := json.Marshal(e)
	if err != nil {
		return "", fmt.Errorf("ask for the rebuild: %w", err)
	}
	return id, local.Send(ctx, o, stack+"-status", string(body))
}
