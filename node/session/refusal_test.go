package session

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"session-manager/bench/emulator"
)

func to(recipient, text string) Message {
	return Message{To: recipient, Text: text, Key: recipient + text, BodyHash: sha256.Sum256([]byte(text))}
}

func TestFaultA6GroupOfOneIsNotNobody(t *testing.T) {
	w := newWorld(t)
	s := w.pair(newMemory(t))
	solo, err := w.emu.AddGroup("solo", []string{account, account})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Send(context.Background(), to(solo, "note to self")); err != nil {
		t.Errorf("send to a group that has nobody else in it: %v", err)
	}
	both, err := w.emu.AddGroup("both", []string{account, friend})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Send(context.Background(), to(both, "hello both")); err != nil {
		t.Fatal(err)
	}
	w.eventually("the message", func() bool { return len(w.inbox(friend)) > 0 })
	if inbox := w.inbox(friend); len(inbox) != 1 || inbox[0].Text != "hello both" {
		t.Errorf("the other member sees %+v", inbox)
	}
}

func TestFaultA9SendsEndWithTheirRequests(t *testing.T) {
	w := newWorld(t)
	s := w.pair(newMemory(t))
	if _, err := s.Send(context.Background(), to(friend, "first contact")); err != nil {
		t.Fatal(err)
	}
	// An attempt begins where minAttempt is left, which is far more than the delay.
	const delay, limit = minAttempt / 4, 2 * minAttempt
	if err := w.emu.SetFault(emulator.Fault{Kind: emulator.FaultDelay, Number: account, DelayMS: delay.Milliseconds()}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	errs := make([]error, 8)
	var sends sync.WaitGroup
	for i := range errs {
		sends.Go(func() { _, errs[i] = s.Send(ctx, to(friend, string(rune('a'+i)))) })
	}
	sends.Wait()
	if ctx.Err() != nil {
		t.Error("the last answer came after the request's time")
	}
	sent := 0
	for _, err := range errs {
		switch {
		case err == nil:
			sent++
		case !errors.Is(err, ErrBusy):
			t.Errorf("a send that could not begin in time ended with %v, want that nothing was sent", err)
		}
	}
	if sent == 0 || sent == len(errs) {
		t.Errorf("%d of %d were sent: some fit into the time, and not all", sent, len(errs))
	}
	w.eventually("the messages", func() bool { return len(w.inbox(friend)) >= 1+sent })
	if inbox := w.inbox(friend); len(inbox) != 1+sent {
		t.Errorf("the phone shows %d messages, want %d: an attempt was begun that could not end", len(inbox), 1+sent)
	}
}

func TestFaultA10UnknownNumbers(t *testing.T) {
	w := newWorld(t)
	s := w.pair(newMemory(t))
	for _, number := range []string{"5491199999999", "541155550001", "551187654321"} {
		if _, err := s.Send(context.Background(), to(number, "hola")); !errors.Is(err, ErrNotOnWhatsApp) {
			t.Errorf("%s: %v, want %v", number, err, ErrNotOnWhatsApp)
		}
	}
	if _, err := s.Send(context.Background(), to("120363000000099999@g.us", "hola")); !errors.Is(err, ErrGroupUnknown) {
		t.Errorf("a group that is not there: %v", err)
	}
	others, err := w.emu.AddGroup("others", []string{friend, addPhone(t, w, "5491100000003")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Send(context.Background(), to(others, "hola")); !errors.Is(err, ErrNotInGroup) {
		t.Errorf("a group of others: %v", err)
	}
	if _, err := s.Send(context.Background(), to(account, "to myself")); err != nil {
		t.Errorf("a message to oneself: %v", err)
	}
}

func addPhone(t *testing.T, w *world, number string) string {
	t.Helper()
	if _, err := w.emu.AddPhone(number, "phone"); err != nil {
		t.Fatal(err)
	}
	return number
}

func TestFaultA11CodesOfErrorAcks(t *testing.T) {
	w := newWorld(t)
	s := w.pair(newMemory(t))
	if _, err := s.Send(context.Background(), to(friend, "first contact")); err != nil {
		t.Fatal(err)
	}
	for _, code := range []int{463, 429, 420, 479, 400, 500} {
		if err := w.emu.SetFault(emulator.Fault{Kind: emulator.FaultNack, Number: account, Code: emulator.Code(code), Count: 1}); err != nil {
			t.Fatal(err)
		}
		var refusal *Refusal
		if _, err := s.Send(context.Background(), to(friend, fmt.Sprint("refused by ", code))); !errors.As(err, &refusal) || refusal.Code != code || !refusal.Until.IsZero() {
			t.Errorf("code %d: %v", code, err)
		}
	}
	counts := prometheus.NewRegistry()
	counts.MustRegister(w.engine.metrics.refusals)
	families, err := counts.Gather()
	if err != nil || len(families) != 1 || len(families[0].GetMetric()) != 6 {
		t.Errorf("each of six codes is counted: %v, %v", families, err)
	}
	// A lock of the account explains its 463s, until it ends.
	until := time.Now().Add(time.Hour).Truncate(time.Second)
	for _, active := range []bool{true, false} {
		w.announceLock(active, until)
		w.eventually("the lock is known", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.lockedUntil.IsZero() != active })
		if err := w.emu.SetFault(emulator.Fault{Kind: emulator.FaultNack, Number: account, Code: 463, Count: 1}); err != nil {
			t.Fatal(err)
		}
		var refusal *Refusal
		_, err := s.Send(context.Background(), to(friend, fmt.Sprint("lock ", active)))
		if !errors.As(err, &refusal) || refusal.Until.IsZero() == active || active && !refusal.Until.Equal(until) {
			t.Errorf("lock %v until %v: %v", active, until, err)
		}
	}
	if inbox := w.inbox(friend); len(inbox) != 1 {
		t.Errorf("the phone shows %d messages, want the first alone", len(inbox))
	}
}

// announceLock lets WhatsApp's server tell the account that it may begin no chats for now, or may again.
func (w *world) announceLock(active bool, until time.Time) {
	w.t.Helper()
	text := fmt.Sprintf(`{"data":{"xwa2_notify_account_reachout_timelock":{"enforcement_type":"RESTRICT_ALL_COMPANIONS","is_active":%v,"time_enforcement_ends":"%d"}}}`,
		active, until.Unix())
	data, err := json.Marshal(map[string]string{"base64": base64.StdEncoding.EncodeToString([]byte(text))})
	if err != nil {
		w.t.Fatal(err)
	}
	update, err := json.Marshal([]emulator.RawNode{{Tag: "update", Attrs: map[string]any{"op_name": "NotificationUserReachoutTimelockUpdate"}, Content: data}})
	if err != nil {
		w.t.Fatal(err)
	}
	notice := emulator.RawNode{Tag: "notification", Content: update,
		Attrs: map[string]any{"from": "jid:s.whatsapp.net", "type": "mex", "id": fmt.Sprint("lock-", active), "t": fmt.Sprint(time.Now().Unix())}}
	if _, err := w.emu.SendStanza(emulator.RawStanza{Number: account, Node: notice}); err != nil {
		w.t.Fatal(err)
	}
}
