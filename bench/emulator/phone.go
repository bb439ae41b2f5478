package emulator

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
)

// phone is an account's phone, device 0: it vouches for linked devices, encrypts, decrypts,
// acknowledges, asks for what it could not decrypt and answers such requests. It is always
// connected.
type phone struct {
	e       *Emulator
	account *account
	keys    atomic.Pointer[store.Device] // its keys; store, to be read without mu

	mail mailbox

	mu      sync.Mutex    // guards what follows and the Signal state
	store   *store.Device // another one once it is installed anew
	inbox   []*Message
	seen    map[messageKey]*Message
	sent    map[string]*sentMessage // by ID, for retries
	copies  []*SentCopy
	shown   map[messageKey]*Content  // what is listed in inbox and copies
	secrets map[messageKey][]byte    // of what is shown, where it brought one
	early   map[messageKey][]*change // to messages that have not come
	retries map[messageKey]int       // how often it asked
	devices map[string]chainOrder
}

// messageKey is what a phone knows a message by: an ID of one sender, whichever of its devices.
type messageKey struct {
	sender string // LID user
	id     string
}

// sentMessage is what a phone keeps of a message that it sent.
type sentMessage struct {
	letter
	peer bool // for a device of the own account
}

// Message is one entry of a phone's inbox.
type Message struct {
	ID         string    `json:"id"`
	From       string    `json:"from"`           // number of the account
	FromDevice string    `json:"from_device"`    // JID in number form
	At         time.Time `json:"at"`             // of the first arrival
	Copies     int       `json:"copies"`         // arrivals of this ID; the phone shows one
	Chat       string    `json:"chat,omitempty"` // of a group
	Content
}

// SentCopy is a message that one of the phone's linked devices sent: the phone gets a copy.
type SentCopy struct {
	ID         string    `json:"id"`
	To         string    `json:"to"` // number, or a group's JID
	FromDevice string    `json:"from_device"`
	At         time.Time `json:"at"`
	Content
}

func newPhone(e *Emulator, a *account) *phone {
	p := &phone{
		e:       e,
		account: a,
		seen:    make(map[messageKey]*Message),
		sent:    make(map[string]*sentMessage),
		shown:   make(map[messageKey]*Content),
		secrets: make(map[messageKey][]byte),
		early:   make(map[messageKey][]*change),
		retries: make(map[messageKey]int),
		devices: make(map[string]chainOrder),
	}
	p.mail.read = sync.NewCond(&p.mail.mu)
	p.install()
	return p
}

// install gives the phone new keys and an empty Signal state. The caller holds p.mu, or has made p.
func (p *phone) install() {
	p.store = newPhoneDevice(binary.BigEndian.Uint32(random(4))%16380 + 1) // as clients: 14 bits, not 0
	p.keys.Store(p.store)
}

func (p *phone) identityKey() [32]byte { return *p.keys.Load().IdentityKey.Pub }

// bundle is the phone's keys for who wants to begin a session with it.
func (p *phone) bundle() []node {
	p.mu.Lock()
	defer p.mu.Unlock()
	key, _ := p.store.PreKeys.GenOnePreKey(context.Background())
	return []node{
		{Tag: "registration", Content: binary.BigEndian.AppendUint32(nil, p.store.RegistrationID)},
		keyTypeNode(),
		{Tag: "identity", Content: p.store.IdentityKey.Pub[:]},
		preKeyNode(p.store.SignedPreKey),
		preKeyNode(key),
	}
}

// deliver hands the phone a stanza. It never blocks: the phone works in its own goroutine,
// which exists while there is something to do.
func (p *phone) deliver(n node) {
	if p.e.ctx.Err() == nil && p.mail.put(n) {
		p.e.wg.Go(func() { p.mail.drain(p.receive) })
	}
}

// mailbox is a queue with at most one reader.
type mailbox struct {
	mu      sync.Mutex // guards what follows
	waiting []node
	busy    bool
	away    bool       // nobody reads
	arrived int        // so many stanzas, ever
	taken   int        // of them; what came of these is done
	read    *sync.Cond // tells of taken and busy
}

// put appends, and says whether the caller must start a reader.
func (m *mailbox) put(n node) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting = append(m.waiting, n)
	m.arrived++
	return m.beginLocked()
}

// caughtUp returns when all that has arrived by now is taken, or nobody reads.
func (m *mailbox) caughtUp() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for arrived := m.arrived; m.busy && m.taken < arrived; {
		m.read.Wait()
	}
}

// setAway says whether anybody reads, and returns whether the caller must start a reader.
func (m *mailbox) setAway(away bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = away
	return len(m.waiting) > 0 && m.beginLocked()
}

func (m *mailbox) beginLocked() bool {
	if m.busy || m.away {
		return false
	}
	m.busy = true
	return true
}

func (m *mailbox) drain(take func(node)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.waiting) > 0 && !m.away {
		next := m.waiting[0]
		m.waiting = m.waiting[1:]
		m.mu.Unlock()
		take(next)
		m.mu.Lock()
		m.taken++
		m.read.Broadcast()
	}
	m.busy = false
	if len(m.waiting) == 0 {
		m.waiting = nil
	}
	m.read.Broadcast()
}

// Inbox is what the phone of number has received and decrypted, oldest first. Whatever was
// acknowledged to its sender before the call is among it, unless the phone is away or could not
// decrypt it: the phone works off first what has arrived.
func (e *Emulator) Inbox(number string) ([]Message, error) {
	a, err := e.accountByNumber(number)
	if err != nil {
		return nil, err
	}
	p := a.phone
	p.mail.caughtUp()
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Message, len(p.inbox))
	for i, m := range p.inbox {
		out[i] = *m
	}
	return out, nil
}

// Sent is what the linked devices of number have sent, as its phone was told. It waits for the
// phone as Inbox does.
func (e *Emulator) Sent(number string) ([]SentCopy, error) {
	a, err := e.accountByNumber(number)
	if err != nil {
		return nil, err
	}
	a.phone.mail.caughtUp()
	a.phone.mu.Lock()
	defer a.phone.mu.Unlock()
	out := make([]SentCopy, len(a.phone.copies))
	for i, c := range a.phone.copies {
		out[i] = *c
	}
	return out, nil
}

// newMessageID is an ID as phones make them.
func newMessageID() string { return strings.ToUpper(fmt.Sprintf("3A%x", random(9))) }

// targetsLocked is every device a message from this phone goes to: all of the recipient's
// and its own linked ones.
func (p *phone) targetsLocked(to *account) []types.JID {
	targets := to.deviceJIDs(types.HiddenUserServer)
	if to != p.account {
		targets = append(targets, p.account.deviceJIDs(types.HiddenUserServer)...)
	}
	return slices.DeleteFunc(targets, func(j types.JID) bool { return j == p.account.lid })
}

// ForgetSessions has the phone of number lose its Signal sessions, as after a restored backup. It
// asks again for what comes in them, and begins new ones for what it sends.
func (e *Emulator) ForgetSessions(number string) error {
	a, err := e.accountByNumber(number)
	if err != nil {
		return err
	}
	a.phone.mu.Lock()
	defer a.phone.mu.Unlock()
	clear(a.phone.store.Sessions.(*memStore).sessions)
	return nil
}
