package crash_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"session-manager/node/crash"
	"session-manager/node/ownership"
)

// dying is the variable of the environment that makes this program a process which dies, and judging one
// that makes it its judge.
const dying, judging = "CRASH_TEST_DYING", "CRASH_TEST_JUDGING"

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(judging) != "":
		court := &written{os.Getenv(judging)}
		if err := crash.Wait(os.Stdin, func(crash.Case) (crash.Court, error) { return court, nil }, slog.Default()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	case os.Getenv(dying) != "":
		die(os.Getenv(dying))
	}
	goleak.VerifyTestMain(m)
}

var process = ownership.Process{Node: "node1", Incarnation: "01DEAD"}

// die is a process that reports its crash, has a judge, and dies in some way.
func die(how string) {
	_ = os.Setenv("GODEBUG", crash.Traceback)
	dir := os.Getenv("CRASH_TEST_DIR")
	report, err := crash.Output(dir, process)
	if err != nil {
		panic(err)
	}
	_ = os.Unsetenv(dying)
	_ = os.Setenv(judging, filepath.Join(dir, "verdicts"))
	self, _ := os.Executable()
	go crash.Watch(context.Background(), []string{self}, crash.Case{Report: report, Process: process}, slog.Default())
	time.Sleep(100 * time.Millisecond) // where the judge is later, it finds its input at an end, which is the same
	pprof.Do(context.Background(), pprof.Labels(crash.Label, "51"), func(context.Context) {
		go func() { go act(how) }() // as whatsmeow's goroutines start further ones
	})
	if how == "unlabelled" {
		panic("ours")
	}
	time.Sleep(time.Minute)
}

func act(how string) {
	switch how {
	case "panic":
		panic("poison")
	case "stack":
		debug.SetMaxStack(1 << 20)
		var deep func(n int) int
		deep = func(n int) int { return deep(n+1) + n }
		deep(0)
	case "map":
		m := map[int]int{}
		for range 8 {
			go func() {
				for {
					m[1]++
				}
			}()
		}
	case "memory":
		_ = make([]byte, 1<<46)
	case "kill":
		p, _ := os.FindProcess(os.Getpid())
		_ = p.Kill()
	case "exit":
		os.Exit(1)
	}
}

// written is a court whose verdicts are files: one a process.
type written struct{ dir string }

func (w *written) Convict(_ context.Context, v crash.Conviction) (time.Duration, error) {
	if err := os.MkdirAll(w.dir, 0o700); err != nil {
		return 0, err
	}
	return time.Minute, os.WriteFile(filepath.Join(w.dir, v.Process.Incarnation), []byte(v.Cliente.String()), 0o600)
}

// TestFaultB1Judge: the judge outlives a process that crashed on a cliente's behalf and convicts that
// cliente, and nobody where the process ended in any other way.
func TestFaultB1Judge(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for how, convicts := range map[string]bool{
		"panic": true, "stack": true, "map": true, "unlabelled": false, "memory": false, "kill": false, "exit": false,
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			cmd := exec.Command(self)
			cmd.Env = append(os.Environ(), dying+"="+how, "CRASH_TEST_DIR="+dir)
			out, err := cmd.CombinedOutput() // until the judge has ended too: it has the same standard error
			if err == nil {
				t.Fatal("it did not die")
			}
			verdict, err := os.ReadFile(filepath.Join(dir, "verdicts", process.Incarnation))
			if (err == nil) != convicts || convicts && string(verdict) != "51" {
				t.Fatalf("convicts %q (%v), want 51: %v\n%s", verdict, err, convicts, out)
			}
			// The next life finds what is left, and says the same where the judge could not.
			court := &memory{}
			next := ownership.Process{Node: "node1", Incarnation: "02NEXT"}
			if err := crash.JudgeAll(t.Context(), dir, next, court, slog.New(slog.DiscardHandler)); err != nil {
				t.Fatal(err)
			}
			if len(court.convicted()) != 0 {
				t.Errorf("judged twice: %v", court.convicted())
			}
			kept, _ := filepath.Glob(filepath.Join(dir, "crashes", "*"))
			if crashed := how != "kill" && how != "exit"; len(kept) != map[bool]int{true: 1}[crashed] {
				t.Errorf("reports kept: %v", kept)
			}
		})
	}
}

// TestFaultB1NextStart: a report that nobody has judged, since the judge died too, is judged by the next
// life of the node, and stays to be read.
func TestFaultB1NextStart(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "crashes", process.Incarnation)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	report := "panic: x\n\ngoroutine 20 [running labels:{\"cliente\": \"51\"}]:\nf()\n"
	if err := os.WriteFile(file, []byte(report), 0o600); err != nil {
		t.Fatal(err)
	}
	hourAgo := time.Now().Add(-time.Hour)
	if err := os.Chtimes(file, hourAgo, hourAgo); err != nil {
		t.Fatal(err)
	}
	court := &memory{fail: errors.New("store is away")}
	next := ownership.Process{Node: "node1", Incarnation: "02NEXT"}
	judge := func() error {
		return crash.JudgeAll(t.Context(), dir, next, court, slog.New(slog.DiscardHandler))
	}
	if err := judge(); err == nil {
		t.Fatal("no error though the store is away")
	}
	court.fail = nil
	for range 2 {
		if err := judge(); err != nil {
			t.Fatal(err)
		}
	}
	all := court.convicted()
	if len(all) != 1 || all[0].Cliente != 51 || all[0].Process != process || all[0].Ago < time.Hour || all[0].Ago > 2*time.Hour {
		t.Errorf("convicted: %+v", all)
	}
	if kept, err := os.ReadFile(file + ".judged"); err != nil || string(kept) != report {
		t.Errorf("report: %q, %v", kept, err)
	}
}

// memory is a court in memory.
type memory struct {
	fail error

	mu  sync.Mutex // guards all
	all []crash.Conviction
}

func (m *memory) Convict(_ context.Context, v crash.Conviction) (time.Duration, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail == nil {
		m.all = append(m.all, v)
	}
	return time.Minute, m.fail
}

func (m *memory) convicted() []crash.Conviction {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.all
}
