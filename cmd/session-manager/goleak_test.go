package main

import (
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// asProgram in the environment makes the test's binary the program itself: a process costs no build.
const asProgram = "TEST_IS_SESSION_MANAGER"

func TestMain(m *testing.M) {
	switch os.Getenv(asProgram) {
	case "":
	case "panic":
		outlivePipes()
		unblock(os.Stderr)
		panic("a crash that nobody reads about: " + strings.Repeat("x", 1<<20))
	default:
		main()
	}
	goleak.VerifyTestMain(m,
		// fasthttp's clock and cleaners sleep for seconds before they notice that their work is over.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*HostClient).connsCleaner"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*Client).mCleaner"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*TCPDialer).tcpAddrsClean"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}
