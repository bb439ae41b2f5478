package store

import (
	"context"
	"fmt"
	"testing"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/libsignal/keys/identity"
	"go.mau.fi/libsignal/keys/prekey"
	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/libsignal/session"
	"go.mau.fi/libsignal/state/record"
	"go.mau.fi/libsignal/util/optional"
	wastore "go.mau.fi/whatsmeow/store"
)

// crosser is a device that exchanges letters with another.
type crosser struct {
	*wastore.Device
	t    *testing.T
	peer *protocol.SignalAddress
}

// bundle returns keys that the other may begin a session with.
func (c *crosser) bundle() *prekey.Bundle {
	c.t.Helper()
	key, err := c.PreKeys.GenOnePreKey(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	return prekey.NewBundle(c.RegistrationID, 0, optional.NewOptionalUint32(key.KeyID), c.SignedPreKey.KeyID, ecc.NewDjbECPublicKey(*key.Pub),
		ecc.NewDjbECPublicKey(*c.SignedPreKey.Pub), *c.SignedPreKey.Signature, identity.NewKey(ecc.NewDjbECPublicKey(*c.IdentityKey.Pub)))
}

func (c *crosser) builder() *session.Builder {
	return session.NewBuilderFromSignal(c.Device, c.peer, serializer)
}

func (c *crosser) cipher() *session.Cipher { return session.NewCipher(c.builder(), c.peer) }

func (c *crosser) begin(with *prekey.Bundle) {
	c.t.Helper()
	if err := c.builder().ProcessBundle(c.t.Context(), with); err != nil {
		c.t.Fatal(err)
	}
}

func (c *crosser) encrypt(text string) protocol.CiphertextMessage {
	c.t.Helper()
	m, err := c.cipher().Encrypt(c.t.Context(), []byte(text))
	if err != nil {
		c.t.Fatal(err)
	}
	return m
}

// decrypt is what whatsmeow does with a message.
func (c *crosser) decrypt(m protocol.CiphertextMessage) (plain []byte, err error) {
	err = c.EventBuffer.DoDecryptionTxn(c.t.Context(), func(ctx context.Context) (err error) {
		if m.Type() == protocol.PREKEY_TYPE {
			m, err := protocol.NewPreKeySignalMessageFromBytes(m.Serialize(), serializer.PreKeySignalMessage, serializer.SignalMessage)
			if err != nil {
				return err
			}
			plain, err = c.cipher().DecryptMessage(ctx, m)
			return err
		}
		m, err := protocol.NewSignalMessageFromBytes(m.Serialize(), serializer.SignalMessage)
		if err != nil {
			return err
		}
		plain, err = c.cipher().Decrypt(ctx, m)
		return err
	})
	return plain, err
}

// Both sides begin a session at once, and their letters go on crossing: each is of the other's session,
// and none is lost.
func TestFaultA1BothSidesBeginAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url, "n1")
		_, one, _ := paired(t, s, 5, 10, "5491100000001")
		_, two, _ := paired(t, s, 6, 11, "5491100000002")
		a, b := &crosser{one, t, protocol.NewSignalAddress("two", 0)}, &crosser{two, t, protocol.NewSignalAddress("one", 0)}
		ofA, ofB := a.bundle(), b.bundle()
		a.begin(ofB)
		b.begin(ofA)
		for n := range 8 {
			fromA, fromB := a.encrypt(fmt.Sprint("a", n)), b.encrypt(fmt.Sprint("b", n))
			if plain, err := b.decrypt(fromA); err != nil || string(plain) != fmt.Sprint("a", n) {
				t.Errorf("letter %d from a: %q, %v", n, plain, err)
			}
			if plain, err := a.decrypt(fromB); err != nil || string(plain) != fmt.Sprint("b", n) {
				t.Errorf("letter %d from b: %q, %v", n, plain, err)
			}
		}
		for _, c := range []*crosser{a, b} {
			ratchet, err := c.Sessions.GetSession(t.Context(), c.peer.String())
			if err != nil || len(readRecord(ratchet).PreviousStates) != 1 {
				t.Errorf("there is not the one former session that the other side began: %v", err)
			}
		}
	})
}

// stepped returns a ratchet as it is after one more message was encrypted.
func stepped(t *testing.T, ratchet []byte) []byte {
	t.Helper()
	r, err := record.NewSessionFromBytes(ratchet, serializer.Session, serializer.State)
	if err != nil {
		t.Fatal(err)
	}
	r.SessionState().SetSenderChainKey(r.SessionState().SenderChainKey().NextKey())
	return r.Serialize()
}

func TestAStepFollowsWhatStands(t *testing.T) {
	s := open(t, "sqlite:"+t.TempDir()+"/store.db", "n1")
	_, one, _ := paired(t, s, 5, 10, "5491100000001")
	_, two, _ := paired(t, s, 6, 11, "5491100000002")
	a, b := &crosser{one, t, protocol.NewSignalAddress("two", 0)}, &crosser{two, t, protocol.NewSignalAddress("one", 0)}
	stored := func() []byte {
		return []byte(column(t, s, "SELECT session FROM whatsmeow_sessions WHERE their_id = 'two:0'")[0])
	}
	a.begin(b.bundle())
	begun := stored()
	a.encrypt("one")
	sent := stored()
	a.begin(b.bundle())
	anew := stored()
	a.encrypt("two")
	again := stored()
	for name, c := range map[string]struct {
		before, after []byte
		follows       bool
	}{
		"the first session":              {nil, begun, true},
		"a message":                      {begun, sent, true},
		"a session beside another":       {sent, anew, true},
		"a message in it":                {anew, again, true},
		"another one in it":              {again, stepped(t, again), true},
		"two messages":                   {begun, stepped(t, sent), false},
		"the same message":               {sent, sent, false},
		"a message that was overtaken":   {again, sent, false},
		"a session that was overtaken":   {stepped(t, sent), anew, false},
		"an older session":               {again, begun, false},
		"another first session":          {sent, []byte(readSecond(t, s, a, b)), false},
		"what whatsmeow could not read":  {[]byte("x"), begun, true},
		"what nobody could read anymore": {begun, []byte("x"), true},
	} {
		if got := follows(c.before, c.after); got != c.follows {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// readSecond returns the first session of somebody who knew of none.
func readSecond(t *testing.T, s *Store, a, b *crosser) string {
	t.Helper()
	stranger := &crosser{a.Device, t, protocol.NewSignalAddress("three", 0)}
	stranger.begin(b.bundle())
	return column(t, s, "SELECT session FROM whatsmeow_sessions WHERE their_id = 'three:0'")[0]
}
