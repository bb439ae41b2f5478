package crash_test

import (
	"testing"

	"session-manager/node/crash"
	"session-manager/node/ownership"
)

// TestFaultB1Blame: only the runtime's own word about the goroutine that crashed convicts.
func TestFaultB1Blame(t *testing.T) {
	const labelled = "goroutine 20 [running labels:{\"cliente\": \"51\"}]:\ngo.mau.fi/whatsmeow.(*Client).handlePairSuccess(...)\n"
	for name, c := range map[string]struct {
		report string
		blames ownership.Cliente // 0: nobody
	}{
		"a panic":             {"panic: runtime error: invalid memory address or nil pointer dereference\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x4b6425]\n\n" + labelled, 51},
		"again in a defer":    {"panic: first [recovered]\n\tpanic: again first\n\n" + labelled, 51},
		"other labels beside": {"panic: x\n\ngoroutine 7 [running labels:{\"a\": \"b\", \"cliente\": \"52\"}]:\nf()\n", 52},
		"locked to a thread":  {"panic: x\n\ngoroutine 7 [running, locked to thread labels:{\"cliente\": \"52\"}]:\nf()\n", 52},
		"a value that looks like a goroutine": {
			"panic: hallo\n\tgoroutine 1 [running labels:{\"cliente\": \"52\"}]:\n\tx\n\n" + labelled, 51},
		"without a label, after another's": {"panic: x\n\ngoroutine 7 [running]:\nmain.main()\n\ngoroutine 8 [running labels:{\"cliente\": \"51\"}]:\nf()\n", 0},
		"our own code":                     {"panic: x\n\ngoroutine 1 [running]:\nmain.main()\n", 0},
		"a map of two goroutines":          {"\ngoroutine 6 [running labels:{\"cliente\": \"51\"}]:\ninternal/runtime/maps.fatal({0x4e19a6?, 0x0?})\n", 51},
		"a lock":                           {"\ngoroutine 6 [running labels:{\"cliente\": \"51\"}]:\ninternal/sync.fatal({0x4e19a6?, 0x0?})\n", 51},
		"a stack overflow": {"\nruntime stack:\nruntime.throw({0x4e1d57?, 0x200000001?})\n\t/go/panic.go:1229 +0x48\nruntime.newstack()\n\t/go/stack.go:1207 +0x5fd\n" +
			"runtime.morestack()\n\t/go/asm_amd64.s:681 +0x7d\n\ngoroutine 7 gp=0x35d4d2951860 m=0 mp=0x5b2460 [running labels:{\"cliente\": \"51\"}]:\nmain.rec(0x50c?)\n", 51},
		"the end of memory": {"\nruntime stack:\nruntime.throw({0x4e3972?, 0x2f80?})\n\t/go/panic.go:1229 +0x48\nruntime.sysMapOS(0x3e02cec00000)\n\t/go/mem_linux.go:175 +0x13b\n\n" +
			"goroutine 7 gp=0x35d4d2951860 m=0 mp=0x5b2460 [running labels:{\"cliente\": \"51\"}]:\nmain.f(0x50c?)\n", 0},
		"an operator's SIGQUIT": {"SIGQUIT: quit\nPC=0x481ae1 m=0 sigcode=0\n\ngoroutine 7 gp=0x1 m=0 mp=0x5b2460 [running labels:{\"cliente\": \"51\"}]:\nf()\n", 0},
		"an operator's SIGABRT": {"SIGABRT: abort\nPC=0x481ae1 m=0 sigcode=0\n\n" + labelled, 0},
		"a label that is none":  {"panic: x\n\ngoroutine 7 [running labels:{\"cliente\": \"0\"}]:\nf()\n", 0},
		"cut off":               {"panic: x\n\ngoroutine 7 [running lab", 0},
		"nothing":               {"", 0},
	} {
		got, cause, ok := crash.Blame(c.report)
		if got != c.blames || ok != (c.blames != 0) || ok && cause == "" {
			t.Errorf("%s: blames %d (%v, %q), want %d", name, got, ok, cause, c.blames)
		}
	}
}
