package schedule

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cron is a cron expression of six fields.
type cron struct {
	minutes, hours, months, years values
	day                           func(day time.Time) bool
}

// values are the numbers that a field stands for.
type values map[int]bool

// field is what a field may hold.
type field struct {
	name     string
	min, max int
	names    []string // of min, min+1, …
}

var (
	minuteField = field{name: "minutes", max: 59}
	hourField   = field{name: "hours", max: 23}
	dayField    = field{name: "day-of-month", min: 1, max: 31}
	monthField  = field{name: "month", min: 1, max: 12, names: []string{
		"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
	}}
	weekdayField = field{name: "day-of-week", min: 1, max: 7, names: []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}}
	yearField    = field{name: "year", min: 1970, max: 2199}
)

func parseCron(expression string) (*cron, error) {
	fields := strings.Fields(strings.ToUpper(expression))
	if len(fields) != 6 {
		return nil, fmt.Errorf("a cron expression has six fields, not %d", len(fields))
	}
	var c cron
	var err error
	for _, part := range []struct {
		field field
		text  string
		to    *values
	}{
		{minuteField, fields[0], &c.minutes},
		{hourField, fields[1], &c.hours},
		{monthField, fields[3], &c.months},
		{yearField, fields[5], &c.years},
	} {
		if *part.to, err = part.field.parse(part.text); err != nil {
			return nil, err
		}
	}
	c.day, err = parseDay(fields[2], fields[4])
	return &c, err
}

// parseDay reads the two fields that name days, one of which must be "?".
func parseDay(ofMonth, ofWeek string) (func(time.Time) bool, error) {
	switch {
	case (ofMonth == "?") == (ofWeek == "?"):
		return nil, errors.New("one of day-of-month and day-of-week must be ?, and only one")
	case ofWeek == "?":
		return parseDayOfMonth(ofMonth)
	default:
		return parseDayOfWeek(ofWeek)
	}
}

func parseDayOfMonth(text string) (func(time.Time) bool, error) {
	if text == "L" {
		return func(day time.Time) bool { return day.Day() == lastDay(day) }, nil
	}
	if text == "LW" {
		return func(day time.Time) bool { return day.Day() == nearestWeekday(day, lastDay(day)) }, nil
	}
	if number, ok := strings.CutSuffix(text, "W"); ok {
		n, err := dayField.number(number)
		return func(day time.Time) bool { return n <= lastDay(day) && day.Day() == nearestWeekday(day, n) }, err
	}
	days, err := dayField.parse(text)
	return func(day time.Time) bool { return days[day.Day()] }, err
}

func parseDayOfWeek(text string) (func(time.Time) bool, error) {
	if text == "L" { // the last day of the week
		text = "SAT"
	}
	if name, ok := strings.CutSuffix(text, "L"); ok {
		n, err := weekdayField.number(name)
		return func(day time.Time) bool { return weekday(day) == n && day.Day()+7 > lastDay(day) }, err
	}
	if name, count, ok := strings.Cut(text, "#"); ok {
		n, err := weekdayField.number(name)
		nth, err2 := field{name: "day-of-week", min: 1, max: 5}.number(count)
		return func(day time.Time) bool { return weekday(day) == n && (day.Day()-1)/7+1 == nth }, errors.Join(err, err2)
	}
	days, err := weekdayField.parse(text)
	return func(day time.Time) bool { return days[weekday(day)] }, err
}

// weekday is 1 for Sunday.
func weekday(day time.Time) int { return int(day.Weekday()) + 1 }

// lastDay is the number of days in the month.
func lastDay(day time.Time) int {
	return time.Date(day.Year(), day.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// nearestWeekday is the day from Monday to Friday that is nearest to the nth, in
// the same month.
func nearestWeekday(month time.Time, n int) int {
	switch time.Date(month.Year(), month.Month(), n, 0, 0, 0, 0, time.UTC).Weekday() {
	case time.Saturday:
		if n == 1 {
			return 3
		}
		return n - 1
	case time.Sunday:
		if n == lastDay(month) {
			return n - 2
		}
		return n + 1
	default:
		return n
	}
}

// parse reads a list of numbers, ranges and increments.
func (f field) parse(text string) (values, error) {
	out := values{}
	for item := range strings.SplitSeq(text, ",") {
		from, to, step, err := f.span(item)
		if err != nil {
			return nil, err
		}
		for n := from; n <= to; n += step {
			out[n] = true
		}
	}
	return out, nil
}

// span reads one of "*", "5", "1-5", and these with an increment: "*/10", "1/10",
// "1-30/10". A number with an increment goes to the field's end.
func (f field) span(item string) (from, to, step int, err error) {
	base, increment, stepped := strings.Cut(item, "/")
	step = 1
	if stepped {
		step, err = strconv.Atoi(increment)
		if err != nil || step < 1 || step > f.max {
			return 0, 0, 0, fmt.Errorf("%s: %q is no increment", f.name, increment)
		}
	}
	if base == "*" {
		return f.min, f.max, step, nil
	}
	low, high, isRange := strings.Cut(base, "-")
	if from, err = f.number(low); err != nil {
		return 0, 0, 0, err
	}
	switch {
	case isRange:
		to, err = f.number(high)
	case stepped:
		to = f.max
	default:
		to = from
	}
	if err == nil && to < from {
		err = fmt.Errorf("%s: %s ends before it begins", f.name, base)
	}
	return from, to, step, err
}

// number reads a number or a name.
func (f field) number(text string) (int, error) {
	if i := slices.Index(f.names, text); i >= 0 {
		return f.min + i, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < f.min || n > f.max {
		return 0, fmt.Errorf("%s: %q is not from %d to %d", f.name, text, f.min, f.max)
	}
	return n, nil
}

// next looks for the first minute after the time: year by year, month by month,
// day by day, so that even a rare one is found in a moment.
func (c *cron) next(after time.Time) time.Time {
	at := after.Truncate(time.Minute).Add(time.Minute)
	for at.Year() <= yearField.max {
		year, month, day := at.Date()
		switch {
		case !c.years[year]:
			at = time.Date(year+1, 1, 1, 0, 0, 0, 0, time.UTC)
		case !c.months[int(month)]:
			at = time.Date(year, month+1, 1, 0, 0, 0, 0, time.UTC)
		case !c.day(at):
			at = time.Date(year, month, day+1, 0, 0, 0, 0, time.UTC)
		case !c.hours[at.Hour()]:
			at = time.Date(year, month, day, at.Hour()+1, 0, 0, 0, time.UTC)
		case !c.minutes[at.Minute()]:
			at = at.Add(time.Minute)
		default:
			return at
		}
	}
	return time.Time{}
}
