package emulator

import (
	"context"
	"strings"
	"time"

	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waServerSync"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	waLog "go.mau.fi/whatsmeow/util/log"
	"google.golang.org/protobuf/proto"
)

// appState is what the account's devices share of its settings: collections of patches, which the
// server keeps and cannot read. The phone alone writes here, and only its push name.
type appState struct {
	keyID   []byte
	key     []byte
	written time.Time // when the key was made
	patches map[string][][]byte
}

// appStateKeyID is a key's ID: the device that made it (2 bytes, the phone) and its epoch (4 bytes).
var appStateKeyID = []byte{0, 0, 0, 0, 0, 1}

// newAppState makes a phone's key, and the first patch of its settings with it.
func newAppState(name string) (*appState, error) {
	s := &appState{keyID: appStateKeyID, key: random(32), written: time.Now(), patches: make(map[string][][]byte)}
	noop := &store.NoopStore{}
	writer := appstate.NewProcessor(&store.Device{AppStateKeys: oneKey{noop, s.key}, AppState: noop}, waLog.Noop)
	change := appstate.BuildSettingPushName(name)
	patch, err := writer.EncodePatch(context.Background(), s.keyID, appstate.HashState{}, change)
	if err != nil {
		return nil, err
	}
	// The server numbers what it is given.
	var numbered waServerSync.SyncdPatch
	if err = proto.Unmarshal(patch, &numbered); err != nil {
		return nil, err
	}
	numbered.Version = &waServerSync.SyncdVersion{Version: proto.Uint64(1)}
	if patch, err = proto.Marshal(&numbered); err != nil {
		return nil, err
	}
	s.patches[string(change.Type)] = [][]byte{patch}
	return s, nil
}

// oneKey is a key store that holds a phone's one key.
type oneKey struct {
	*store.NoopStore
	key []byte
}

func (k oneKey) GetAppStateSyncKey(context.Context, []byte) (*store.AppStateSyncKey, error) {
	return &store.AppStateSyncKey{Data: k.key}, nil
}

// answerAppStateLocked answers every collection asked with the patches that the client has not.
func (a *account) answerAppStateLocked(sync *node) []node {
	var collections []node
	for _, c := range sync.GetChildren() {
		name := text(&c, "name")
		if c.Tag != "collection" || name == "" {
			continue
		}
		has := number(&c, "version")
		answer := node{Tag: "collection", Attrs: attrs{"name": name, "version": has, "has_more_patches": false, "type": "result"}}
		if a.settings != nil && has < len(a.settings.patches[name]) {
			var missing []node
			for _, patch := range a.settings.patches[name][has:] {
				missing = append(missing, node{Tag: "patch", Content: patch})
			}
			answer.Attrs["version"] = len(a.settings.patches[name])
			answer.Content = []node{{Tag: "patches", Content: missing}}
		}
		collections = append(collections, answer)
	}
	return []node{{Tag: "sync", Content: collections}}
}

// introduce has the phone tell a device that was just paired what it waits for: the key of the
// account's settings, and, once the device has that (introducedLocked), that there are some. It is
// told anew at each login until it has acknowledged both, so that nothing of it waits in the queue.
func (e *Emulator) introduce(c *conn) {
	e.mu.Lock()
	d := c.device
	wait := d == nil || !d.fresh || d.conn != c || c.passive || c.offline.pending || c.introduced
	c.introduced = c.introduced || !wait
	e.mu.Unlock()
	if wait {
		return
	}
	if err := d.account.phone.shareKey(d); err != nil {
		e.log.Warn("the phone could not share its app state key", "device", d.pn.String(), "err", err)
	}
}

// shareKey sends a device the key of the account's settings.
func (p *phone) shareKey(d *device) error {
	p.e.mu.Lock()
	if p.account.settings == nil {
		made, err := newAppState(p.account.name)
		if err != nil {
			p.e.mu.Unlock()
			return err
		}
		p.account.settings = made
	}
	s := p.account.settings
	id := newMessageID()
	d.introduction = id
	p.e.mu.Unlock()
	share := &waE2E.AppStateSyncKeyShare{Keys: []*waE2E.AppStateSyncKey{{
		KeyID: &waE2E.AppStateSyncKeyId{KeyID: s.keyID},
		KeyData: &waE2E.AppStateSyncKeyData{
			KeyData:   s.key,
			Timestamp: proto.Int64(s.written.UnixMilli()),
			Fingerprint: &waE2E.AppStateSyncKeyFingerprint{
				RawID: proto.Uint32(p.rawID()), CurrentIndex: proto.Uint32(d.keyIndex), DeviceIndexes: []uint32{0, d.keyIndex},
			},
		},
	}}}
	return p.sendPeer(d, id, &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
		Type: waE2E.ProtocolMessage_APP_STATE_SYNC_KEY_SHARE.Enum(), AppStateSyncKeyShare: share,
	}})
}

// sendPeer sends one of the account's own devices a message of the phone that no chat shows.
func (p *phone) sendPeer(d *device, id string, message *waE2E.Message) error {
	plain, err := proto.Marshal(message)
	if err != nil {
		return err
	}
	// A session is begun without one of the device's one-time keys: those are for people who write.
	p.e.mu.Lock()
	keys := node{Tag: "user", Attrs: attrs{"jid": d.lid}, Content: d.keys.lasting()}
	p.e.mu.Unlock()
	bundle, err := readBundle(d.lid, &keys)
	if err != nil {
		return err
	}
	p.mu.Lock()
	if has, _ := p.store.Sessions.HasSession(context.Background(), d.lid.SignalAddress().String()); has {
		bundle = nil
	}
	enc, err := p.encrypt(d.lid, plain, bundle)
	if err == nil {
		p.remember(letter{id: id, to: d.lid, message: message}).peer = true
	}
	p.mu.Unlock()
	if err != nil {
		return err
	}
	p.e.mu.Lock()
	defer p.e.mu.Unlock()
	m := &routing{id: id, from: p.account.lid, sender: p.account, to: d.lid, node: &node{Tag: "message", Attrs: attrs{"category": "peer"}}}
	p.e.sendLiveLocked(d, m.copyFor(p.e, part{to: d.lid, enc: enc}))
	return nil
}

// introducedLocked hears that a device has something. After the key it is told of the settings.
func (e *Emulator) introducedLocked(d *device, id string) {
	switch {
	case id == "" || d.introduction != id:
		return
	case strings.HasPrefix(id, introduction):
		d.fresh, d.introduction = false, ""
		return
	}
	d.introduction = e.nextIDLocked(introduction)
	var written []node
	for name, patches := range d.account.settings.patches {
		written = append(written, node{Tag: "collection", Attrs: attrs{"name": name, "version": len(patches)}})
	}
	e.sendLiveLocked(d, node{
		Tag:     "notification",
		Attrs:   attrs{"from": types.ServerJID, "type": "server_sync", "id": d.introduction, "t": time.Now().Unix()},
		Content: written,
	})
}

// introduction begins the ID of the notification that ends an introduction.
const introduction = "sync"

// sendLiveLocked sends a device a stanza that is not worth keeping for it.
func (e *Emulator) sendLiveLocked(d *device, n node) {
	if c := d.conn; c != nil && c.welcomed && !c.offline.pending {
		e.sendLocked(c, n)
	}
}

// shareKeyAgain answers a device's request. The caller holds p.mu.
func (p *phone) shareKeyAgain(to types.JID) {
	p.e.mu.Lock()
	defer p.e.mu.Unlock()
	d := p.e.deviceLocked(to)
	if d == nil {
		return
	}
	p.e.spawnLocked(func() {
		if err := p.shareKey(d); err != nil {
			p.e.log.Warn("the phone could not share its app state key", "device", d.pn.String(), "err", err)
		}
	})
}

// asksForKey reports whether a device's peer message asks for the key again.
func asksForKey(m *waE2E.Message) bool {
	return m.GetProtocolMessage().GetAppStateSyncKeyRequest() != nil
}
