package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/fotograma/fotograma/internal/local/sam"
)

// What sam build has made, and the same with an environment for this machine.
const (
	built      = ".aws-sam/build/template.yaml"
	builtLocal = ".aws-sam/build/template.local.yaml"
)

// rootImage is the image of ProcessFunction with another user: `sam local` adds its
// emulator as whom the image runs as, who in ours may write nowhere.
const rootImage = "processfunction-samlocal:process"

func buildRootImage(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "docker", "build", "--tag", rootImage, "-")
	cmd.Stdin = strings.NewReader("FROM processfunction:process\nUSER root\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make an image of ProcessFunction that sam local can add to: %w\n%s", err, out)
	}
	return nil
}

// localTemplate writes the built template with the environment of every function as
// `fotograma up` gives it: `sam local` takes the logical ID of a table for its name,
// and passes on no variable that the template has not.
func localTemplate(endpoint string) (*sam.Template, error) {
	template, err := sam.Load(sam.Config{Path: "template.yaml", QueueBaseURL: endpoint})
	if err != nil {
		return nil, fmt.Errorf("load the template: %w", err)
	}
	text, err := os.ReadFile(built)
	if err != nil {
		return nil, fmt.Errorf("read what was built (make sam-build?): %w", err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("read %s: %w", built, err)
	}
	for _, f := range template.Functions {
		properties := member(document.Content[0], "Resources", f.LogicalID, "Properties")
		if properties == nil {
			return nil, fmt.Errorf("%s has no %s", built, f.LogicalID)
		}
		if f.PackageType == "Image" {
			if err := setMember(properties, "ImageUri", rootImage); err != nil {
				return nil, err
			}
		}
		variables := maps.Clone(f.Environment)
		variables["AWS_ENDPOINT_URL"] = endpoint
		if err := setMember(properties, "Environment", map[string]any{"Variables": variables}); err != nil {
			return nil, err
		}
	}
	text, err = yaml.Marshal(&document)
	return template, errors.Join(err, os.WriteFile(builtLocal, text, 0o600))
}

// member finds a member of a mapping by the names on the way to it; nil if it has
// none.
func member(n *yaml.Node, names ...string) *yaml.Node {
	for _, name := range names {
		at := slices.IndexFunc(n.Content, func(key *yaml.Node) bool { return key.Value == name })
		if at < 0 || n.Kind != yaml.MappingNode {
			return nil
		}
		n = n.Content[at+1]
	}
	return n
}

func setMember(n *yaml.Node, name string, value any) error {
	var node yaml.Node
	if err := node.Encode(value); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if old := member(n, name); old != nil {
		*old = node
		return nil
	}
	n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, &node)
	return nil
}
