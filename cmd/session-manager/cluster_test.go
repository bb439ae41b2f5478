package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"session-manager/bench/testbin"
)

// A local cluster needs its programs beside this one, and a node at least.
func TestClusterRefuses(t *testing.T) {
	for want, row := range map[string]struct {
		args []string
		code int
	}{
		"make build": {[]string{"cluster"}, 1}, // beside the test there is nothing
		"--nodes":    {[]string{"cluster", "--nodes", "0"}, 2},
		"--store":    {[]string{"cluster", "--store", "mysql"}, 2},
	} {
		var out, errOut bytes.Buffer
		if code := run(row.args, &out, &errOut); code != row.code || strings.Count(errOut.String(), "\n") != 1 || !strings.Contains(errOut.String(), want) {
			t.Errorf("%v: exit %d, %q; want %d and one line with %s", row.args, code, errOut.String(), row.code, want)
		}
	}
}

// The real programs: a cluster comes up, says where, serves, and is
// gone after SIGINT.
func TestCluster(t *testing.T) {
	dir := t.TempDir()
	if err := testbin.Build(dir, "bench"); err != nil {
		t.Fatal(err)
	}
	// Beyond its patience the program is killed, and takes its cluster with it.
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	command := exec.CommandContext(ctx, filepath.Join(dir, "session-manager"), "cluster", "--nodes", "2", "--emulator")
	var errOut bytes.Buffer
	command.Stderr = &errOut
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	await := func(expression string) []string {
		t.Helper()
		for lines.Scan() {
			if match := regexp.MustCompile(expression).FindStringSubmatch(lines.Text()); match != nil {
				return match
			}
		}
		t.Fatalf("no line %q; %s", expression, errOut.String())
		return nil
	}
	url := await(`node1 +(http://\S+)`)[1]
	await(`node2 +http://\S+`)
	emulator := await(`emulator +(http://\S+)`)[1]
	logs := await(`logs +(\S+)`)[1]
	for _, address := range []string{url + "/readyz", emulator + "/stats"} {
		answer, err := http.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", address, answer.Status)
		}
	}
	var table, problems bytes.Buffer
	if code := run([]string{"status", "--url", url}, &table, &problems); code != 0 || !strings.Contains(table.String(), "2 nodes") {
		t.Errorf("status: %d, %s%s", code, table.String(), problems.String())
	}
	if err := command.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, stdout)
	if err := command.Wait(); err != nil {
		t.Errorf("after SIGINT: %v, %s", err, errOut.String())
	}
	if _, err := os.Stat(logs); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", logs, err)
	}
	if _, err := http.Get(url + "/livez"); err == nil {
		t.Error("node1 still serves")
	}
}
