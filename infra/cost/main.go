// Command cost writes the tables of docs/cost.md: what Fotograma costs on AWS, from
// prices and use below. Whoever has other prices changes them and runs
//
//	go run ./infra/cost
package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// price is in USD for one of a unit.
type price struct {
	name, unit string
	usd        float64
}

// Prices of us-east-1 without free tiers, as AWS' price lists had them in the middle
// of 2025. They were written from memory and must be looked up before they decide
// anything.
var (
	lambdaTime     = price{"Lambda, arm64", "GB-second", 0.0000133334}
	lambdaCall     = price{"Lambda", "million calls", 0.20}
	s3Month        = price{"S3 Standard", "GB-month", 0.023}
	s3Put          = price{"S3 PUT, POST, LIST", "million requests", 5.00}
	s3Get          = price{"S3 GET", "million requests", 0.40}
	queueCall      = price{"SQS, standard", "million requests", 0.40}
	tableWrite     = price{"DynamoDB on demand, writing", "million units", 0.625}
	tableRead      = price{"DynamoDB on demand, reading", "million units", 0.125}
	apiCall        = price{"API Gateway, REST", "million requests", 3.50}
	mail           = price{"SES", "thousand mails", 0.10}
	egress         = price{"Data to the Internet", "GB", 0.09}
	logs           = price{"CloudWatch Logs, taken in", "GB", 0.50}
	alarm          = price{"CloudWatch alarm", "month", 0.10}
	customMetric   = price{"CloudWatch metric of our own", "month", 0.30}
	secret         = price{"Secrets Manager", "secret and month", 0.40}
	mediaConvert   = price{"MediaConvert, basic, HD, to 30 fps", "minute of output", 0.015}
	server         = price{"EC2 c7g.large (2 vCPU, 4 GiB)", "hour", 0.0725}
	serverExtras   = price{"its disk of 30 GB and its address", "hour", 0.0083}
	million        = 1e6
	monthHours     = 730.0
	bytesPerGB     = 1e9
	pollersOfQueue = 5.0 // that Lambda begins with, for each event source
)

var prices = []price{
	lambdaTime, lambdaCall, s3Month, s3Put, s3Get, queueCall, tableWrite, tableRead, apiCall, mail, egress, logs,
	alarm, customMetric, secret, mediaConvert, server, serverExtras,
}

// video is what is assumed of one, at one JPEG a second.
type video struct {
	name       string
	seconds    float64
	megabits   float64 // a second
	frameBytes float64
}

var videos = []video{
	{"1 minute, 1080p", 60, 5, 250e3},
	{"10 minutes, 1080p", 600, 5, 250e3},
	{"1 hour, 1080p", 3600, 5, 250e3},
}

// What one video asks for however long it is. It was counted in the traces of uploads to
// the local stack (`fotograma trace ID --json`), but for what is marked.
const (
	messages     = 7.0      // 6 SendMessage, and one before the archive expires (assumed); each is received and deleted, too
	reads        = 79.0     // 29 GetItem, 2 for each of the 20 requests below, 10 before the archive expires (both assumed)
	writes       = 57.0     // 12 single ones, 5 transactions of 3 rows at 2 units, 5 of indexes, 10 before the archive expires (all but the first assumed)
	mails        = 2.0      // that it is ready, and that it expires
	calls        = 25.0     // requests of the API: 5 by the command line, some 20 of a browser that looks on (assumed)
	callSeconds  = 0.02     // of a function of 512 MB (assumed)
	eventSeconds = 0.1      // of a function of 256 MB for a message (assumed)
	logBytes     = 2e3      // for each call of a function (assumed)
	partBytes    = 16 << 20 // of a multipart upload (assumed)
	downloads    = 1.0      // of each archive (assumed)
)

// facts are read out of the repository.
type facts struct {
	rate       float64 // seconds of a worker of 2 vCPUs for a second of video
	gets, puts float64 // for a second of video
	days       float64 // RetentionDays
	alarms     float64
	secrets    float64
	sources    float64 // event sources on queues
	sweeps     float64 // schedules of a minute
	routes     float64
}

// workerGB is the memory of two vCPUs, with which the rate was measured. Decoding takes
// as many GB-seconds with less memory, which is less CPU.
const workerGB = 2 * 1769.0 / 1024

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "cost:", err)
		os.Exit(1)
	}
}

const document = "docs/cost.md"

func run() error {
	f, err := read("template.yaml", "docs/performance.md")
	if err != nil {
		return err
	}
	old, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	written, err := replaced(string(old), tables(f))
	if err != nil {
		return err
	}
	return os.WriteFile(document, []byte(written), 0o600) //nolint:gosec // G703: its name is a constant
}

const (
	begin = "<!-- What `go run ./infra/cost` writes begins here. -->\n"
	end   = "<!-- What `go run ./infra/cost` writes ends here. -->\n"
)

// replaced puts the tables between the marks of the document.
func replaced(text, tables string) (string, error) {
	before, rest, ok := strings.Cut(text, begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return "", fmt.Errorf("%s lacks the marks between which the tables stand", document)
	}
	return before + begin + "\n" + tables + "\n" + end + after, nil
}

var (
	rateLine    = regexp.MustCompile(`Measured: ([0-9.]+) s of a worker for a second`)
	requestLine = regexp.MustCompile(`([0-9.]+) GET and ([0-9.]+) PUT or POST requests for a second`)
	retention   = regexp.MustCompile(`(?m)^  RetentionDays:\n    Type: Number\n    Default: ([0-9]+)`)
)

func read(templateFile, performanceFile string) (facts, error) {
	template, err := os.ReadFile(templateFile)
	if err != nil {
		return facts{}, err
	}
	performance, err := os.ReadFile(performanceFile)
	if err != nil {
		return facts{}, err
	}
	text, f := string(template), facts{}
	for to, found := range map[*float64][]string{
		&f.rate: rateLine.FindStringSubmatch(string(performance)),
		&f.gets: requestLine.FindStringSubmatch(string(performance)),
		&f.puts: last(requestLine.FindStringSubmatch(string(performance))),
		&f.days: retention.FindStringSubmatch(text),
	} {
		if len(found) < 2 {
			return facts{}, fmt.Errorf("a number that was in %s or %s is not there", templateFile, performanceFile)
		}
		if *to, err = strconv.ParseFloat(found[1], 64); err != nil {
			return facts{}, err
		}
	}
	f.alarms = count(text, "Type: AWS::CloudWatch::Alarm")
	f.secrets = count(text, "Type: AWS::SecretsManager::Secret")
	f.sources = count(text, "Type: SQS\n")
	f.sweeps = count(text, "Schedule: rate(1 minute)")
	f.routes = count(text, "Type: Api\n")
	return f, nil
}

func last(found []string) []string {
	if len(found) == 0 {
		return nil
	}
	return []string{"", found[len(found)-1]}
}

func count(text, what string) float64 { return float64(strings.Count(text, what)) }

// stage is a line of a table.
type stage struct {
	name, formula string
	usd           float64
}

// stages are what one video costs.
func (f facts) stages(v video) []stage {
	upload := v.seconds * v.megabits * million / 8
	archive := v.seconds * v.frameBytes
	perMessage := eventSeconds * 0.25 * lambdaTime.usd
	return []stage{
		{
			"Upload", "parts x S3 PUT; taking data in costs nothing",
			(2 + upload/partBytes) * s3Put.usd / million,
		},
		{
			"Processing", "seconds x rate x GB of two vCPUs x Lambda",
			v.seconds * f.rate * workerGB * lambdaTime.usd,
		},
		{
			"Its requests of S3", "seconds x (GETs + PUTs)",
			v.seconds * (f.gets*s3Get.usd + f.puts*s3Put.usd) / million,
		},
		{
			"Storage", "(upload + archive) x RetentionDays / 30.4",
			(upload + archive) / bytesPerGB * f.days / 30.4 * s3Month.usd,
		},
		{
			"Messages", "messages x (3 requests of SQS + a call of a function)",
			messages * (3*queueCall.usd/million + lambdaCall.usd/million + perMessage),
		},
		{
			"DynamoDB", "units written and read",
			(writes*tableWrite.usd + reads*tableRead.usd) / million,
		},
		{
			"API", "calls x (API Gateway + function)",
			calls * (apiCall.usd/million + lambdaCall.usd/million + callSeconds*0.5*lambdaTime.usd),
		},
		{"Mail", "mails x SES", mails * mail.usd / 1000},
		{"Logs", "calls of functions x bytes", (calls + messages + 1) * logBytes / bytesPerGB * logs.usd},
		{
			"Download", "archive x downloads x data to the Internet",
			archive / bytesPerGB * downloads * egress.usd,
		},
	}
}

func sum(stages []stage) float64 {
	total := 0.0
	for _, s := range stages {
		total += s.usd
	}
	return total
}

// idle is a month in which nobody uploads anything, and below that what comes with use
// however little it is.
func (f facts) idle() []stage {
	polls := f.sources * pollersOfQueue * monthHours * 3600 / 20
	sweeps := f.sweeps * monthHours * 60
	return []stage{
		{
			"Looking for messages", fmt.Sprintf("%.0f event sources x %.0f pollers x a request in 20 s", f.sources, pollersOfQueue),
			polls * queueCall.usd / million,
		},
		{
			"Sweeps", fmt.Sprintf("%.0f a minute, 0.1 s of 256 MB and 3 reads each (assumed)", f.sweeps),
			sweeps * (lambdaCall.usd/million + 0.1*0.25*lambdaTime.usd + 3*tableRead.usd/million + logBytes/bytesPerGB*logs.usd),
		},
		{"Alarms", fmt.Sprintf("%.0f", f.alarms), f.alarms * alarm.usd},
		{"Secrets", fmt.Sprintf("%.0f", f.secrets), f.secrets * secret.usd},
	}
}

func tables(f facts) string {
	var out strings.Builder
	out.WriteString("### Prices\n\n| what | for one | USD |\n| --- | --- | --- |\n")
	for _, p := range prices {
		fmt.Fprintf(&out, "| %s | %s | %s |\n", p.name, p.unit, strconv.FormatFloat(p.usd, 'f', -1, 64))
	}
	videoTable(&out, f)
	fmt.Fprintf(&out, "\n### A month in which nothing happens\n\n| what | how much | USD |\n| --- | --- | --- |\n")
	for _, s := range f.idle() {
		fmt.Fprintf(&out, "| %s | %s | %.2f |\n", s.name, s.formula, s.usd)
	}
	fmt.Fprintf(&out, "| **All** | | **%.2f** |\n", sum(f.idle()))
	fmt.Fprintf(&out, "\nAPI Gateway's metrics of each method (`MetricsEnabled`) come on top, for the hours in which a method is\n"+
		"called: at most %.0f methods with 5 metrics each, %.2f USD a month.\n", f.routes, f.routes*5*customMetric.usd)
	alternatives(&out, f)
	return out.String()
}

func videoTable(out *strings.Builder, f facts) {
	out.WriteString("\n### 1,000 videos\n\nIn USD; the last column is an hour of video, out of videos of ten minutes.\n\n| stage | formula for one |")
	for _, v := range videos {
		fmt.Fprintf(out, " %s |", v.name)
	}
	out.WriteString(" an hour |\n| --- | --- |" + strings.Repeat(" --- |", len(videos)+1) + "\n")
	columns := make([][]stage, 0, len(videos))
	for _, v := range videos {
		columns = append(columns, f.stages(v))
	}
	for i, s := range columns[0] {
		fmt.Fprintf(out, "| %s | %s |", s.name, s.formula)
		for _, column := range columns {
			fmt.Fprintf(out, " %.2f |", 1000*column[i].usd)
		}
		fmt.Fprintf(out, " %.5f |\n", 6*columns[1][i].usd)
	}
	out.WriteString("| **All** | |")
	for _, column := range columns {
		fmt.Fprintf(out, " **%.2f** |", 1000*sum(column))
	}
	fmt.Fprintf(out, " **%.5f** |\n", 6*sum(columns[1]))
}

// alternatives compares the processing of an hour of video.
func alternatives(out *strings.Builder, f facts) {
	ours := 3600 * f.rate * workerGB * lambdaTime.usd
	worker := workerGB * 3600 * lambdaTime.usd
	hour := server.usd + serverExtras.usd
	fmt.Fprintf(out, "\n### The same work elsewhere\n\n| who decodes an hour of video | formula | USD |\n| --- | --- | --- |\n")
	fmt.Fprintf(out, "| ProcessFunction | 3600 x rate x GB x Lambda | %.4f |\n", ours)
	fmt.Fprintf(out, "| MediaConvert | 60 x minute of output | %.4f |\n", 60*mediaConvert.usd)
	fmt.Fprintf(out, "| a server that is never idle | rate x hour | %.4f |\n", f.rate*hour)
	fmt.Fprintf(out, "| the same, idle nine hours of ten | rate x hour / 0.1 | %.4f |\n", f.rate*hour/0.1)
	fmt.Fprintf(out, "\nAn hour of a busy worker of two vCPUs is %.4f USD, one of the server %.4f: the server is cheaper where it is\n"+
		"busy for more than %.0f %% of the time, which is %.1f hours of video an hour for each server.\n",
		worker, hour, 100*hour/worker, hour/worker/f.rate)
}
