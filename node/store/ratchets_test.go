package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/types"
)

// From the load of its ratchets to their storing a send has them to itself: a decryption waits, and
// sees what was stored.
func TestSendsAndDecryptionsTakeTurns(t *testing.T) {
	s := open(t, "sqlite:"+t.TempDir()+"/store.db", "n1")
	a, device, _ := paired(t, s, 5, 10, "5491100000001")
	for _, stores1 := range []bool{true, false} { // else whatsmeow gives up before it stores
		ctx, ended := a.Sending(deadline(t), Send{Key: "k", MessageID: "M"}, stores1)
		if _, err := device.Sessions.GetManySessions(ctx, []string{"them:1"}); err != nil {
			t.Fatal(err)
		}
		begun, saw, done := make(chan struct{}), make(chan string, 1), make(chan error, 1)
		go func() {
			close(begun)
			done <- device.EventBuffer.DoDecryptionTxn(deadline(t), func(ctx context.Context) error {
				ratchet, err := device.Sessions.GetSession(ctx, "them:1")
				saw <- string(ratchet)
				return errors.Join(err, device.Sessions.PutSession(ctx, "them:1", append(ratchet, " and received"...)))
			})
		}()
		<-begun
		select {
		case <-saw:
			t.Fatal("a decryption went between the load of a send and its store")
		case <-time.After(20 * time.Millisecond): // it would have had the time
		}
		want := "sent and received"
		if stores1 {
			want = "sent"
			if err := device.Sessions.PutManySessions(ctx, map[string][]byte{"them:1": []byte("sent")}); err != nil {
				t.Fatal(err)
			}
		}
		ended()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if got := <-saw; got != want {
			t.Errorf("the decryption saw %q, want %q", got, want)
		}
	}
}

// A ratchet that is stepped by itself is stored where nobody has stepped it since.
func TestARatchetIsSteppedFromWhereItIs(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		a, device, _ := paired(t, s, 5, 10, "5491100000001")
		load := func() {
			t.Helper()
			if _, err := device.Sessions.GetSession(ctx, "them:1"); err != nil {
				t.Fatal(err)
			}
		}
		put := func(ratchet string) error { return device.Sessions.PutSession(ctx, "them:1", []byte(ratchet)) }
		load()
		if err := put("one"); err != nil {
			t.Fatal(err)
		}
		load()
		load()
		if err := put("two"); err != nil {
			t.Fatal(err)
		}
		if err := put("another two"); !errors.Is(err, errRatchetMoved) {
			t.Errorf("two steps from one load: %v", err)
		}
		load()
		if _, err := reserve(ctx, a, stores(device), Send{Key: "k", MessageID: "M"}); err != nil {
			t.Fatal(err)
		}
		if err := put("late"); !errors.Is(err, errRatchetMoved) {
			t.Errorf("a send went between: %v", err)
		}
		if stored := column(t, s, "SELECT session FROM whatsmeow_sessions"); len(stored) != 1 || stored[0] != "of M" {
			t.Errorf("stored %q", stored)
		}
	})
}

// whatsmeow sends what it could encrypt for nobody; its ctx has ended by then.
func TestAMessageForNobodyDoesNotLeave(t *testing.T) {
	s, ctx := open(t, "sqlite:"+t.TempDir()+"/store.db", "n1"), deadline(t)
	a, device, _ := paired(t, s, 5, 10, "5491100000001")
	for _, encrypted := range []bool{false, true} {
		sending, ended := a.Sending(ctx, Send{Key: fmt.Sprint(encrypted), MessageID: "M"}, true)
		ask := func() {
			_, _ = device.PrivacyTokens.GetPrivacyToken(sending, types.JID{User: "them", Server: types.HiddenUserServer})
		}
		ask() // as for a new contact, before anything else
		if sending.Err() != nil {
			t.Fatal("it has ended before it was encrypted")
		}
		if _, err := device.Sessions.GetManySessions(sending, []string{"them:1"}); err != nil {
			t.Fatal(err)
		}
		if encrypted {
			if err := device.Sessions.PutManySessions(sending, map[string][]byte{"them:1": []byte("x")}); err != nil {
				t.Fatal(err)
			}
		}
		ask()
		if ended := sending.Err() != nil; ended == encrypted {
			t.Errorf("encrypted for somebody: %v, its ctx has ended: %v", encrypted, ended)
		}
		ended()
	}
}

// What a transaction took back is not remembered.
func TestAStepThatWasTakenBack(t *testing.T) {
	s, ctx := open(t, "sqlite:"+t.TempDir()+"/store.db", "n1"), deadline(t)
	_, device, _ := paired(t, s, 5, 10, "5491100000001")
	if err := device.Sessions.PutSession(ctx, "them:1", []byte("one")); err != nil {
		t.Fatal(err)
	}
	mangled := errors.New("bad mac")
	err := device.EventBuffer.DoDecryptionTxn(ctx, func(ctx context.Context) error {
		return errors.Join(device.Sessions.PutSession(ctx, "them:1", []byte("two")), mangled)
	})
	if !errors.Is(err, mangled) {
		t.Fatal(err)
	}
	if ratchet, err := device.Sessions.GetSession(ctx, "them:1"); err != nil || string(ratchet) != "one" {
		t.Errorf("%q, %v", ratchet, err)
	}
}
