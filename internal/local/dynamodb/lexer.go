package dynamodb

import "strings"

// tokenKind is the class of a token in an expression.
type tokenKind uint8

const (
	tokenEnd     tokenKind = iota
	tokenWord              // attribute name, function name or keyword
	tokenName              // #placeholder
	tokenValue             // :placeholder
	tokenInteger           // list index
	tokenSymbol            // operator or punctuation
	tokenUnknown           // a character no expression has
)

// token is a piece of an expression's text; start and end are its byte offsets.
type token struct {
	kind       tokenKind
	text       string
	start, end int
}

func (t token) is(symbol string) bool { return t.kind == tokenSymbol && t.text == symbol }

// keyword compares without regard to case, as the service does.
func (t token) keyword(word string) bool {
	return t.kind == tokenWord && strings.EqualFold(t.text, word)
}

// tokenize splits an expression; the last token is always tokenEnd.
func tokenize(source string) []token {
	var tokens []token
	for at := 0; at < len(source); {
		if strings.IndexByte(" \t\r\n", source[at]) >= 0 {
			at++
			continue
		}
		t := scanToken(source, at)
		tokens = append(tokens, t)
		at = t.end
	}
	return append(tokens, token{kind: tokenEnd, text: "<EOF>", start: len(source), end: len(source)})
}

func scanToken(source string, at int) token {
	kind, end := tokenUnknown, at+1
	switch c := source[at]; {
	case c == '#' || c == ':':
		end = at + 1 + spanWord(source[at+1:])
		if end > at+1 {
			kind = map[byte]tokenKind{'#': tokenName, ':': tokenValue}[c]
		}
	case isDigit(c):
		kind = tokenInteger
		for end < len(source) && isDigit(source[end]) {
			end++
		}
	case isWordByte(c):
		kind, end = tokenWord, at+spanWord(source[at:])
	case strings.IndexByte("()[],.=<>+-", c) >= 0:
		kind = tokenSymbol
		if end < len(source) && isLongSymbol(source[at:end+1]) {
			end++
		}
	}
	return token{kind: kind, text: source[at:end], start: at, end: end}
}

func isLongSymbol(text string) bool { return text == "<=" || text == ">=" || text == "<>" }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isWordByte(c byte) bool {
	return c == '_' || isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// spanWord is the length of the word that text begins with.
func spanWord(text string) int {
	n := 0
	for n < len(text) && isWordByte(text[n]) {
		n++
	}
	return n
}

// isWord says whether all of text is a word of at least one character.
func isWord(text string) bool { return text != "" && spanWord(text) == len(text) }
