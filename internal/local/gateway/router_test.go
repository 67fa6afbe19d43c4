package gateway

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// routerPaths has every way in which routes can compete.
var routerPaths = []string{
	"/",
	"/v1/videos",
	"/v1/videos/{id}",
	"/v1/videos/{id}/parts",
	"/v1/videos/latest",
	"/v1/videos/latest/frames/first",
	"/v1/{proxy+}",
	"/{stage}/status",
	"/{stage}/files/{name+}",
}

func newRouter(t testing.TB, paths []string) *router {
	t.Helper()
	rt := &router{}
	for _, path := range paths {
		if err := rt.add("GET", path, &method{}); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	return rt
}

func TestFind(t *testing.T) {
	rt := newRouter(t, routerPaths)
	for _, tc := range []struct {
		name, path, want string
		params           map[string]string
	}{
		{"the root", "/", "/", map[string]string{}},
		{"a literal", "/v1/videos", "/v1/videos", map[string]string{}},
		{"a variable", "/v1/videos/7", "/v1/videos/{id}", map[string]string{"id": "7"}},
		{"a literal beats a variable", "/v1/videos/latest", "/v1/videos/latest", map[string]string{}},
		{"a literal that leads nowhere gives way", "/v1/videos/latest/parts", "/v1/videos/{id}/parts", map[string]string{"id": "latest"}},
		{"the greedy variable takes the rest", "/v1/videos/7/parts/1", "/v1/{proxy+}", map[string]string{"proxy": "videos/7/parts/1"}},
		{"a variable does not take an empty segment", "/v1/videos//parts", "/v1/{proxy+}", map[string]string{"proxy": "videos//parts"}},
		{"a literal beats a variable in front", "/v1/status", "/v1/{proxy+}", map[string]string{"proxy": "status"}},
		{"a variable in front", "/v2/status", "/{stage}/status", map[string]string{"stage": "v2"}},
		{"a variable and a greedy one", "/v2/files/a/b", "/{stage}/files/{name+}", map[string]string{"stage": "v2", "name": "a/b"}},
		{"percent-encoding stays", "/v1/videos/a%2Fb%20c", "/v1/videos/{id}", map[string]string{"id": "a%2Fb%20c"}},
		{"nothing under a greedy variable's parent", "/v2/files", "", nil},
		{"nothing at all", "/v2", "", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			found, params := rt.find(normalize(tc.path))
			got := ""
			if found != nil {
				got = found.path
			}
			if got != tc.want {
				t.Errorf("%s is on %q, want %q", tc.path, got, tc.want)
			}
			if diff := cmp.Diff(tc.params, params); diff != "" {
				t.Errorf("params (-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzFind compares the tree with going through all routes one by one.
func FuzzFind(f *testing.F) {
	for _, path := range append([]string{"//v1//videos//", "/v1/videos/latest/parts", "/v2/files/a//b", "/%2F/status", "/{id}", ""}, routerPaths...) {
		f.Add(path)
	}
	rt := newRouter(f, routerPaths)
	f.Fuzz(func(t *testing.T, path string) {
		path = normalize(path)
		found, params := rt.find(path)
		want := findSlowly(path)
		if found == nil {
			if want != "" {
				t.Fatalf("%q is on nothing, want %s", path, want)
			}
			return
		}
		if found.path != want {
			t.Fatalf("%q is on %s, want %q", path, found.path, want)
		}
		filled := found.path
		for name, value := range params {
			filled = strings.ReplaceAll(filled, "{"+name+"}", value)
			filled = strings.ReplaceAll(filled, "{"+name+"+}", value)
		}
		if !strings.ContainsAny(path, "{}") && filled != path {
			t.Fatalf("%s with %v is %q, not %q", found.path, params, filled, path)
		}
	})
}

// findSlowly gives the most specific of all routes that fit: the first segment
// in which they differ decides, a literal before a variable before a greedy
// one.
func findSlowly(path string) string {
	best, bestRank := "", []int(nil)
	for _, route := range routerPaths {
		rank, ok := fit(segments(route), segments(path))
		if ok && (best == "" || slices.Compare(rank, bestRank) < 0) {
			best, bestRank = route, rank
		}
	}
	return best
}

func fit(route, path []string) (rank []int, ok bool) {
	for i, segment := range route {
		switch {
		case i >= len(path):
			return nil, false
		case strings.HasSuffix(segment, "+}"):
			return append(rank, 2), path[i] != ""
		case strings.HasPrefix(segment, "{"):
			if path[i] == "" {
				return nil, false
			}
			rank = append(rank, 1)
		case segment == path[i]:
			rank = append(rank, 0)
		default:
			return nil, false
		}
	}
	return rank, len(route) == len(path)
}
