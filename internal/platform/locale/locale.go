// Package locale knows the languages in which Fotograma speaks to people.
package locale

import "golang.org/x/text/language"

// Locale is a BCP 47 tag of a language that Fotograma speaks.
type Locale string

// The languages there are. English is the default.
const (
	English    Locale = "en"
	Portuguese Locale = "pt-BR"
)

// All lists the languages, the default first.
func All() []Locale { return []Locale{English, Portuguese} }

// Match picks the language that serves best: preferences are values of the
// Accept-Language header (RFC 9110, section 12.5.4) or BCP 47 tags, the more
// important first.
func Match(preferences ...string) Locale {
	all := All()
	tags := make([]language.Tag, len(all))
	for i, l := range all {
		tags[i] = language.MustParse(string(l))
	}
	_, i := language.MatchStrings(language.NewMatcher(tags), preferences...)
	return all[i]
}
