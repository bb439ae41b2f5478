package floor

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"session-manager/bench/emulator"
	"session-manager/bench/postgres"
)

func TestMain(m *testing.M) {
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	// whatsmeow's reader blocks for good when its client is disconnected while a frame has been
	// read and not yet taken.
	ignore := goleak.IgnoreAnyFunction("go.mau.fi/whatsmeow/socket.(*FrameSocket).frameComplete")
	if err := goleak.Find(ignore); code == 0 && err != nil {
		println(err.Error())
		code = 1
	}
	os.Exit(code)
}

func startEmulator(t *testing.T) *emulator.Emulator {
	t.Helper()
	e, err := emulator.New(emulator.Options{RootKeySeed: []byte("tests of the floor"), FewPrekeys: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// run runs the command as a process would, and returns its address and what ends it.
func run(t *testing.T, store, emulatorURL string) (url string, end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, store, emulatorURL, "127.0.0.1:0", w)
		_ = w.Close()
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	addr, ok := strings.CutPrefix(strings.TrimSpace(line), "ready listen=")
	if err != nil || !ok {
		cancel()
		t.Fatalf("%q, %v, %v", line, err, <-done)
	}
	ended := false
	end = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(end)
	return "http://" + addr, end
}

func give(t *testing.T, method, url string, in, out any) {
	t.Helper()
	raw, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err = io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %d %s %v", method, url, resp.StatusCode, raw, err)
	}
	if err := json.Unmarshal(raw, out); err != nil {
		t.Fatal(err)
	}
}

// Accounts are paired, and after a restart logged in from what is stored; they send and receive.
func TestOrders(t *testing.T) {
	var databases postgres.Tests
	t.Cleanup(databases.Close)
	for name, store := range map[string]string{"SQLite": "sqlite:" + filepath.Join(t.TempDir(), "wa.db"), "Postgres": databases.URL(t)} {
		t.Run(name, func(t *testing.T) {
			const friend = "5491199990000"
			accounts := []string{"5491100000001", "5491100000002"}
			e := startEmulator(t)
			if _, err := e.AddPhone(friend, "friend"); err != nil {
				t.Fatal(err)
			}
			var none struct{}
			url, end := run(t, store, "http://"+e.Addr())
			give(t, "POST", url+"/pair", Logins{Numbers: accounts, AtOnce: 2}, &none)
			end()
			url, end = run(t, store, "http://"+e.Addr())
			give(t, "POST", url+"/connect", Logins{Numbers: accounts[:1], AtOnce: 2}, &none)
			give(t, "POST", url+"/connect", Logins{AtOnce: 2}, &none)
			var sent Sent
			give(t, "POST", url+"/send", Texts{From: accounts, To: []string{friend}, Each: 3, Text: "hola"}, &sent)
			if len(sent.Waits) != 6 || sent.Seconds <= 0 || sent.Waits[5] <= 0 {
				t.Errorf("%+v", sent)
			}
			if _, err := e.SendMessage(friend, accounts[0], "chau"); err != nil {
				t.Fatal(err)
			}
			give(t, "POST", url+"/collect", struct{}{}, &none)
			deadline := time.Now().Add(10 * time.Second)
			var r Report
			for ; r.Received != 1 && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
				give(t, "GET", url+"/report", struct{}{}, &r)
			}
			if r.Accounts != 2 || r.Connected != 2 || r.Received != 1 || r.Goroutines == 0 {
				t.Errorf("%+v", r)
			}
			end()
			if s := e.Stats(); s.Messages != 7 || s.Logins != 4 || s.Undecryptable+s.Duplicates+s.Empty != 0 {
				t.Errorf("stats: %+v", s)
			}
		})
	}
}

func TestWrongOrders(t *testing.T) {
	e := startEmulator(t)
	url, _ := run(t, "sqlite:"+filepath.Join(t.TempDir(), "wa.db"), "http://"+e.Addr())
	for path, body := range map[string]string{"/send": `{"from":["1"],"to":["2"],"each":1}`, "/pair": `[`} {
		resp, err := http.Post(url+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusInternalServerError {
			t.Errorf("%s %s: %d", path, body, resp.StatusCode)
		}
	}
	if _, _, err := OpenDB("mysql://x"); err == nil {
		t.Error("a store that is none is opened")
	}
}
