package api

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp"
)

// scripted is a session that a test moves from one snapshot to the next.
type scripted struct {
	mu      sync.Mutex // guards what follows
	now     Snapshot
	changed chan struct{}
	renew   func(s *scripted)
}

func newScripted(now Snapshot) *scripted { return &scripted{now: now, changed: make(chan struct{})} }

func (s *scripted) Snapshot() Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *scripted) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func (s *scripted) to(now Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = now
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *scripted) Send(context.Context, Message) (Sent, error) { return Sent{}, ErrNotReady }
func (s *scripted) Restart(context.Context) error               { return nil }
func (s *scripted) Told(string)                                 {}
func (s *scripted) RenewQR(context.Context) error {
	if s.renew != nil {
		s.renew(s)
	}
	return nil
}

// served is an answer of a route, and how long it took.
type served struct {
	status int
	body   string
	err    error
	took   time.Duration
}

func serve(route Route, s Session) served {
	h := &Handler{MaxReconnections: 3, ReadyWait: 15 * time.Second, QRWait: 4 * time.Second}
	var ctx fasthttp.RequestCtx
	begun := time.Now()
	err := h.Serve(&ctx, context.Background(), route, 51, s)
	return served{ctx.Response.StatusCode(), string(ctx.Response.Body()), err, time.Since(begun)}
}

var reads = []Route{Status, QRCode, QR, HubSession, FrontStatus}

// No read tells a state that is a guess: it waits for what is known, and for READY where that is near.
func TestFaultA2ReadsWait(t *testing.T) {
	for _, route := range reads {
		synctest.Test(t, func(t *testing.T) {
			s := newScripted(Snapshot{State: Initializing, Pending: true, Since: time.Now()})
			go func() {
				time.Sleep(time.Second)
				s.to(Snapshot{State: Reconnecting, Since: time.Now(), Phone: "+549"})
				time.Sleep(30 * time.Millisecond)
				s.to(Snapshot{State: Ready, Phone: "+549"})
			}()
			got := serve(route, s)
			want := serve(route, newScripted(Snapshot{State: Ready, Phone: "+549"}))
			if got.err != nil || got.body != want.body || got.status != want.status {
				t.Errorf("%s: %d %s, %v\nwant %d %s", route, got.status, got.body, got.err, want.status, want.body)
			}
		})
	}
}

// A state that nobody knows in time is not told, and one that does not come to READY is told in time.
func TestFaultA2ReadsEnd(t *testing.T) {
	for _, route := range reads {
		synctest.Test(t, func(t *testing.T) {
			if got := serve(route, newScripted(Snapshot{State: Initializing, Pending: true, Since: time.Now()})); !errors.Is(got.err, ErrPending) || got.took != readWait {
				t.Errorf("%s, unknown: %+v", route, got)
			}
			if got := serve(route, newScripted(Snapshot{State: Reconnecting, Since: time.Now()})); got.err != nil || got.took != readWait {
				t.Errorf("%s, on its way: %+v", route, got)
			}
			// What has been away for long, needs a QR, or is unpaired, is told at once.
			for _, now := range []Snapshot{
				{State: DisconnectedRecoverable, Since: time.Now().Add(-fresh)}, {State: Initializing, Since: time.Now()},
				{State: QRRequired, QR: "code"}, {State: DisconnectedBanned}, {State: Error},
			} {
				if got := serve(route, newScripted(now)); got.err != nil || got.took != 0 {
					t.Errorf("%s, %s: %+v", route, now.State, got)
				}
			}
		})
	}
}

// A wait ends with its session, so that the request goes on at the successor.
func TestFaultF8WaitEndsWithItsSession(t *testing.T) {
	for route, body := range map[Route]string{Status: "", QRCode: "", QR: "", HubSession: "", FrontStatus: "", HubQR: "",
		Send: `{"to":"5491100000001","message":"hola"}`} {
		synctest.Test(t, func(t *testing.T) {
			s := newScripted(Snapshot{State: Initializing, Pending: true, Since: time.Now()})
			go func() {
				time.Sleep(100 * time.Millisecond)
				s.to(Snapshot{State: Initializing, Pending: true, Ending: true})
			}()
			h := &Handler{ReadyWait: 15 * time.Second, QRWait: 4 * time.Second}
			var ctx fasthttp.RequestCtx
			ctx.Request.SetBodyString(body)
			begun := time.Now()
			err := h.Serve(&ctx, context.Background(), route, 51, s)
			if took := time.Since(begun); !errors.Is(err, ErrMoved) || took > time.Second {
				t.Errorf("%s: %v after %v, %s", route, err, took, ctx.Response.Body())
			}
		})
	}
}

// Whoever is told that a QR is needed gets one, or "not yet", at the first request for it.
func TestFaultA13FirstRequest(t *testing.T) {
	for _, state := range []State{DisconnectedLogout, AuthFailure} {
		for route, want := range map[Route]int{QRCode: 404, QR: 200, HubQR: 200} {
			synctest.Test(t, func(t *testing.T) {
				s := newScripted(Snapshot{State: state, LastError: ErrorInfo{"LOGGED_OUT", "the phone removed this device"}})
				s.renew = func(s *scripted) {
					s.to(Snapshot{State: state, Pending: true})
					s.renew = nil
					go func() {
						time.Sleep(20 * time.Millisecond)
						s.to(Snapshot{State: Initializing, Since: time.Now()})
						time.Sleep(300 * time.Millisecond)
						s.to(Snapshot{State: QRRequired, QR: "code", QRExpires: time.Now().Add(time.Minute)})
					}()
				}
				got := serve(route, s)
				time.Sleep(time.Second)
				if got.err != nil || got.status != want {
					t.Errorf("%s in %s: %d %s, %v, want %d", route, state, got.status, got.body, got.err, want)
				}
			})
		}
	}
}

// POST .../qr says at once why no code comes.
func TestFaultA8NoQRAtOnce(t *testing.T) {
	why := ErrorInfo{"BANNED", "406: banned"}
	for _, now := range []Snapshot{
		{State: DisconnectedBanned, LastError: why, Phone: "+549"}, {State: Error, LastError: why}, {State: AuthFailure, LastError: why},
		{State: DisconnectedRecoverable, LastError: ErrorInfo{storeUnavailable, "406: banned"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			got := serve(HubQR, newScripted(now))
			code := now.LastError.Code
			if want := `{"error":true,"code":"QR_GENERATION_FAILED","message":"` + code + `: 406: banned"}`; got.status != 500 || got.body != want || got.took != 0 {
				t.Errorf("%s: %d %s after %v", now.State, got.status, got.body, got.took)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		got := serve(HubSession, newScripted(Snapshot{State: DisconnectedBanned, LastError: why}))
		if want := `"status":"error","qr_status":"none"`; !strings.Contains(got.body, want) || !strings.Contains(got.body, `"last_error_code":"BANNED"`) {
			t.Errorf("hub of a banned account: %s", got.body)
		}
	})
}

// Who asked another node first is answered within what that one leaves, and as here.
func TestFaultD4NoQRYetOverTheHop(t *testing.T) {
	for now, want := range map[Snapshot]int{{State: Initializing}: 500, {State: Initializing, Pending: true}: 0} {
		synctest.Test(t, func(t *testing.T) {
			h := &Handler{QRWait: 4 * time.Second}
			life, cancel := context.WithTimeout(context.Background(), 3700*time.Millisecond)
			defer cancel()
			var ctx fasthttp.RequestCtx
			begun := time.Now()
			err := h.Serve(&ctx, life, HubQR, 51, newScripted(now))
			if took := time.Since(begun); took != 3700*time.Millisecond || errors.Is(err, ErrPending) != (want == 0) || want != 0 && ctx.Response.StatusCode() != want {
				t.Errorf("%+v: %d %s, %v after %v", now, ctx.Response.StatusCode(), ctx.Response.Body(), err, took)
			}
		})
	}
}

// No way to WhatsApp: the reason is told within secondChance, not after the time that a QR may take.
func TestFaultD5ReasonAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := serve(HubQR, newScripted(Snapshot{State: Initializing, LastError: ErrorInfo{"CONNECT_FAILED", "connection refused"}, Since: time.Now()}))
		if got.status != 500 || !strings.Contains(got.body, "connection refused") || got.took > secondChance {
			t.Errorf("%d %s after %v", got.status, got.body, got.took)
		}
	})
}
