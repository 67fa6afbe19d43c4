package lambda

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Entry is one line of a function's log.
type Entry struct {
	Time     time.Time
	Function string // logical ID
	Text     string

	// Platform is for lines of the host's own, which have a Level. Lines of a
	// function say themselves how serious they are, or do not.
	Platform bool
	Level    slog.Level
}

// isEmbeddedMetric tells whether a line is in CloudWatch's embedded metric format.
func isEmbeddedMetric(line []byte) bool {
	if !bytes.Contains(line, []byte(`"_aws"`)) {
		return false
	}
	var root struct {
		AWS *struct {
			CloudWatchMetrics []json.RawMessage `json:"CloudWatchMetrics"`
		} `json:"_aws"`
	}
	return json.Unmarshal(line, &root) == nil && root.AWS != nil && len(root.AWS.CloudWatchMetrics) > 0
}

// message is a line taken apart.
type message struct {
	level  slog.Level
	text   string
	attrs  []attr
	blocks []string // what has several lines, such as a stack
}

type attr struct{ key, value string }

// stdLogTime is how the standard library's logger, which aws-lambda-go uses for a
// function's errors, starts a line.
var stdLogTime = regexp.MustCompile(`^\d{4}/\d{2}/\d{2} \d{2}:\d{2}:\d{2} `)

// parseLine takes apart a line of log/slog's JSON handler, or the error that
// aws-lambda-go writes; anything else is one text.
func parseLine(line string) message {
	body := stdLogTime.ReplaceAllString(line, "")
	members, ok := objectMembers([]byte(body))
	if !ok {
		return message{text: line}
	}
	var m message
	for _, member := range members {
		m.add(member.key, member.value)
	}
	return m
}

// member is one member of a JSON object.
type member struct {
	key   string
	value json.RawMessage
}

// objectMembers gives the members of a JSON object in their order.
func objectMembers(data []byte) ([]member, bool) {
	if !bytes.HasPrefix(data, []byte("{")) || !json.Valid(data) {
		return nil, false
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	if _, err := decoder.Token(); err != nil {
		return nil, false
	}
	var members []member
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return nil, false
		}
		name, _ := key.(string)
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, false
		}
		members = append(members, member{name, value})
	}
	return members, true
}

func (m *message) add(key string, value json.RawMessage) {
	var text string
	isText := json.Unmarshal(value, &text) == nil && string(value) != "null"
	switch {
	case key == "time" || key == "timestamp" || key == "function":
		// both have a column of their own
	case key == "level" && isText && m.level.UnmarshalText([]byte(text)) == nil:
	case (key == "msg" || key == "message") && isText && m.text == "":
		m.text = text
	case key == "errorMessage" && isText && m.text == "":
		m.text, m.level = text, slog.LevelError
	case key == "stackTrace":
		m.addStack(value)
	case isText && strings.Contains(text, "\n"):
		m.blocks = append(m.blocks, key+":\n"+text)
	case isText:
		m.attrs = append(m.attrs, attr{key, quoteIfNeeded(text)})
	default:
		m.addValue(key, value)
	}
}

// addValue adds what is not a string: the members of an object by themselves, as
// slog's groups are.
func (m *message) addValue(key string, value json.RawMessage) {
	members, ok := objectMembers(value)
	if !ok {
		m.attrs = append(m.attrs, attr{key, string(value)})
		return
	}
	for _, inner := range members {
		m.add(key+"."+inner.key, inner.value)
	}
}

// addStack adds the stack trace of a panic in a function.
func (m *message) addStack(value json.RawMessage) {
	var frames []struct {
		Path  string `json:"path"`
		Line  int    `json:"line"`
		Label string `json:"label"`
	}
	if json.Unmarshal(value, &frames) != nil || len(frames) == 0 {
		return
	}
	var stack strings.Builder
	for _, f := range frames {
		stack.WriteString(f.Label + " " + f.Path + ":" + strconv.Itoa(f.Line) + "\n")
	}
	m.blocks = append(m.blocks, stack.String())
}

func quoteIfNeeded(text string) string {
	if text == "" || strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r) || r == '"' || r == '='
	}) {
		return strconv.Quote(text)
	}
	return text
}
