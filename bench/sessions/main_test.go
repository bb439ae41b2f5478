package sessions

import (
	"os"
	"testing"

	"session-manager/bench/testbin"
)

var built = testbin.Programs{Further: []string{rivalProgram}}

func TestMain(m *testing.M) { built.Main(m) }

func programs(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("SESSIONS_TEST_BIN"); dir != "" { // built by hand, to try a scenario out
		return dir
	}
	return built.Dir(t)
}
