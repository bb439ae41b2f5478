package emulator

import (
	"os"
	"testing"

	"go.mau.fi/libsignal/logger"
	"go.mau.fi/whatsmeow"
	"go.uber.org/goleak"
)

// testSeed is one root key for all tests of the package: whatsmeow trusts one, in a global.
var testSeed = []byte("tests of the emulator")

func TestMain(m *testing.M) {
	var quiet logger.Loggable = quietSignal{}
	logger.Setup(&quiet)
	e, err := New(Options{RootKeySeed: testSeed})
	if err != nil {
		panic(err)
	}
	whatsmeow.WACertPubKey = e.RootKey()
	code := m.Run()
	if code == 0 {
		// whatsmeow's reader blocks for good when its client is disconnected while a frame has
		// been read and not yet taken.
		ignore := goleak.IgnoreAnyFunction("go.mau.fi/whatsmeow/socket.(*FrameSocket).frameComplete")
		if err := goleak.Find(ignore); err != nil {
			println(err.Error())
			code = 1
		}
	}
	os.Exit(code)
}
