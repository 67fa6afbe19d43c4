package metrics

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// kind is what a metric is in Prometheus.
type kind int

const (
	counter kind = iota
	histogram
	gauge
)

// unit is how a CloudWatch unit is measured in Prometheus: values are multiplied
// by scale, and the name ends in suffix.
type unit struct {
	kind   kind
	scale  float64
	suffix string
}

// The suffixes of several units.
const (
	inSeconds = "_seconds"
	inBytes   = "_bytes"
	inRate    = "_per_second"
	perSecond = "_bytes_per_second"
)

// Factors of what is not a base unit.
const (
	kilo = 1e3
	mega = 1e6
	giga = 1e9
	tera = 1e12
	bit  = 1.0 / 8
)

// units are CloudWatch's StandardUnit. Rates of bytes and what has no unit are
// gauges.
// Prefixes of bytes are the decimal ones.
var units = map[string]unit{
	"Count":        {counter, 1, "_total"},
	"Seconds":      {histogram, 1, inSeconds},
	"Milliseconds": {histogram, 1 / kilo, inSeconds},
	"Microseconds": {histogram, 1 / mega, inSeconds},
	"Bytes":        {histogram, 1, inBytes},
	"Kilobytes":    {histogram, kilo, inBytes},
	"Megabytes":    {histogram, mega, inBytes},
	"Gigabytes":    {histogram, giga, inBytes},
	"Terabytes":    {histogram, tera, inBytes},
	"Bits":         {histogram, bit, inBytes},
	"Kilobits":     {histogram, kilo * bit, inBytes},
	"Megabits":     {histogram, mega * bit, inBytes},
	"Gigabits":     {histogram, giga * bit, inBytes},
	"Terabits":     {histogram, tera * bit, inBytes},

	"":                 {gauge, 1, ""},
	"None":             {gauge, 1, ""},
	"Percent":          {gauge, 0.01, "_ratio"},
	"Count/Second":     {histogram, 1, inRate},
	"Bytes/Second":     {gauge, 1, perSecond},
	"Kilobytes/Second": {gauge, kilo, perSecond},
	"Megabytes/Second": {gauge, mega, perSecond},
	"Gigabytes/Second": {gauge, giga, perSecond},
	"Terabytes/Second": {gauge, tera, perSecond},
	"Bits/Second":      {gauge, bit, perSecond},
	"Kilobits/Second":  {gauge, kilo * bit, perSecond},
	"Megabits/Second":  {gauge, mega * bit, perSecond},
	"Gigabits/Second":  {gauge, giga * bit, perSecond},
	"Terabits/Second":  {gauge, tera * bit, perSecond},
}

// secondBuckets are from a warm call to the longest invocation, byteBuckets from a
// kilobyte to 64 GiB, rateBuckets from one in a second to ten thousand.
var (
	secondBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 900}
	rateBuckets   = []float64{1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000}
	byteBuckets   = []float64{1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 26, 1 << 28, 1 << 30, 1 << 32, 1 << 34, 1 << 36}
)

func (u unit) buckets() []float64 {
	switch u.suffix {
	case inBytes:
		return byteBuckets
	case inRate:
		return rateBuckets
	default:
		return secondBuckets
	}
}

const (
	homeNamespace = "Fotograma"
	maxName       = 100 // characters of a metric's or dimension's name
	maxLabel      = 120 // bytes of a dimension's value
)

// metricName names a metric as Prometheus does. The suffix of a counter or a
// histogram is always there, and a gauge never has one of those, so that no two
// kinds meet under one name.
func metricName(namespace, metric string, u unit) string {
	name := "fotograma_"
	if namespace != homeNamespace {
		name += snake(namespace) + "_"
	}
	base := snake(metric)
	switch u.suffix {
	case inSeconds:
		base = trimOne(base, "_ms", "_milliseconds", "_microseconds", inSeconds)
	case inBytes:
		base = trimOne(base, inBytes)
	case inRate:
		base = trimOne(base, inRate)
	case "_total":
		base = trimOne(base, "_total")
	case "_ratio":
		base = trimOne(base, "_percent", "_ratio")
	case "":
		if trimOne(base, "total", "seconds", "bytes", "sum", "count", "bucket") != base {
			base += "_value"
		}
	}
	return name + base + u.suffix
}

// Name is what a metric of a CloudWatch namespace and unit is called in Prometheus;
// a histogram's series have "_bucket", "_sum" and "_count" after that.
func Name(namespace, metric, cloudWatchUnit string) string {
	return metricName(namespace, metric, units[cloudWatchUnit])
}

func trimOne(text string, suffixes ...string) string {
	for _, suffix := range suffixes {
		if rest, ok := strings.CutSuffix(text, suffix); ok {
			return rest
		}
	}
	return text
}

// snake turns HTTPRequests2xx into http_requests2xx, and everything that is not a
// letter or digit of ASCII into "_".
func snake(text string) string {
	runes := []rune(text)
	var b strings.Builder
	for i, r := range runes[:min(len(runes), maxName)] {
		if unicode.IsUpper(r) && i > 0 && startsWord(runes, i) {
			b.WriteByte('_')
		}
		r = unicode.ToLower(r)
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			r = '_'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// startsWord tells whether the capital at i begins a word, and is not in the
// middle of an abbreviation.
func startsWord(runes []rune, i int) bool {
	before := runes[i-1]
	if unicode.IsLower(before) || unicode.IsDigit(before) {
		return true
	}
	return unicode.IsUpper(before) && i+1 < len(runes) && unicode.IsLower(runes[i+1])
}

// labelName names a dimension. Prometheus keeps names that start with "__" for
// itself, and "le" for histograms.
func labelName(dimension string) string {
	name := strings.TrimLeft(snake(dimension), "_")
	switch {
	case name == "" || name == "le" || unicode.IsDigit(rune(name[0])):
		return "dimension_" + name
	default:
		return name
	}
}

// labelValue cuts what is too long to be a dimension.
func labelValue(value string) string {
	value = strings.ToValidUTF8(value, "�")
	if len(value) <= maxLabel {
		return value
	}
	cut := maxLabel
	for !utf8.RuneStart(value[cut]) {
		cut--
	}
	return value[:cut] + "…"
}
