package internal_test

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/fotograma/fotograma/"

// arrows says what each folder may import of this module: the table of "The
// rooms" in docs/design.md. A folder stands for everything below it; the longest
// that fits counts.
var arrows = map[string][]string{
	"api":                      {"internal/auth", "internal/video", "internal/status", "internal/notification", "internal/platform"},
	"cmd/fotograma":            {"internal/event", "internal/local", "internal/frames", "internal/notification", "pkg/client", "web"},
	"events":                   {},
	"functions/auth":           {"internal/auth", "internal/platform"},
	"functions/authorizer":     {"internal/auth", "internal/platform"},
	"functions/authsweep":      {"internal/auth", "internal/platform"},
	"functions/video":          {"internal/video", "internal/platform"},
	"functions/videosweep":     {"internal/video", "internal/platform"},
	"functions/videoevents":    {"internal/video", "internal/platform"},
	"functions/process":        {"internal/processing", "internal/frames", "internal/platform"},
	"functions/processcontrol": {"internal/processing", "internal/platform"},
	"functions/processsweep":   {"internal/processing", "internal/platform"},
	"functions/deadletter":     {"internal/processing", "internal/platform"},
	"functions/status":         {"internal/status", "internal/platform"},
	"functions/projector":      {"internal/status", "internal/platform"},
	"functions/notify":         {"internal/notification", "internal/platform"},
	"functions/notifications":  {"internal/notification", "internal/platform"},
	"infra/cost":               {},
	"functions/mailfeedback":   {"internal/notification", "internal/platform"},
	"functions/webhook":        {"internal/notification", "internal/platform"},
	"internal/auth":            {"internal/event", "internal/platform"},
	"internal/video":           {"internal/event", "internal/frames", "internal/platform"},
	"internal/processing":      {"internal/event", "internal/frames", "internal/platform"},
	"internal/status":          {"internal/event", "internal/platform"},
	"internal/notification":    {"internal/event", "internal/platform"},
	"internal/event":           {},
	"internal/frames":          {},
	"internal/local":           {"internal/platform/metrics"},
	"internal/platform":        {"internal/event"},
	"pkg/client":               {},
	"web":                      {},
	"test":                     {"cmd", "functions", "internal", "pkg"},
}

type pkg struct {
	ImportPath string   `json:"ImportPath"`
	Imports    []string `json:"Imports"`
}

func TestImportsPointOneWay(t *testing.T) {
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		room := roomOf(from)
		if room == "" {
			if from != "internal" { // this test
				t.Errorf("%s is in no room of the table", from)
			}
			continue
		}
		for _, imported := range p.Imports {
			to, ours := strings.CutPrefix(imported, module)
			if ours && !within(to, room) && !slices.ContainsFunc(arrows[room], func(may string) bool { return within(to, may) }) {
				t.Errorf("%s imports %s, which %s may not", from, to, room)
			}
		}
	}
}

func TestEveryRoomIsLivedIn(t *testing.T) {
	all := packages(t)
	for room := range arrows {
		if !slices.ContainsFunc(all, func(p pkg) bool { return within(strings.TrimPrefix(p.ImportPath, module), room) }) {
			t.Errorf("no package in %s", room)
		}
	}
}

func roomOf(path string) string {
	longest := ""
	for room := range arrows {
		if within(path, room) && len(room) > len(longest) {
			longest = room
		}
	}
	return longest
}

func within(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}

// packages lists the module's packages with what they import outside tests:
// tests may use the local stack.
func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p pkg
		if err := dec.Decode(&p); err != nil {
			t.Fatalf("read go list: %v", err)
		}
		all = append(all, p)
	}
	return all
}
