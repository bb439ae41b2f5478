package emulator

import "time"

// Reinstall has the phone of number installed anew: it keeps its number and what it had received, as
// from a backup, and has another identity key, other prekeys and no sessions. As at WhatsApp, its
// linked devices are unlinked. With tell, the devices of those who know it are told of its new
// identity; without, they find out by what it sends, and by what it cannot read.
func (e *Emulator) Reinstall(number string, tell bool) error {
	a, err := e.accountByNumber(number)
	if err != nil {
		return err
	}
	p := a.phone
	p.mu.Lock()
	p.install()
	clear(p.retries)
	clear(p.devices)
	p.mu.Unlock()

	e.mu.Lock()
	defer e.mu.Unlock()
	a.settings = nil
	e.note(Event{Kind: KindReinstalled, Number: number})
	for _, d := range a.sortedDevices() {
		e.removeLocked(d, "the phone was installed anew")
	}
	if tell {
		e.announceIdentityLocked(a)
	}
	return nil
}

// announceIdentityLocked tells an account's contacts that its phone has another identity key, in both
// forms that a client may know it by.
func (e *Emulator) announceIdentityLocked(a *account) {
	for _, about := range []attrs{{"from": a.pn, "lid": a.lid}, {"from": a.lid}} {
		a.tellContactsLocked(func(to *device) {
			n := with(node{Tag: "notification", Attrs: about}, attrs{"type": "encrypt", "id": e.nextIDLocked("identity"), "t": time.Now().Unix()})
			n.Content = []node{{Tag: "identity"}}
			e.deliverLocked(to, n)
		})
	}
}
