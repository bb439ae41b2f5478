package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func small(t *testing.T, name string, o Options) *Result {
	t.Helper()
	var out bytes.Buffer
	o.Scenario, o.BinDir, o.Out, o.Verbose = name, programs(t), &out, true
	o.File = filepath.Join(t.TempDir(), "results.json")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	err := Run(ctx, o)
	t.Log("\n" + out.String())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(o.File)
	if err != nil {
		t.Fatal(err)
	}
	var results []*Result
	if err := json.Unmarshal(raw, &results); err != nil || len(results) != 1 || results[0].Scenario != name {
		t.Fatalf("results in the file: %s, %v", raw, err)
	}
	return results[0]
}

func (r *Result) figure(t *testing.T, name string) float64 {
	t.Helper()
	for _, f := range r.Figures {
		if f.Name == name {
			return float64(f.Value)
		}
	}
	t.Fatalf("no figure %q in %s", name, r)
	return 0
}

// The promises are kept, and the bad thing has really been done: clientes did change nodes.
func TestKill(t *testing.T) {
	r := small(t, "kill", Options{Clientes: 9, Rate: 30})
	if r.figure(t, "READY elsewhere count") < 3 || r.figure(t, "sends") < 50 {
		t.Errorf("it was too quiet: %s", r)
	}
}

// A cut is a cut: a node that is left neither etcd nor the store loses its clientes. It runs in a
// process of its own, which has the networks.
func TestCutFromEtcdAndStore(t *testing.T) {
	if Inside() {
		r := small(t, "cut-etcd-store", Options{Clientes: 9, Rate: 30, For: 10 * time.Second})
		if n := r.figure(t, "its clientes"); n < 3 || r.figure(t, "of these logged in elsewhere") != n {
			t.Errorf("the node was not cut off: %s", r)
		}
		return
	}
	for _, tool := range []string{"ip", "nft", "nsenter"} {
		if _, err := exec.LookPath(tool); err != nil || os.Geteuid() != 0 {
			t.Skip("needs root, and Debian's iproute2, nftables and util-linux")
		}
	}
	programs(t)
	code, err := Again(t.Context(), "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=3m")
	if code != 0 || err != nil {
		t.Errorf("exit code %d, %v", code, err)
	}
}

// What is told is what was: the checks find what they are for when it is put before them.
func TestChecksFindWhatTheyLookFor(t *testing.T) {
	o := Options{BinDir: programs(t), Out: &bytes.Buffer{}}.filled(Options{Clientes: 2, Rate: 20})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w, err := begin(ctx, o, scenario{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	}()
	l := w.startLoad(o.Rate)
	if err := sleep(ctx, time.Second); err != nil {
		t.Fatal(err)
	}
	l.end()
	if lost, doubled, err := w.compare(ctx, l); len(lost)+len(doubled) != 0 || err != nil || len(l.sends) == 0 {
		t.Fatalf("of %d sends, lost %v, doubled %v, %v", len(l.sends), lost, doubled, err)
	}
	c := w.clientes[0]
	for range 2 {
		if _, err := w.Emulator.SendMessage(ctx, w.writerTo(c), friendOf(c), "twice"); err != nil {
			t.Fatal(err)
		}
	}
	l.sends = append(l.sends, &send{to: friendOf(c), text: "never sent", id: "1"}, &send{to: friendOf(c), text: "twice", id: "2"})
	lost, doubled, err := w.compare(ctx, l)
	if len(lost) != 1 || lost[0].text != "never sent" || len(doubled) != 1 || !strings.HasPrefix(doubled[0], "twice") || err != nil {
		t.Errorf("lost %q, doubled %q, %v", texts(lost), doubled, err)
	}

	stale := func() float64 {
		r := &Result{}
		if err := w.audit.sum(ctx, r); err != nil {
			t.Fatal(err)
		}
		return r.figure(t, "stale rows")
	}
	if n := stale(); n != 0 {
		t.Errorf("%v stale rows before there was any", n)
	}
	// The harness's own connection has no fence: what it writes is stale.
	if _, err := w.audit.db.ExecContext(ctx, "UPDATE sends SET done = done WHERE cliente = $1 AND key = $2", int64(c), l.sends[0].text); err != nil {
		t.Fatal(err)
	}
	if n := stale(); n != 1 {
		t.Errorf("%v stale rows, want the one that was written", n)
	}
}

// Phones lose their sessions while both sides write: everything is asked for and sent again.
func TestFaultA1PhonesForget(t *testing.T) {
	r := small(t, "phones-forget", Options{Clientes: 4, Rate: 40, For: 2 * time.Second})
	if r.figure(t, "times that each phone lost its sessions") < 2 || r.figure(t, "undecryptable") == 0 {
		t.Errorf("it was too quiet: %s", r)
	}
}
