package schedule_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/internal/local/schedule"
)

// The Wednesday from which all tests look ahead.
var start = time.Date(2026, 2, 25, 10, 0, 30, 0, time.UTC)

func next(s schedule.Schedule, n int) []string {
	var out []string
	at := start
	for range n {
		at = s.Next(at)
		if at.IsZero() {
			return append(out, "never")
		}
		out = append(out, at.Format("Mon 2006-01-02 15:04:05"))
	}
	return out
}

func TestNext(t *testing.T) {
	tests := []struct {
		name       string
		expression string
		want       []string
	}{
		{"rate of a minute", "rate(1 minute)", []string{"Wed 2026-02-25 10:01:30", "Wed 2026-02-25 10:02:30"}},
		{"rate of hours", "rate(12 hours)", []string{"Wed 2026-02-25 22:00:30", "Thu 2026-02-26 10:00:30"}},
		{"rate of days", "rate(7 days)", []string{"Wed 2026-03-04 10:00:30"}},
		{"every minute", "cron(* * * * ? *)", []string{"Wed 2026-02-25 10:01:00", "Wed 2026-02-25 10:02:00"}},
		{"daily", "cron(0 10 * * ? *)", []string{"Thu 2026-02-26 10:00:00", "Fri 2026-02-27 10:00:00"}},
		{"later today", "cron(15 12 * * ? *)", []string{"Wed 2026-02-25 12:15:00", "Thu 2026-02-26 12:15:00"}},
		{"weekdays by name", "cron(0 18 ? * MON-FRI *)", []string{"Wed 2026-02-25 18:00:00", "Thu 2026-02-26 18:00:00", "Fri 2026-02-27 18:00:00", "Mon 2026-03-02 18:00:00"}},
		{"weekdays by number", "cron(0 18 ? * 2-6 *)", []string{"Wed 2026-02-25 18:00:00", "Thu 2026-02-26 18:00:00", "Fri 2026-02-27 18:00:00", "Mon 2026-03-02 18:00:00"}},
		{"first of the month", "cron(0 8 1 * ? *)", []string{"Sun 2026-03-01 08:00:00", "Wed 2026-04-01 08:00:00"}},
		{"every quarter of an hour", "cron(0/15 * * * ? *)", []string{"Wed 2026-02-25 10:15:00", "Wed 2026-02-25 10:30:00"}},
		{"increment from a number", "cron(5/20 * * * ? *)", []string{"Wed 2026-02-25 10:05:00", "Wed 2026-02-25 10:25:00", "Wed 2026-02-25 10:45:00", "Wed 2026-02-25 11:05:00"}},
		{"increment of all", "cron(*/30 9,17 * * ? *)", []string{"Wed 2026-02-25 17:00:00", "Wed 2026-02-25 17:30:00", "Thu 2026-02-26 09:00:00"}},
		{"increment in a range", "cron(0 0 1-10/3 * ? *)", []string{"Sun 2026-03-01 00:00:00", "Wed 2026-03-04 00:00:00", "Sat 2026-03-07 00:00:00", "Tue 2026-03-10 00:00:00", "Wed 2026-04-01 00:00:00"}},
		{"office hours", "cron(0/5 8-17 ? * MON-FRI *)", []string{"Wed 2026-02-25 10:05:00"}},
		{"last Friday of the month", "cron(15 10 ? * 6L 2026-2027)", []string{"Fri 2026-02-27 10:15:00", "Fri 2026-03-27 10:15:00"}},
		{"last Friday by name", "cron(15 10 ? * FRIL *)", []string{"Fri 2026-02-27 10:15:00", "Fri 2026-03-27 10:15:00"}},
		{"last day of the month", "cron(0 0 L * ? *)", []string{"Sat 2026-02-28 00:00:00", "Tue 2026-03-31 00:00:00", "Thu 2026-04-30 00:00:00"}},
		{"last day of the week", "cron(0 0 ? * L *)", []string{"Sat 2026-02-28 00:00:00", "Sat 2026-03-07 00:00:00"}},
		{"last weekday of the month", "cron(0 0 LW * ? *)", []string{"Fri 2026-02-27 00:00:00", "Tue 2026-03-31 00:00:00", "Thu 2026-04-30 00:00:00", "Fri 2026-05-29 00:00:00"}},
		{"weekday nearest to the third", "cron(0 0 3W * ? *)", []string{"Tue 2026-03-03 00:00:00", "Fri 2026-04-03 00:00:00", "Mon 2026-05-04 00:00:00"}},
		{"nearest to a first that is a Sunday, a Saturday", "cron(0 0 1W * ? *)", []string{"Mon 2026-03-02 00:00:00", "Wed 2026-04-01 00:00:00", "Fri 2026-05-01 00:00:00", "Mon 2026-06-01 00:00:00", "Wed 2026-07-01 00:00:00", "Mon 2026-08-03 00:00:00"}},
		{"nearest to a Saturday", "cron(0 0 28W 2 ? *)", []string{"Fri 2026-02-27 00:00:00", "Fri 2027-02-26 00:00:00"}},
		{"second Tuesday", "cron(0 0 ? * 3#2 *)", []string{"Tue 2026-03-10 00:00:00", "Tue 2026-04-14 00:00:00"}},
		{"fifth Friday", "cron(0 0 ? * FRI#5 *)", []string{"Fri 2026-05-29 00:00:00", "Fri 2026-07-31 00:00:00"}},
		{"31st, where there is one", "cron(0 0 31 * ? *)", []string{"Tue 2026-03-31 00:00:00", "Sun 2026-05-31 00:00:00"}},
		{"leap day", "cron(0 0 29 2 ? *)", []string{"Tue 2028-02-29 00:00:00", "Sun 2032-02-29 00:00:00"}},
		{"leap day of a common year", "cron(0 0 29 2 ? 2027)", []string{"never"}},
		{"lists of names", "cron(0 0 ? JAN,jun SUN,SAT *)", []string{"Sat 2026-06-06 00:00:00", "Sun 2026-06-07 00:00:00", "Sat 2026-06-13 00:00:00"}},
		{"every other year", "cron(0 0 1 1 ? 2026/2)", []string{"Sat 2028-01-01 00:00:00", "Tue 2030-01-01 00:00:00"}},
		{"in the past", "cron(0 0 1 1 ? 1999)", []string{"never"}},
		{"once", "cron(0 0 1 1 ? 2199)", []string{"Tue 2199-01-01 00:00:00", "never"}},
		{"more blanks", " cron( 0  10 * * ? * ) ", []string{"Thu 2026-02-26 10:00:00"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := schedule.Parse(tt.expression)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, next(s, len(tt.want))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNextIsInUTC(t *testing.T) {
	s, err := schedule.Parse("cron(0 10 * * ? *)")
	if err != nil {
		t.Fatal(err)
	}
	at := s.Next(start.In(time.FixedZone("São Paulo", -3*3600)))
	if want := time.Date(2026, 2, 26, 10, 0, 0, 0, time.UTC); !at.Equal(want) || at.Location() != time.UTC {
		t.Errorf("%v, want %v", at, want)
	}
}

func TestParseRefuses(t *testing.T) {
	for expression, want := range map[string]string{
		"":                                      "neither rate",
		"every minute":                          "neither rate",
		"rate(1 minute":                         "neither rate",
		"rate(1 second)":                        "neither rate",
		"rate(-1 minutes)":                      "neither rate",
		"rate(0 minutes)":                       "out of range",
		"rate(99999999999999 days)":             "out of range",
		"rate(1 minutes)":                       "one minute, but several minutes",
		"rate(5 minute)":                        "one minute, but several minutes",
		"cron(0 10 * * ?)":                      "six fields",
		"cron(0 10 * * ? * *)":                  "six fields",
		"cron(0 10 * * * *)":                    "must be ?",
		"cron(0 10 1 * MON *)":                  "must be ?",
		"cron(0 10 ? * ? *)":                    "must be ?",
		"cron(60 0 * * ? *)":                    "minutes",
		"cron(0 24 * * ? *)":                    "hours",
		"cron(0 0 0 * ? *)":                     "day-of-month",
		"cron(0 0 32 * ? *)":                    "day-of-month",
		"cron(0 0 32W * ? *)":                   "day-of-month",
		"cron(0 0 W * ? *)":                     "day-of-month",
		"cron(0 0 1 13 ? *)":                    "month",
		"cron(0 0 1 ENE ? *)":                   "month",
		"cron(0 0 ? * 0 *)":                     "day-of-week",
		"cron(0 0 ? * 8 *)":                     "day-of-week",
		"cron(0 0 ? * 8L *)":                    "day-of-week",
		"cron(0 0 ? * 3#6 *)":                   "day-of-week",
		"cron(0 0 ? * 2#1,3#1 *)":               "day-of-week",
		"cron(0 0 ? * FRI-MON *)":               "ends before it begins",
		"cron(0 0 * * ? 1969)":                  "year",
		"cron(0 0 * * ? 2200)":                  "year",
		"cron(0/0 0 * * ? *)":                   "increment",
		"cron(0/x 0 * * ? *)":                   "increment",
		"cron(0/60 0 * * ? *)":                  "increment",
		"cron(5/9223372036854775807 0 * * ? *)": "increment",
		"cron(1,,2 0 * * ? *)":                  "minutes",
		"cron(1-2-3 0 * * ? *)":                 "minutes",
		"cron(? 0 * * ? *)":                     "minutes",
		"at(2026-01-01T00:00:00)":               "neither rate",
		"cron(0 0 * * ? *) and again":           "neither rate",
	} {
		_, err := schedule.Parse(expression)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one about %s", expression, err, want)
		}
	}
}

// Whatever is accepted must name a time that is due by the plain reading of its
// fields, and no earlier minute may be.
func FuzzParse(f *testing.F) {
	for _, expression := range []string{"rate(5 minutes)", "cron(0/15 8-17 ? * 6L 2026)", "cron(5,10 * 31W 2/3 ? *)", "cron(0 0 ? * MON#5 *)"} {
		f.Add(expression)
	}
	f.Fuzz(func(t *testing.T, expression string) {
		s, err := schedule.Parse(expression)
		if err != nil {
			return
		}
		first := s.Next(start)
		if first.IsZero() {
			return
		}
		if !first.After(start) {
			t.Errorf("%v is not after %v", first, start)
		}
		if strings.Contains(expression, "cron") && first.Second() != 0 {
			t.Errorf("%v is no full minute", first)
		}
		if again := s.Next(first.Add(-time.Minute)); strings.Contains(expression, "cron") && !again.Equal(first) {
			t.Errorf("from a minute before %v it is %v", first, again)
		}
	})
}
