package main

import (
	"math"
	"os"
	"testing"
)

func TestTheDocumentHasWhatTheProgramWrites(t *testing.T) {
	f, err := read("../../template.yaml", "../../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../" + document)
	if err != nil {
		t.Fatal(err)
	}
	now, err := replaced(string(text), tables(f))
	if err != nil {
		t.Fatal(err)
	}
	if now != string(text) {
		t.Errorf("%s is not what is computed of template.yaml, docs/performance.md and the prices: run go run ./infra/cost", document)
	}
}

// An example by hand: ten minutes at 0.1 s a second are a minute of a worker.
func TestAVideoByHand(t *testing.T) {
	f := facts{rate: 0.1, gets: 1, puts: 0.1, days: 7}
	stages := f.stages(video{seconds: 600, megabits: 8, frameBytes: 1e5})
	for i, want := range map[int]float64{
		1: 60 * 3.455078125 * 0.0000133334,
		2: 600*0.0000004 + 60*0.000005,
		3: (0.6 + 0.06) * 7 / 30.4 * 0.023,
		9: 0.06 * 0.09,
	} {
		if got := stages[i].usd; math.Abs(got-want) > 1e-9 {
			t.Errorf("%s costs %.9f, not %.9f", stages[i].name, got, want)
		}
	}
}

func TestADocumentWithoutMarksIsRefused(t *testing.T) {
	if _, err := replaced("# Cost\n", "tables"); err == nil {
		t.Error("was written to")
	}
}
