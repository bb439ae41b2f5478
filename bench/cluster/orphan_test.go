package cluster_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"session-manager/bench/cluster"
)

// fakeParent is the name under which this test program starts a cluster and never ends it.
const fakeParent = "cluster-parent"

func parent(bin, dir string) int {
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	c, err := cluster.Start(ctx, cluster.Options{Nodes: 1, Embedded: true, BinDir: bin, Dir: dir})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(c.Nodes()[0].PID())
	select {}
}

// Who started the cluster is killed, and has closed nothing: the processes go all the same.
func TestProcessesDieWithTheirParent(t *testing.T) {
	bin, dir := fakeDir(t), t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), fakeParent)
	if err := os.Symlink(self, link); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(link, bin, dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(line)
	}
	await(t, "end of the orphan", func() bool { return gone(pid) })
}
