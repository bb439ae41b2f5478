package rivals_test

import (
	"testing"

	"session-manager/bench/rivals/rivalstest"
)

func TestMain(m *testing.M) { rivalstest.Main(m) }
