package emulator

import (
	"context"
	"errors"
	"fmt"

	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/whatsmeow/proto/waAdv"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// chainOrder is the order in which one device used its chains, by session.
type chainOrder map[string]*chainLine

type chainLine struct {
	current [32]byte
	login   int // in which current was used first
	past    map[[32]byte]bool
}

// judgeChain finds the fork that the ratchets cannot see: a device that goes back to a chain
// of the same session that it has left. A session's chains only follow one another, but of two
// frames of one login that are made at the same moment the earlier may leave later (see ratchets).
func (p *phone) judgeChain(sender types.JID, id string, m *protocol.SignalMessage) {
	if sender.Device == 0 {
		return // another phone
	}
	record, err := p.store.LoadSession(context.Background(), sender.SignalAddress())
	if err != nil {
		return
	}
	order := p.devices[sender.String()]
	if order == nil {
		order = chainOrder{}
		p.devices[sender.String()] = order
	}
	name := string(record.SessionState().SenderBaseKey())
	line := order[name]
	if line == nil {
		line = &chainLine{past: make(map[[32]byte]bool)}
		order[name] = line
	}
	key := m.SenderRatchetKey().PublicKey()
	if line.past[key] {
		if login := p.loginOf(sender); login != line.login {
			p.e.note(Event{Kind: KindFork, Number: p.numberOf(sender), Device: p.deviceName(sender), Peer: p.account.pn.String(), ID: id, Login: login,
				Detail: "went back to a chain that its session had left"})
		}
		return
	}
	if line.current != key {
		if line.current != ([32]byte{}) {
			line.past[line.current] = true
		}
		line.current, line.login = key, p.loginOf(sender)
	}
}

// loginOf is the number of a device's present login, 0 where it has none.
func (p *phone) loginOf(sender types.JID) int {
	p.e.mu.Lock()
	defer p.e.mu.Unlock()
	if d := p.e.deviceLocked(sender); d != nil && d.conn != nil {
		return d.conn.login
	}
	return 0
}

// checkDevice verifies that a linked device which begins a session was linked by its
// account: the device-identity beside a pkmsg.
func (p *phone) checkDevice(n *node, sender types.JID, key [32]byte) error {
	if sender.Device == 0 {
		return nil
	}
	raw := childBytes(n, "device-identity")
	if raw == nil {
		return errors.New("a linked device's pkmsg without device-identity")
	}
	var identity waAdv.ADVSignedDeviceIdentity
	if err := proto.Unmarshal(raw, &identity); err != nil {
		return fmt.Errorf("device-identity: %w", err)
	}
	p.e.mu.Lock()
	a := p.e.accountLocked(sender)
	p.e.mu.Unlock()
	if a == nil {
		return errors.New("sender unknown")
	}
	if err := verifyDevice(&identity, a.phone.identityKey(), key); err != nil {
		return fmt.Errorf("device-identity: %w", err)
	}
	return nil
}
