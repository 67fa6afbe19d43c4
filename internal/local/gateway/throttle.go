package gateway

import (
	"fmt"
	"strings"

	"golang.org/x/time/rate"

	"github.com/fotograma/fotograma/internal/local/sam"
)

// addThrottles gives every method its token bucket. A stage's settings are
// those of each method for itself, not of all together: ten methods under one
// setting of 100 requests per second take 1,000.
func addThrottles(rt *router, settings []sam.MethodSetting) error {
	rules := map[[2]string]sam.MethodSetting{}
	for _, setting := range settings {
		key := settingKey(setting)
		if !rt.hasMethod(key[0], key[1]) {
			return fmt.Errorf("method setting for %s %s: the API has no such method", setting.HTTPMethod, setting.ResourcePath)
		}
		if _, twice := rules[key]; twice {
			return fmt.Errorf("method setting for %s %s is there twice", setting.HTTPMethod, setting.ResourcePath)
		}
		rules[key] = setting
	}
	for _, res := range rt.resources {
		for name, m := range res.methods {
			m.limiter = newLimiter(rules, res.path, name)
		}
	}
	return nil
}

// settingKey gives the path and the method that a setting is for, "*" for all.
// CloudFormation spells the path /a/b as it is or, as its own documentation
// has it, /~1a~1b.
func settingKey(setting sam.MethodSetting) [2]string {
	path := normalize(strings.ReplaceAll(setting.ResourcePath, "~1", "/"))
	if path == "/*" {
		path = "*"
	}
	return [2]string{path, setting.HTTPMethod}
}

func (rt *router) hasMethod(path, name string) bool {
	if path == "*" && name == "*" {
		return true
	}
	for _, res := range rt.resources {
		pathFits := path == "*" || res.path == path
		methodFits := name == "*" || res.methods[name] != nil
		if pathFits && methodFits {
			return true
		}
	}
	return false
}

// newLimiter makes the bucket of one method after the most specific setting
// that throttles it. Without one, only the account's limit holds.
func newLimiter(rules map[[2]string]sam.MethodSetting, path, name string) *rate.Limiter {
	for _, key := range [][2]string{{path, name}, {path, "*"}, {"*", name}, {"*", "*"}} {
		if rule, ok := rules[key]; ok && rule.Throttled {
			return rate.NewLimiter(rate.Limit(rule.RateLimit), rule.BurstLimit)
		}
	}
	return rate.NewLimiter(rate.Inf, 0)
}
