package emulator

import (
	"crypto/sha256"
	"fmt"
	"maps"

	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/whatsmeow/store"
)

// ratchets is what the referee knows of one device's sending state: for every chain that it
// used, how far it went. Guarded by Emulator.mu.
//
// A chain is (recipient, ratchet key) for pkmsg and msg, and (group, sender key ID) for
// skmsg. Within a chain the counter only grows, so:
//
//	the counter is the next          → as it should be
//	the counter is further           → a gap: a state was stored whose frame never left, or leaves late; harmless
//	the counter was skipped before   → a late frame, if by the same login: an answer to a retry receipt and
//	                                   a send step in turn, and their frames may leave in the other order
//	counter and ciphertext are known → the network's resend, if the message ID is the same too
//	anything else                    → a fork: two copies of the state have been used
//
// A device that restarts from an old copy of its store is caught by the first message that it
// sends on a chain that the other copy had used. What remains is a stale chain that the
// other copy has left for a newer one without using it: the receiving phone tells that (see
// phoneReceive), since only it knows which chains are of one session.
type ratchets struct {
	chains map[chainID]*chain
}

type chainID struct {
	to  string // Signal address, or group
	key [32]byte
}

type chain struct {
	next   uint32 // the counter that follows
	login  int    // that used it last
	recent []step // the last ones, for telling a resend

	skipped map[uint32]int // the last counters that were gone past, each with the login that did
}

type step struct {
	counter uint32
	login   int
	content [16]byte // hash of the ciphertext
	id      string   // of the message
}

// remembered is how many steps of a chain can be told from a fork when they come again. A
// resend is of the last frame; the rest is margin.
const remembered = 32

func newRatchets() *ratchets { return &ratchets{chains: make(map[chainID]*chain)} }

// verdict of the referee over one ciphertext.
type verdict int

const (
	verdictGood verdict = iota
	verdictGap
	verdictResend
	verdictFork
)

// observe books one ciphertext: which device it was for, of which type (pkmsg, msg, skmsg)
// and under which message ID. The error says that it could not be read.
func (r *ratchets) observe(to, kind, id string, login int, ciphertext []byte) (verdict, string, error) {
	key, counter, err := position(kind, ciphertext)
	if err != nil {
		return verdictGood, "", err
	}
	sum := sha256.Sum256(ciphertext)
	v, why := r.book(chainID{to: to, key: key}, step{counter: counter, login: login, content: [16]byte(sum[:16]), id: id})
	return v, why, nil
}

func (r *ratchets) book(at chainID, s step) (verdict, string) {
	c := r.chains[at]
	if c == nil {
		c = &chain{}
		r.chains[at] = c
	}
	if login, ok := c.skipped[s.counter]; ok && login == s.login {
		delete(c.skipped, s.counter)
		c.remember(s)
		return verdictGood, ""
	}
	if s.counter < c.next {
		for _, old := range c.recent {
			if old.counter != s.counter {
				continue
			}
			if old.content == s.content && old.id == s.id {
				return verdictResend, ""
			}
			return verdictFork, fmt.Sprintf("to %s: the key of counter %d was used for message %s by login %d, and again by login %d", at.to, s.counter, old.id, old.login, s.login)
		}
		return verdictFork, fmt.Sprintf("to %s: counter %d by login %d, after login %d had reached %d", at.to, s.counter, s.login, c.login, c.next-1)
	}
	skipped := s.counter - c.next
	for n := s.counter - min(skipped, remembered); n < s.counter; n++ {
		c.skip(n, s.login)
	}
	c.next, c.login = s.counter+1, s.login
	c.remember(s)
	if skipped > 0 {
		return verdictGap, fmt.Sprintf("to %s: %d counters skipped before %d", at.to, skipped, s.counter)
	}
	return verdictGood, ""
}

func (c *chain) remember(s step) {
	c.recent = append(c.recent, s)
	if len(c.recent) > remembered {
		c.recent = append([]step(nil), c.recent[len(c.recent)-remembered/2:]...)
	}
}

func (c *chain) skip(counter uint32, login int) {
	if c.skipped == nil {
		c.skipped = make(map[uint32]int)
	}
	maps.DeleteFunc(c.skipped, func(n uint32, _ int) bool { return n+remembered < counter })
	c.skipped[counter] = login
}

var signal = store.SignalProtobufSerializer

// position reads which chain and which counter a ciphertext was made with: both are in clear.
func position(kind string, ciphertext []byte) (key [32]byte, counter uint32, err error) {
	switch kind {
	case "pkmsg":
		m, err := protocol.NewPreKeySignalMessageFromBytes(ciphertext, signal.PreKeySignalMessage, signal.SignalMessage)
		if err != nil {
			return key, 0, err
		}
		return m.WhisperMessage().SenderRatchetKey().PublicKey(), m.WhisperMessage().Counter(), nil
	case "msg":
		m, err := protocol.NewSignalMessageFromBytes(ciphertext, signal.SignalMessage)
		if err != nil {
			return key, 0, err
		}
		return m.SenderRatchetKey().PublicKey(), m.Counter(), nil
	case "skmsg":
		m, err := protocol.NewSenderKeyMessageFromBytes(ciphertext, signal.SenderKeyMessage)
		if err != nil {
			return key, 0, err
		}
		return sha256.Sum256(fmt.Append(nil, m.KeyID())), m.Iteration(), nil
	}
	return key, 0, fmt.Errorf("ciphertext of type %q", kind)
}

// judgeLocked has the referee look at one ciphertext that a device sent.
func (e *Emulator) judgeLocked(c *conn, d *device, to string, enc *node, id string) verdict {
	ev := Event{Number: d.account.number, Device: d.pn.String(), Login: c.login, Peer: to, ID: id}
	v, why, err := d.ratchets.observe(to, text(enc, "type"), id, c.login, bytesOf(enc))
	switch {
	case err != nil:
		ev.Kind, ev.Detail = KindClientError, "ciphertext: "+err.Error()
		e.note(ev)
	case v == verdictFork:
		ev.Kind, ev.Detail = KindFork, why
		e.note(ev)
		e.log.Warn("ratchet fork", "device", ev.Device, "login", c.login)
	case v == verdictGap:
		ev.Kind, ev.Detail = KindGap, why
		e.note(ev)
	}
	return v
}
