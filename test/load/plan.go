package main

import (
	"slices"
	"time"

	"github.com/fotograma/fotograma/test/measuring"
)

// plan is how much is measured, and for how long.
type plan struct {
	people  int           // each has a browser
	busy    int           // of them, whose videos are processed while they look on
	look    time.Duration // how long they look on, with each cache
	attacks []attack
	queued  int           // videos at once
	life    time.Duration // of the stack whose memory is looked at
	steady  steady
}

// attack is a load of requests that come whether those before were answered or not.
type attack struct {
	name   string
	rate   int // a second
	length time.Duration
}

// steady is the load under which memory is looked at.
type steady struct {
	attack   attack
	browsers int
	each     time.Duration // a video is uploaded
}

var full = plan{
	people: 500, busy: 200, look: 3 * time.Minute,
	attacks: []attack{
		{"sustained", 50, time.Minute},
		{"sustained, twice as much", 100, time.Minute},
		{"burst", 400, 10 * time.Second},
	},
	queued: 1000,
	life:   30 * time.Minute,
	steady: steady{attack{"steady", 20, 0}, 50, 5 * time.Second},
}

var quick = plan{
	people: 100, busy: 40, look: 30 * time.Second,
	attacks: []attack{
		{"sustained", 30, 15 * time.Second},
		{"sustained, twice as much", 60, 15 * time.Second},
		{"burst", 200, 5 * time.Second},
	},
	queued: 100,
	life:   3 * time.Minute,
	steady: steady{attack{"steady", 10, 0}, 20, 5 * time.Second},
}

// raised are the parameters with which the stack runs: the limits of people, networks
// and routes would end what is measured. Those of MethodSettings for logging in and the
// like stay. Who has more than three videos hears of them soon, in digests.
var raised = append(slices.Clone(measuring.Unlimited),
	"UnverifiedMails=100000", "DigestSeconds=20", "ApiRateLimit=100000", "ApiBurstLimit=100000")

// cached is a kind of cache before the queries.
type cached struct{ name, url string }

// caches are those of them that are compared; the first is the measure of the others.
var caches = []cached{
	{"no cache", "none"},
	{"in each process (default)", ""},
	{"shared: redis-server", "redis"},
}
