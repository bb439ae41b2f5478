package emulator

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types/events"
)

// reopened is a new client over the stored device of another, as after a restart.
func reopened(t *testing.T, e *Emulator, old *client) *client {
	t.Helper()
	device := *old.Store
	return newClient(t, e, &device)
}

func TestWhatCameWhileOfflineComesAtLogin(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana, beto)
	c := pair(t, e, ana)
	c.Disconnect()
	eventually(t, "the logout", func() bool { return e.Stats().Connected == 0 })
	var ids []string
	for _, text := range []string{"uno", "dos", "tres"} {
		id, err := e.SendMessage(beto, ana, text)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	again := reopened(t, e, c)
	again.connect()
	preview := await[*events.OfflineSyncPreview](again, nil)
	if preview.Total != 3 || preview.Messages != 3 {
		t.Fatalf("preview: %+v", preview)
	}
	for _, id := range ids {
		await(again, func(m *events.Message) bool { return m.Info.ID == id })
	}
	if done := await[*events.OfflineSyncCompleted](again, nil); done.Count != 3 {
		t.Fatalf("completed: %+v", done)
	}
	eventually(t, "the queue to be settled", func() bool { return e.Devices()[0].Queued == 0 })
	if s := e.Stats(); s.Overlaps+s.Conflicts != 0 || s.Logins != 2 {
		t.Fatalf("stats: %+v", s)
	}
}

func TestASecondLoginKicksTheFirst(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana)
	first := pair(t, e, ana)
	second := reopened(t, e, first)
	second.connect()
	await[*events.StreamReplaced](first, nil)
	await[*events.Connected](second, nil)
	s := e.Stats()
	if s.Conflicts != 1 || s.Overlaps != 1 || s.Connected != 1 || s.Logins != 2 {
		t.Fatalf("stats: %+v", s)
	}
	if d := e.Devices()[0]; d.Conflicts != 1 || d.Logins != 2 || !d.Connected {
		t.Fatalf("device: %+v", d)
	}
}

// A client that closes and comes back at once must not be taken for two.
func TestQuickReconnectsAreNoOverlaps(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana)
	c := pair(t, e, ana)
	const rounds = 20
	for i := range rounds {
		c.Disconnect()
		c.forget()
		if i%2 == 1 {
			_ = e.SetFault(Fault{Kind: FaultDrop, Number: ana}) // a drop from our side beside it
		}
		c.connect()
		await[*events.Connected](c, nil)
	}
	if s := e.Stats(); s.Overlaps+s.Conflicts != 0 || s.Logins != rounds+1 || s.Connected != 1 {
		t.Fatalf("stats: %+v", s)
	}
}

func TestUnlinkLogsTheDeviceOutForGood(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana)
	c := pair(t, e, ana)
	stale := *c.Store
	if err := e.Unlink(ana, ana+":1@s.whatsapp.net"); err != nil {
		t.Fatal(err)
	}
	if out := await[*events.LoggedOut](c, nil); out.OnConnect {
		t.Fatalf("%+v", out)
	}
	c.Disconnect()
	again := newClient(t, e, &stale)
	again.connect()
	if out := await[*events.LoggedOut](again, nil); !out.OnConnect || out.Reason != events.ConnectFailureLoggedOut {
		t.Fatalf("%+v", out)
	}
	if err := e.Unlink(ana, ana+":1@s.whatsapp.net"); !errors.Is(err, ErrNotFound) {
		t.Fatalf("a second unlink: %v", err)
	}
	if s := e.Stats(); s.Connected != 0 {
		t.Fatalf("stats: %+v", s)
	}
}

func TestADeviceCanLogItselfOut(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana)
	c := pair(t, e, ana)
	if err := c.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the device to be gone", func() bool { return len(e.Devices()) == 0 && e.Stats().Connected == 0 })
}

func TestALoginIsKnownByItsNoiseKey(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana)
	c := pair(t, e, ana)
	c.Disconnect()
	thief := *c.Store
	thief.NoiseKey = openStore(t, "").NewDevice().NoiseKey
	other := newClient(t, e, &thief)
	other.connect()
	await[*events.LoggedOut](other, nil)
	if s := e.Stats(); s.Logins != 1 {
		t.Fatalf("stats: %+v", s)
	}
}

func TestCodesExpireAndAreScannedOnce(t *testing.T) {
	e := start(t, Options{QRFirst: time.Nanosecond, QRNext: 20 * time.Second})
	addPhones(t, e, ana, beto)
	c := newClient(t, e, nil)
	c.connect()
	codes := await[*events.QR](c, nil).Codes
	if len(codes) != 6 {
		t.Fatalf("%d codes", len(codes))
	}
	if _, err := e.Scan(t.Context(), ana, codes[0]); !errors.Is(err, ErrConflict) || !strings.Contains(err.Error(), "expired") {
		t.Fatal("an expired code:", err)
	}
	if _, err := e.Scan(t.Context(), ana, codes[1]); err != nil {
		t.Fatal("the raw text of a good code:", err)
	}
	if _, err := e.Scan(t.Context(), beto, codes[2]); !errors.Is(err, ErrConflict) {
		t.Fatal("another phone scans the same socket:", err)
	}
	await[*events.Connected](c, nil)
	if _, err := e.Scan(t.Context(), beto, codes[3]); !errors.Is(err, ErrConflict) {
		t.Fatal("a code of a socket that has closed:", err)
	}
}

func TestTheSocketClosesWhenNobodyScans(t *testing.T) {
	e := start(t, Options{QRFirst: time.Millisecond, QRNext: time.Millisecond})
	c := newClient(t, e, nil)
	c.EnableAutoReconnect = false
	c.connect()
	await[*events.Disconnected](c, nil)
}

func TestAClientThatRefusesIsNotPaired(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana)
	c := newClient(t, e, nil)
	c.connect()
	code := await[*events.QR](c, nil).Codes[0]
	fields := strings.Split(code, ",")
	fields[3] = fields[1] // another secret than the screen's
	_, err := e.Scan(t.Context(), ana, strings.Join(fields, ","))
	if !errors.Is(err, ErrPairing) || !strings.Contains(err.Error(), "hmac-mismatch") {
		t.Fatal(err)
	}
	if len(e.Devices()) != 0 {
		t.Fatal("a device was stored")
	}
}

func TestTheVersionPage(t *testing.T) {
	e := start(t, Options{})
	v, err := whatsmeow.GetLatestVersion(t.Context(), redirect(t, e))
	if err != nil || v[2] != ClientRevision {
		t.Fatal(v, err)
	}
}

func TestCloseEndsEverything(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana)
	c := newClient(t, e, nil)
	c.EnableAutoReconnect = false
	link(t, e, c, ana)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	await[*events.Disconnected](c, nil)
	if _, err := e.Scan(ctx, ana, "x,y"); !errors.Is(err, ErrBadInput) {
		t.Fatal(err)
	}
	if _, err := e.AddPhone(beto, ""); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}

// However many come at once, each but the last is kicked, and one stays.
func TestLoginsAtOnceLeaveOne(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana)
	c := pair(t, e, ana)
	const more = 6
	var wg sync.WaitGroup
	for range more {
		x := reopened(t, e, c)
		wg.Go(func() { _ = x.Connect() })
	}
	wg.Wait()
	eventually(t, "all logins", func() bool { return e.Stats().Logins == more+1 })
	eventually(t, "the kicked to be gone", func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return len(e.conns) == 1
	})
	if s := e.Stats(); s.Conflicts != more || s.Overlaps != more || s.Connected != 1 {
		t.Fatalf("stats: %+v; %+v", s, e.Events(0))
	}
}
