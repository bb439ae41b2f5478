package ring

import (
	_ "embed"
	"fmt"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
)

//go:embed testdata/placement.txt
var golden string

// Nodes of all releases run side by side while a cluster is upgraded: where they place must not
// change, at least not in clusters of the sizes that exist.
func TestPlacementStaysAsItWas(t *testing.T) {
	for line := range strings.Lines(golden) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		var nodes int
		if _, err := fmt.Sscan(line, &nodes); err != nil {
			t.Fatal(err)
		}
		r := New(names(nodes))
		got := fmt.Sprint(nodes)
		all := xxhash.New()
		for c := uint64(1); c <= 20_000; c++ {
			owner, _ := r.Owner(c)
			if c <= 5 {
				got += " " + owner
			}
			_, _ = all.WriteString(owner + "\n")
		}
		if got += fmt.Sprintf(" %016x\n", all.Sum64()); got != line {
			t.Errorf("placed differently\n%swas\n%s", got, line)
		}
	}
}
