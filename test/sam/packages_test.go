package sam_test

import (
	"encoding/json"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const module = "github.com/fotograma/fotograma/"

type goPackage struct {
	ImportPath string   `json:"ImportPath"`
	Dir        string   `json:"Dir"`
	GoFiles    []string `json:"GoFiles"`
	Deps       []string `json:"Deps"`
}

// packages gives those of the functions and of what they are made of, by import path.
func packages(t *testing.T) map[string]goPackage {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Dir,GoFiles,Deps", module+"functions/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]goPackage{}
	for decoder := json.NewDecoder(strings.NewReader(string(out))); decoder.More(); {
		var p goPackage
		if err := decoder.Decode(&p); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(p.ImportPath, module) {
			found[p.ImportPath] = p
		}
	}
	return found
}

// serviceOf gives the service of each function's folder, such as "video" of
// "functions/videosweep": the one that it is wired of.
func serviceOf(t *testing.T) map[string]string {
	t.Helper()
	services := map[string]string{}
	for path, p := range packages(t) {
		folder := strings.TrimPrefix(path, module)
		for _, dep := range p.Deps {
			service, ok := strings.CutPrefix(dep, module+"internal/")
			if ok && reach[service] != nil && strings.HasPrefix(folder, "functions/") {
				services[folder] = service
			}
		}
	}
	return services
}

// needed gives the actions that the packages of each service say they need, in doc
// comments such as "IAM: dynamodb:GetItem, PutItem and Query on the table".
func needed(t *testing.T) map[string]map[string]bool {
	t.Helper()
	all := packages(t)
	needs := map[string]map[string]bool{}
	for service := range reach {
		actions := map[string]bool{}
		p := all[module+"internal/"+service]
		for _, path := range append(p.Deps, p.ImportPath) {
			for _, action := range asked(t, all[path]) {
				actions[action] = true
			}
		}
		if len(actions) == 0 {
			t.Errorf("the packages of %s ask for nothing", service)
		}
		needs[service] = actions
	}
	return needs
}

var (
	actions = regexp.MustCompile(`([a-z0-9]+):([A-Z][A-Za-z]+(?:(?:, | and |, and )[A-Z][A-Za-z]+)*)`)
	between = regexp.MustCompile(`, and |, | and `)
)

func asked(t *testing.T, p goPackage) []string {
	t.Helper()
	var found []string
	for _, file := range p.GoFiles {
		source, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, comment := range source.Comments {
			_, text, ok := strings.Cut(comment.Text(), "IAM: ")
			if !ok {
				continue
			}
			for _, m := range actions.FindAllStringSubmatch(strings.Join(strings.Fields(text), " "), -1) {
				for _, action := range between.Split(m[2], -1) {
					found = append(found, m[1]+":"+action)
				}
			}
		}
	}
	return found
}
