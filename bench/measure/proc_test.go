package measure

import (
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	for _, test := range []struct {
		raw  string
		want process
		bad  bool
	}{
		{raw: "71 (nginx) S 70 71 71 0 -1 4194560 1 2 3 4 150 50 20 5 20 0 1 0 99\n", want: process{71, 70, 2250 * time.Millisecond}},
		{raw: "72 (a) b (c)) R 1 72 72 0 -1 0 0 0 0 0 1 0 0 0 20 0 1 0 99", want: process{72, 1, 10 * time.Millisecond}},
		{raw: "72 nginx S 70", bad: true},
		{raw: "72 (nginx) S 70 71", bad: true},
		{raw: "x (nginx) S 70 71 71 0 -1 0 0 0 0 0 1 0 0 0", bad: true},
		{raw: "72 (nginx) S 70 71 71 0 -1 0 0 0 0 0 1 x 0 0", bad: true},
		{raw: "", bad: true},
	} {
		got, err := parseStat([]byte(test.raw))
		if got != test.want && !test.bad || (err != nil) != test.bad {
			t.Errorf("%q: %+v, %v; want %+v", test.raw, got, err, test.want)
		}
	}
}

// A shell that waits while its child works has used what the child has: while the child lives
// and once it was waited for.
func TestCPUCountsChildren(t *testing.T) {
	cmd := exec.Command("sh", "-c", "sh -c 'while :; do :; done' & child=$!; read line; kill $child; wait $child; echo; read line")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = stdin.Close(), cmd.Wait() }()
	var living time.Duration
	for living < 5*tick { // ends with the test's time at the latest
		if living, err = CPU(cmd.Process.Pid); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := Resident(cmd.Process.Pid); err != nil || n < 64<<10 || n > 64<<20 {
		t.Errorf("two shells hold %d bytes, %v", n, err)
	}
	if _, err := stdin.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := stdout.Read(make([]byte, 1)); err != nil { // waited for, by now
		t.Fatal(err)
	}
	ended, err := CPU(cmd.Process.Pid)
	if err != nil || ended < living {
		t.Errorf("%v after the child has ended, %v; it was %v before", ended, err, living)
	}
	both, err := CPU(cmd.Process.Pid, os.Getpid(), os.Getpid())
	if err != nil || both < ended {
		t.Errorf("%v with this process, %v; want %v at least", both, err, ended)
	}
}

func TestProcessThatIsGone(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if _, err := CPU(cmd.Process.Pid); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its CPU: %v, want os.ErrNotExist", err)
	}
	if _, err := Resident(cmd.Process.Pid); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its memory: %v, want os.ErrNotExist", err)
	}
}

// What is allocated and written to is resident.
func TestResidentGrows(t *testing.T) {
	before, err := Resident(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	const size = 32 << 20
	block := make([]byte, size)
	for i := 0; i < size; i += 4096 {
		block[i] = 1
	}
	after, err := Resident(os.Getpid())
	if err != nil || after-before < size*9/10 {
		t.Errorf("%d bytes more, %v; want about %d", after-before, err, size)
	}
	if block[0] != 1 {
		t.Error("block is gone")
	}
}
