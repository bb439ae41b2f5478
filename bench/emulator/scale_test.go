package emulator

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/types/events"
)

// TestManyDevices pairs many devices, keeps them connected, drops them all at once and sees
// them back, then has each send and receive a message. EMULATOR_SCALE is their number;
// EMULATOR_ADDR is that of an emulator in another process, whose memory can then be measured
// alone (start it with --root-seed "tests of the emulator" --few-prekeys).
func TestManyDevices(t *testing.T) {
	n := 300
	if raceEnabled {
		n = 40
	}
	if s := os.Getenv("EMULATOR_SCALE"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	addr := os.Getenv("EMULATOR_ADDR")
	var e *Emulator
	if addr == "" {
		e = start(t, Options{})
		addr = e.Addr()
	}
	ctl := Dial("http://" + addr)
	t.Cleanup(ctl.Close)
	ctx := t.Context()
	number := func(i int) string { return fmt.Sprint(5491200000000 + i) }
	const peer = "5491300000000"
	if _, err := ctl.AddPhone(ctx, peer, "peer"); err != nil {
		t.Fatal(err)
	}
	db := openStore(t, "")
	shared := redirectTo(t, addr)
	clients := make([]*client, n)
	each := func(what string, do func(i int)) {
		t.Helper()
		before := time.Now()
		next := make(chan int)
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for i := range next {
					do(i)
				}
			})
		}
		for i := range n {
			next <- i
		}
		close(next)
		wg.Wait()
		t.Logf("%s: %d in %v", what, n, time.Since(before).Round(time.Millisecond))
	}
	each("paired and logged in", func(i int) {
		if _, err := ctl.AddPhone(ctx, number(i), ""); err != nil {
			t.Error(err)
			return
		}
		c := newClientOver(t, shared, db.NewDevice())
		clients[i] = c
		c.connect()
		code := await[*events.QR](c, nil).Codes[0]
		if _, err := ctl.Scan(ctx, number(i), code); err != nil {
			t.Error(err)
			return
		}
		await[*events.Connected](c, nil)
		c.forget()
	})
	if t.Failed() {
		return
	}
	before := time.Now()
	if err := ctl.SetFault(ctx, Fault{Kind: FaultDrop, Number: "*"}); err != nil {
		t.Fatal(err)
	}
	for _, c := range clients {
		await[*events.Connected](c, nil)
	}
	t.Logf("all dropped and back: %v", time.Since(before).Round(time.Millisecond))
	each("sent to one phone", func(i int) { sendTo(t, clients[i], peer, "hola") })
	each("received", func(i int) {
		id, err := ctl.SendMessage(ctx, peer, number(i), "chau")
		if err != nil {
			t.Error(err)
			return
		}
		await(clients[i], func(m *events.Message) bool { return m.Info.ID == id })
	})
	eventually(t, "the peer's inbox to be full", func() bool {
		inbox, _ := ctl.Inbox(ctx, peer)
		return len(inbox) == n
	})
	s, err := ctl.Stats(ctx)
	if err != nil || s.Connected != int64(n) || s.Logins != int64(2*n) || s.Messages != int64(2*n) {
		t.Fatalf("stats: %+v %v", s, err)
	}
	if s.Overlaps+s.Conflicts+s.RatchetForks+s.Duplicates+s.Undecryptable != 0 {
		t.Fatalf("stats: %+v", s)
	}
	if pid := os.Getenv("EMULATOR_PID"); pid != "" {
		status, err := os.ReadFile("/proc/" + pid + "/status")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, "VmRSS") || strings.HasPrefix(line, "VmHWM") {
				t.Log("emulator process:", strings.TrimSpace(line))
			}
		}
	}
	each("disconnected", func(i int) { clients[i].Disconnect() })
}
