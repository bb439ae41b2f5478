package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/whatsmeow/types"
	"golang.org/x/sync/errgroup"
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

// Whoever steps one ratchet by itself, as whatsmeow does for a retry receipt, has it to itself until it
// is stored: a send and another retry wait, and step what was stored. So none is refused, and each
// message has a key of its own.
func TestFaultA1ARetryHasItsTurn(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		account, device, _ := paired(t, s, 5, 10, "5491100000001")
		_, other, _ := paired(t, s, 6, 11, "5491100000002")
		a, b := &crosser{device, t, protocol.NewSignalAddress("two", 0)}, &crosser{other, t, protocol.NewSignalAddress("one", 0)}
		a.begin(b.bundle())
		counters := make(chan uint32, 16)
		book := func(m protocol.CiphertextMessage, err error) error {
			if err == nil {
				counters <- m.(*protocol.PreKeySignalMessage).WhisperMessage().Counter()
			}
			return err
		}
		var work errgroup.Group
		for n := range 8 {
			work.Go(func() error { return book(a.cipher().Encrypt(ctx, []byte("again"))) })
			work.Go(func() error {
				sending, ended := account.Sending(ctx, Send{Key: fmt.Sprint(n), MessageID: fmt.Sprint(n)}, true)
				defer ended()
				_, cached, err := device.WithCachedSessions(sending, []string{a.peer.String()})
				if err != nil {
					return err
				}
				return errors.Join(book(a.cipher().Encrypt(cached, []byte("sent"))), device.PutCachedSessions(cached))
			})
		}
		if err := work.Wait(); err != nil {
			t.Fatal(err)
		}
		close(counters)
		used := make(map[uint32]bool)
		for counter := range counters {
			used[counter] = true
		}
		if len(used) != 16 {
			t.Errorf("16 messages have %d keys", len(used))
		}
	})
}

// A retry that gives up after it has loaded its ratchet holds nobody up for long. One that comes back
// late stores nothing that has been overtaken, and then it is not acknowledged; else it does no harm.
func TestFaultA1ALoanEndsByItself(t *testing.T) {
	s := open(t, "sqlite:"+t.TempDir()+"/store.db", "n1")
	_, device, _ := paired(t, s, 5, 10, "5491100000001")
	_, other, _ := paired(t, s, 6, 11, "5491100000002")
	a, b := &crosser{device, t, protocol.NewSignalAddress("two", 0)}, &crosser{other, t, protocol.NewSignalAddress("one", 0)}
	a.begin(b.bundle())
	stores(device).ratchets.lending = 10 * time.Millisecond
	told := 0
	ctx := OnFailure(deadline(t), func(error) { told++ })
	load := func() []byte {
		t.Helper()
		ratchet, err := device.Sessions.GetSession(ctx, a.peer.String())
		if err != nil {
			t.Fatal(err)
		}
		return ratchet
	}
	put := func(ratchet []byte) error { return device.Sessions.PutSession(ctx, a.peer.String(), ratchet) }

	first := load()
	second := load() // waits for the end of the loan before
	if err := put(stepped(t, second)); err != nil {
		t.Errorf("nobody came between, whoever it is: %v", err)
	}
	if err := put(stepped(t, first)); !errors.Is(err, errRatchetMoved) || !errors.Is(err, context.Canceled) || told != 1 {
		t.Errorf("overtaken by another retry: %v, told %d times", err, told)
	}
	late := load()
	if err := device.EventBuffer.DoDecryptionTxn(ctx, func(ctx context.Context) error { // waits for the end of the loan, too
		ratchet, err := device.Sessions.GetSession(ctx, a.peer.String())
		return errors.Join(err, device.Sessions.PutSession(ctx, a.peer.String(), stepped(t, ratchet)))
	}); err != nil {
		t.Fatal(err)
	}
	if err := put(stepped(t, late)); !errors.Is(err, errRatchetMoved) || told != 2 {
		t.Errorf("overtaken by a message: %v, told %d times", err, told)
	}
	late = load()
	if err := stores(device).ratchets.take(ctx); err != nil {
		t.Fatal(err)
	}
	stores(device).ratchets.give()
	if err := put(stepped(t, late)); err != nil {
		t.Errorf("its loan has ended, but nobody came between: %v", err)
	}
	if at := readRecord(load()).SessionState.SenderChain.ChainKey.Index; at != 3 {
		t.Errorf("the ratchet is at %d, want 3", at)
	}
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
