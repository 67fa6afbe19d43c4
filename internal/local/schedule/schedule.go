// Package schedule is EventBridge's schedules on one machine: it understands rate
// and cron expressions and sends functions the event that a scheduled rule sends.
//
// Expressions are those of EventBridge rules: times in UTC, to the minute. What
// AWS would refuse is refused, and so is what its documentation leaves open, like
// ranges over the end of the week. No Go module was found to do this: the ones that
// know the dialect's L, W and # take the 31st of February for a day in March
// (reugn/go-quartz v0.15.2) or number the days of the week from zero
// (hashicorp/cronexpr).
//
// Source: "Setting a schedule pattern for scheduled rules" of the EventBridge user
// guide, with the cron expressions reference.
package schedule

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Schedule says when something is due.
type Schedule struct {
	every time.Duration // of a rate
	cron  *cron         // else
}

var rateExpression = regexp.MustCompile(`^rate\(\s*([0-9]+)\s+(minute|hour|day)(s?)\s*\)$`)

var rateUnits = map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}

// maxRate is the longest rate that is taken: it keeps times within what a
// [time.Duration] can hold.
const maxRate = 100 * 365 * 24 * time.Hour

// Parse reads a schedule expression: "rate(5 minutes)" or "cron(0 10 * * ? *)".
// The error says what is wrong with it.
func Parse(expression string) (Schedule, error) {
	s, err := parse(strings.TrimSpace(expression))
	if err != nil {
		return Schedule{}, fmt.Errorf("schedule %q: %w", expression, err)
	}
	return s, nil
}

func parse(expression string) (Schedule, error) {
	if fields, ok := strings.CutPrefix(expression, "cron("); ok && strings.HasSuffix(fields, ")") {
		c, err := parseCron(strings.TrimSuffix(fields, ")"))
		return Schedule{cron: c}, err
	}
	match := rateExpression.FindStringSubmatch(expression)
	if match == nil {
		return Schedule{}, errors.New("neither rate(value unit) nor cron(minutes hours day-of-month month day-of-week year)")
	}
	value, err := strconv.Atoi(match[1])
	unit := rateUnits[match[2]]
	switch {
	case err != nil || value < 1 || value > int(maxRate/unit):
		return Schedule{}, fmt.Errorf("a rate of %s is out of range", match[1])
	case (value == 1) != (match[3] == ""):
		return Schedule{}, fmt.Errorf("one %s, but several %ss", match[2], match[2])
	}
	return Schedule{every: time.Duration(value) * unit}, nil
}

// Next is the first time after the given one at which the schedule is due, in UTC.
// A rate counts from that time. The zero time means never.
func (s Schedule) Next(after time.Time) time.Time {
	if s.cron == nil {
		return after.Add(s.every).UTC()
	}
	return s.cron.next(after.UTC())
}
