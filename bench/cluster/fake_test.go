package cluster_test

import (
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
)

// fakeProgram is the name under which this test program plays a node.
const fakeProgram = "session-manager"

// fakeDir is a directory with a fake node and, where they are needed too, the real programs of
// built.
func fakeDir(t *testing.T, real ...string) string {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	links := map[string]string{fakeProgram: self}
	for _, name := range real {
		links[name] = filepath.Join(built.Dir(t), name)
	}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// fakeNode takes a node's flags, says that it is ready and ends by SIGTERM with code 0. The
// directory beside its --data tells it to misbehave by files: "end" (code 7 at start), "deaf"
// (to SIGTERM), "mute" (never ready), "parent" (has a child of its own).
func fakeNode(args []string) int {
	flags := flag.NewFlagSet(fakeProgram, flag.ContinueOnError)
	words := map[string]*string{}
	for _, name := range []string{"node-name", "data", "store", "listen", "peer-listen", "gossip-listen", "etcd", "whatsapp-endpoint", "whatsapp-root-key"} {
		words[name] = flags.String(name, "", "")
	}
	if len(args) == 0 || args[0] != "serve" || flags.Parse(args[1:]) != nil {
		return 2
	}
	told := func(what string) bool {
		_, err := os.Stat(filepath.Join(filepath.Dir(*words["data"]), what))
		return err == nil
	}
	if told("end") {
		fmt.Fprintln(os.Stderr, "told to end")
		return 7
	}
	if told("parent") {
		child := exec.Command("sleep", "600")
		if err := child.Start(); err != nil {
			return 1
		}
		fmt.Println("child", child.Process.Pid)
	}
	l, err := net.Listen("tcp", *words["listen"])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer l.Close()
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	fmt.Println("not ready yet")
	if !told("mute") {
		fmt.Printf("ready listen=%s peer=%s gossip=%s node=%s\n", l.Addr(), *words["peer-listen"], *words["gossip-listen"], *words["node-name"])
	}
	for range term {
		if !told("deaf") {
			return 0
		}
	}
	return 0
}
