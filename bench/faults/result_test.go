package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"session-manager/bench/cluster"
)

func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		name    string
		fill    func(*Result)
		verdict string
		broken  bool
	}{
		{"nothing measured", func(*Result) {}, "PASS", false},
		{"a figure without a bar", func(r *Result) { r.tell("x", 1e9, "ms") }, "PASS", false},
		{"at the bar", func(r *Result) { r.atMost("x", 10, "ms", 10) }, "PASS", false},
		{"above the bar", func(r *Result) { r.atMost("x", 10.1, "ms", 10) }, "FALL SHORT", false},
		{"a bar, and nothing to hold against it", func(r *Result) { r.atMost("x", math.NaN(), "ms", 10) }, "FALL SHORT", false},
		{"a spread of nothing with a bar", func(r *Result) { r.spread("x", nil, 0, time.Second, 0) }, "FALL SHORT", false},
		{"a promise that held", func(r *Result) { r.never("lost", 0) }, "PASS", false},
		{"a promise that did not", func(r *Result) { r.never("lost", 1) }, "FALL SHORT", true},
		{"could not be carried out", func(r *Result) { r.Err = "no" }, "ERROR", true},
	} {
		r := &Result{Scenario: "s"}
		c.fill(r)
		if r.Verdict() != c.verdict || r.Broken() != c.broken {
			t.Errorf("%s: %s, broken %v; want %s, %v", c.name, r.Verdict(), r.Broken(), c.verdict, c.broken)
		}
		if !strings.HasPrefix(r.String(), c.verdict+" s: ") {
			t.Errorf("%s: line %q", c.name, r)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestQuantiles(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(100-i) * time.Millisecond
	}
	for _, c := range []struct {
		all     []time.Duration
		q, want float64
	}{
		{hundred, 0.5, 50}, {hundred, 0.99, 99}, {hundred, 1, 100}, {hundred, 0, 1},
		{hundred[:1], 0.5, 100}, {hundred[:1], 0.99, 100},
	} {
		if got := quantile(c.all, c.q); got != c.want {
			t.Errorf("quantile %v of %d: %v, want %v", c.q, len(c.all), got, c.want)
		}
	}
	if !math.IsNaN(quantile(nil, 0.5)) {
		t.Error("a quantile of nothing is known")
	}
}

// Sockets as the emulator logs them: a gap is where a device has none.
func TestGaps(t *testing.T) {
	begun := time.Now()
	at := func(s float64) time.Time { return begun.Add(time.Duration(s * float64(time.Second))) }
	in := func(s float64) moment { return moment{at(s), true} }
	out := func(s float64) moment { return moment{at(s), false} }
	for _, c := range []struct {
		name    string
		moments []moment
		want    string
	}{
		{"never gone", []moment{in(-5)}, "[]"},
		{"a move", []moment{in(-5), out(2), in(2.5)}, "[500ms]"},
		{"gone before", []moment{in(-5), out(-2), in(2)}, "[]"},
		{"an overlap is no gap: the new socket comes first", []moment{in(-5), in(2), out(2.1)}, "[]"},
		{"two moves", []moment{in(-5), out(2), in(3), out(4), in(6)}, "[1s 2s]"},
		{"not back", []moment{in(-5), out(7)}, "[3s]"},
		{"back after the span", []moment{in(-5), out(7), in(12)}, "[3s]"},
	} {
		if got := gapsOf(c.moments, begun, at(10)); text(got) != c.want {
			t.Errorf("%s: %v, want %s", c.name, got, c.want)
		}
	}
}

func text(all []time.Duration) string {
	var words []string
	for _, d := range all {
		words = append(words, d.String())
	}
	return "[" + strings.Join(words, " ") + "]"
}

func TestDensest(t *testing.T) {
	begun := time.Now()
	var at []time.Time
	for _, ms := range []int{0, 100, 900, 1500, 1600, 1700, 3000} {
		at = append(at, begun.Add(time.Duration(ms)*time.Millisecond))
	}
	for span, want := range map[time.Duration]int{time.Second: 4, 100 * time.Millisecond: 2, time.Hour: 7, 0: 1} {
		if got := densest(at, span); got != want {
			t.Errorf("densest within %v: %d, want %d", span, got, want)
		}
	}
	if densest(nil, time.Second) != 0 {
		t.Error("moments in nothing")
	}
}

func TestLogLines(t *testing.T) {
	log := "time=2026-11-24T03:57:46.873Z level=ERROR msg=\"it stops\"\n" +
		"time=2026-11-24T03:57:46.885Z level=INFO msg=\"nothing runs on the lease any more\" lease=7\n"
	if got := loggedAt(log, "nothing runs"); got.Format("15:04:05.000") != "03:57:46.885" {
		t.Errorf("logged at %v", got)
	}
	if !loggedAt(log, "something else").IsZero() {
		t.Error("a line was found that is not there")
	}
	if got := warnings(log); len(got) != 2 {
		t.Errorf("warnings %q", got)
	}
}

func TestErrorsAreCountedByKind(t *testing.T) {
	refused := &cluster.Refusal{Call: "POST /send", Status: 503, Code: "STORE_UNAVAILABLE"}
	reset := &net.OpError{Op: "read", Err: syscall.ECONNRESET, Addr: &net.TCPAddr{Port: 1}}
	for _, c := range []struct {
		err  error
		want string
	}{
		{refused, "POST /send: 503 STORE_UNAVAILABLE"},
		{fmt.Errorf("try 3: %w", refused), "POST /send: 503 STORE_UNAVAILABLE"},
		{&url.Error{Op: "Post", URL: "http://127.0.0.1:1/send", Err: reset}, "read: connection reset by peer"},
		{&url.Error{Op: "Post", URL: "http://127.0.0.1:1/send", Err: context.DeadlineExceeded}, "no answer in time"},
		{&url.Error{Op: "Post", URL: "http://127.0.0.1:1/send", Err: io.EOF}, "EOF"},
	} {
		if got := kindOf(c.err); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}

func TestScenariosAreAsked(t *testing.T) {
	for name, s := range scenarios {
		if s.run == nil || s.about == "" {
			t.Errorf("scenario %s is not complete", name)
		}
		if (Options{Scenario: name}).Cuts() != (s.cuts || s.storeMB > 0) {
			t.Errorf("scenario %s: cuts %v", name, s.cuts)
		}
	}
	if err := Run(t.Context(), Options{Scenario: "kill,floods"}); err == nil || !strings.Contains(err.Error(), `"floods"`) {
		t.Errorf("an unknown scenario: %v", err)
	}
}

func TestTotals(t *testing.T) {
	good, bad := &Result{Scenario: "a"}, &Result{Scenario: "a"}
	for n, r := range []*Result{good, bad} {
		r.tell("sends", 10, "")
		r.tell("wait", 7, "ms")
		r.never("lost", n)
		r.atMost("most logins of one device in 10 s", 1, "", mostLogins)
	}
	if got, want := total("a", []*Result{good, bad, {Scenario: "b"}}), "TOTAL a: 2 runs, 1 broken, sends 20, lost 1"; got != want {
		t.Errorf("%s; want %s", got, want)
	}
}
