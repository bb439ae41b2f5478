package emulator

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/socket"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/keys"
	waLog "go.mau.fi/whatsmeow/util/log"
	"google.golang.org/protobuf/proto"
)

// wire is a client of few words: it says what a test has it say and answers nothing by itself, so
// that a test can be any client.
type wire struct {
	t      *testing.T
	e      *Emulator
	number string
	device *store.Device // with an ID and a LID once it is linked
	server [32]byte      // static key of the server, learnt by XX

	ns *socket.NoiseSocket

	mu   sync.Mutex // guards what follows
	got  []*node
	more chan struct{}
}

// newWire links a device to a phone, which may be new, without a code. It is not connected.
func newWire(t *testing.T, e *Emulator, number string) *wire {
	t.Helper()
	d := newPhoneDevice(4711)
	one, _ := d.PreKeys.GenOnePreKey(t.Context())
	linked, err := e.Link([]Linking{linking(d, number, []*keys.PreKey{one})})
	if err != nil {
		t.Fatal(err)
	}
	accept(t, d, linked[0])
	return &wire{t: t, e: e, number: number, device: d, more: make(chan struct{})}
}

// loginAs is how a client says that it comes.
type loginAs struct {
	passive, pull bool
	ik            bool // with the key of the server that it knows
}

// login connects and waits to be let in.
func (w *wire) login(as loginAs) {
	w.t.Helper()
	payload := w.device.GetClientPayload()
	payload.Passive, payload.Pull = proto.Bool(as.passive), proto.Bool(as.pull)
	w.connect(payload, as.ik)
	w.next("success", nil)
}

// connect does the handshake with a payload. It returns whether the server answered IK by falling
// back to XX.
func (w *wire) connect(payload *waWa6.ClientPayload, ik bool) (fellBack bool) {
	w.t.Helper()
	fs := socket.NewFrameSocket(waLog.Noop, redirect(w.t, w.e))
	if err := fs.Connect(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { fs.Close(websocket.StatusNormalClosure) })
	raw, err := proto.Marshal(payload)
	if err != nil {
		w.t.Fatal(err)
	}
	header := fs.Header // it is gone once it was sent
	ephemeral := keys.NewKeyPair()
	hello := &waWa6.HandshakeMessage_ClientHello{Ephemeral: ephemeral.Pub[:]}
	hs := socket.NewNoiseHandshake()
	if ik {
		hs.Start("Noise_IK_25519_AESGCM_SHA256\x00\x00\x00\x00", header)
		hs.Authenticate(w.server[:])
		hs.Authenticate(ephemeral.Pub[:])
		w.mix(hs, ephemeral.Priv, w.server)
		hello.Static = hs.Encrypt(w.device.NoiseKey.Pub[:])
		w.mix(hs, w.device.NoiseKey.Priv, w.server)
		hello.Payload = hs.Encrypt(raw)
	}
	w.say(fs, &waWa6.HandshakeMessage{ClientHello: hello})
	answer := w.hear(fs).GetServerHello()
	if len(answer.GetEphemeral()) != 32 {
		w.t.Fatal("ServerHello without a key")
	}
	theirs := [32]byte(answer.GetEphemeral())
	fellBack = ik && len(answer.GetStatic()) > 0
	switch {
	case ik && !fellBack:
		hs.Authenticate(theirs[:])
		w.mix(hs, ephemeral.Priv, theirs)
		w.mix(hs, w.device.NoiseKey.Priv, theirs)
		if _, err := hs.Decrypt(answer.GetPayload()); err != nil {
			w.t.Fatal("the server's certificate: ", err)
		}
	default:
		name := socket.NoiseStartPattern
		if fellBack {
			name = "Noise_XXfallback_25519_AESGCM_SHA256"
		}
		hs = socket.NewNoiseHandshake()
		hs.Start(name, header)
		hs.Authenticate(ephemeral.Pub[:])
		hs.Authenticate(theirs[:])
		w.mix(hs, ephemeral.Priv, theirs)
		static, err := hs.Decrypt(answer.GetStatic())
		if err != nil {
			w.t.Fatal("the server's static key: ", err)
		}
		w.server = [32]byte(static)
		w.mix(hs, ephemeral.Priv, w.server)
		if _, err := hs.Decrypt(answer.GetPayload()); err != nil {
			w.t.Fatal("the server's certificate: ", err)
		}
		mine := hs.Encrypt(w.device.NoiseKey.Pub[:])
		w.mix(hs, w.device.NoiseKey.Priv, theirs)
		w.say(fs, &waWa6.HandshakeMessage{ClientFinish: &waWa6.HandshakeMessage_ClientFinish{Static: mine, Payload: hs.Encrypt(raw)}})
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.t.Cleanup(cancel)
	w.ns, err = hs.Finish(ctx, fs, w.take, func(context.Context, *socket.NoiseSocket, bool) {})
	if err != nil {
		w.t.Fatal(err)
	}
	return fellBack
}

func (w *wire) mix(hs *socket.NoiseHandshake, private *[32]byte, public [32]byte) {
	w.t.Helper()
	if err := hs.MixSharedSecretIntoKey(*private, public); err != nil {
		w.t.Fatal(err)
	}
}

func (w *wire) say(fs *socket.FrameSocket, m *waWa6.HandshakeMessage) {
	w.t.Helper()
	raw, err := proto.Marshal(m)
	if err == nil {
		err = fs.SendFrame(raw)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *wire) hear(fs *socket.FrameSocket) *waWa6.HandshakeMessage {
	w.t.Helper()
	m := &waWa6.HandshakeMessage{}
	select {
	case raw := <-fs.Frames:
		if err := proto.Unmarshal(raw, m); err != nil {
			w.t.Fatal(err)
		}
	case <-time.After(patience):
		w.t.Fatal("no answer to the handshake")
	}
	return m
}

// take keeps a stanza for the test.
func (w *wire) take(_ context.Context, frame []byte) {
	plain, err := waBinary.Unpack(frame)
	if err != nil {
		return
	}
	n, err := waBinary.Unmarshal(plain)
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got = append(w.got, n)
	close(w.more)
	w.more = make(chan struct{})
}

// next waits for a stanza of a tag that fits, and takes it and all before it away.
func (w *wire) next(tag string, fits func(*node) bool) *node {
	w.t.Helper()
	timeout := time.After(patience)
	for {
		w.mu.Lock()
		i := slices.IndexFunc(w.got, func(n *node) bool { return n.Tag == tag && (fits == nil || fits(n)) })
		if i >= 0 {
			n := w.got[i]
			w.got = w.got[i+1:]
			w.mu.Unlock()
			return n
		}
		more, seen := w.more, len(w.got)
		w.mu.Unlock()
		select {
		case <-more:
		case <-timeout:
			w.t.Fatalf("no <%s> in %v, but %d other stanzas", tag, patience, seen)
		}
	}
}

func (w *wire) send(n node) {
	w.t.Helper()
	raw, err := waBinary.Marshal(n)
	if err == nil {
		err = w.ns.SendFrame(context.Background(), raw)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// ask sends a query and returns its answer.
func (w *wire) ask(space, kind string, content ...node) *node {
	w.t.Helper()
	w.e.mu.Lock()
	id := w.e.nextIDLocked("test")
	w.e.mu.Unlock()
	w.send(node{Tag: "iq", Attrs: attrs{"id": id, "to": types.ServerJID, "xmlns": space, "type": kind}, Content: content})
	return w.next("iq", func(n *node) bool { return text(n, "id") == id })
}

// seen returns what has come by the time that the server has answered a ping, and takes it away.
func (w *wire) seen() []*node {
	w.t.Helper()
	w.mu.Lock()
	before := len(w.got)
	w.mu.Unlock()
	w.send(node{Tag: "iq", Attrs: attrs{"id": "seen", "to": types.ServerJID, "xmlns": "w:p", "type": "get"}})
	timeout := time.After(patience)
	for {
		w.mu.Lock()
		i := slices.IndexFunc(w.got, func(n *node) bool { return n.Tag == "iq" && text(n, "id") == "seen" })
		if i >= 0 {
			out := slices.Concat(w.got[:i], w.got[i+1:])
			w.got = nil
			w.mu.Unlock()
			return out
		}
		more := w.more
		w.mu.Unlock()
		select {
		case <-more:
		case <-timeout:
			w.t.Fatalf("no answer to a ping in %v; %d stanzas before", patience, before)
		}
	}
}

// tagged returns those stanzas that have a tag.
func tagged(all []*node, tag string) []*node {
	return slices.DeleteFunc(slices.Clone(all), func(n *node) bool { return n.Tag != tag })
}

// seal encrypts a text for a device as the client's own device; the first time it fetches the
// other's keys.
func (w *wire) seal(to types.JID, plain []byte) node {
	w.t.Helper()
	own := &phone{store: w.device, e: w.e}
	bundles := own.fetch([]types.JID{to})
	enc, err := own.encrypt(to, plain, bundles[to])
	if err != nil {
		w.t.Fatal(err)
	}
	return *enc
}

// identity is what stands beside a ciphertext that begins a session.
func (w *wire) identity() node {
	w.t.Helper()
	raw, err := proto.Marshal(w.device.Account)
	if err != nil {
		w.t.Fatal(err)
	}
	return node{Tag: "device-identity", Content: raw}
}

func lidJID(number string) types.JID { return types.NewJID(lidOf(number), types.HiddenUserServer) }

// within wraps each device's ciphertext as a message to several carries them.
func within(to types.JID, enc node) node {
	return node{Tag: "to", Attrs: attrs{"jid": to}, Content: []node{enc}}
}
