package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// docs/security.md names the test of each promise, by package and function.
func TestThePromisesHaveTheirTests(t *testing.T) {
	document, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	there := testFunctions(t)
	named := regexp.MustCompile("`([a-z0-9]+\\.(?:Test|Fuzz)[A-Za-z0-9]+)`").FindAllStringSubmatch(string(document), -1)
	if len(named) < 50 {
		t.Errorf("only %d tests are named", len(named))
	}
	for _, name := range named {
		if !there[name[1]] {
			t.Errorf("%s is no test", name[1])
		}
	}
	for line := range strings.Lines(string(document)) {
		if strings.HasSuffix(strings.TrimRight(line, " \n"), "| |") && strings.Count(line, "|") == 4 {
			t.Errorf("a promise without a test: %s", line)
		}
	}
}

// testFunctions gives the tests and fuzz targets of this module, as
// folder.Function.
func testFunctions(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir("..", func(file string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		source, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, declared := range source.Decls {
			if f, ok := declared.(*ast.FuncDecl); ok {
				found[filepath.Base(filepath.Dir(file))+"."+f.Name.Name] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
