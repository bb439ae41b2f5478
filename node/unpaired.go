package node

import (
	"context"
	"errors"
	"time"

	"session-manager/node/ownership"
	"session-manager/node/session"
)

var (
	errCrowded = errors.New("this node has as many clientes that are not paired as it may")
	errUnasked = errors.New("not paired, and nobody asked for it")
)

// unaskedFor is how long a cliente that is not paired is kept without a request: longer than its QR
// codes are shown.
const unaskedFor = 3 * time.Minute

// askedLately is how long after a request somebody may still be looking at a code: callers poll every few
// seconds then.
const askedLately = time.Minute

// unpaired bounds the clientes of a node that are not paired. Anybody who may ask for a cliente makes a new
// one by asking for its status; each costs a connection to WhatsApp, a key and a row, and is of use only
// while somebody waits to scan its code.
type unpaired struct {
	most    int           // at a time; 0: any number
	unasked time.Duration // after which one that nobody asks for ends
	// paired says whether the cliente is paired, by the store. It is asked only where the bound is reached.
	paired func(ctx context.Context, c ownership.Cliente) (bool, error)

	// Guarded by keeper.mu: those that are not known to be paired.
	strangers map[ownership.Cliente]*entry
}

// crowded says whether no further cliente may be kept that is not known to be paired. Holds mu.
func (k *keeper) crowded() bool {
	return k.unpaired.most > 0 && len(k.unpaired.strangers) >= k.unpaired.most
}

// admit returns an entry for a cliente that did not get one as the node is crowded: there may be room by
// now, and one that is paired needs none.
func (k *keeper) admit(ctx context.Context, c ownership.Cliente) (*entry, error) {
	k.lookAtStrangers()
	en, err := k.want(c, ownership.Requested)
	if !errors.Is(err, errCrowded) {
		return en, err
	}
	known, err := k.unpaired.paired(ctx, c)
	switch {
	case err != nil:
		return nil, err
	case !known:
		k.metrics.crowded.Inc()
		return nil, errCrowded
	}
	return k.wantOf(c, ownership.Requested, true)
}

// lookAtStrangers finds out who has been paired meanwhile.
func (k *keeper) lookAtStrangers() {
	k.mu.Lock()
	here := make(map[*entry]running, len(k.unpaired.strangers))
	for _, en := range k.unpaired.strangers {
		if en.session != nil {
			here[en] = en.session
		}
	}
	k.mu.Unlock()
	for en, s := range here {
		if s.Paired() {
			k.mu.Lock()
			k.acquaint(en)
			k.mu.Unlock()
		}
	}
}

// acquaint books that the cliente is paired. Holds mu.
func (k *keeper) acquaint(en *entry) {
	en.stranger = time.Time{}
	delete(k.unpaired.strangers, en.cliente)
}

// EndUnasked gives up the clientes that are not paired and that nobody has asked for, for so long. One
// whose phone has unlinked it is one of them from then on.
func (k *keeper) EndUnasked(now time.Time) {
	k.mu.Lock()
	here := make(map[*entry]running, len(k.entries))
	for _, en := range k.entries {
		if en.session != nil && en.machine.Phase() == ownership.Running {
			here[en] = en.session
		}
	}
	k.mu.Unlock()
	var unasked []ownership.Cliente
	for en, s := range here {
		paired := s.Paired()
		k.mu.Lock()
		switch {
		case k.entries[en.cliente] != en:
		case paired:
			k.acquaint(en)
		case en.stranger.IsZero():
			en.stranger = now
			k.unpaired.strangers[en.cliente] = en
		case now.Sub(en.stranger) >= k.unpaired.unasked && now.Sub(en.used) >= k.unpaired.unasked:
			unasked = append(unasked, en.cliente)
		}
		k.mu.Unlock()
	}
	for _, c := range unasked {
		k.Release(c, errUnasked)
	}
}

// forsake deletes what is stored of a cliente that was never paired, when its session has ended and nobody
// asks for it: who still does would be told that there never was one. Whoever has taken it meanwhile has raised
// the fence, and then nothing is deleted. The fence stays for good: without the row, an owner that was paused
// could raise it to a token of its past.
func (k *keeper) forsake(en *entry, hold *ownership.Hold, cause error) {
	k.mu.Lock()
	asked := time.Since(en.used) < askedLately // codes end before unasked has passed
	k.mu.Unlock()
	if asked || !errors.Is(cause, errUnasked) && !errors.Is(cause, session.ErrPairingExpired) {
		return // the cleaner deletes what stays
	}
	ctx, cancel := context.WithTimeout(k.ctx, k.timing.RenewTimeout)
	defer cancel()
	if err := k.fences.Forsake(ctx, hold.Cliente(), hold.Token()); err != nil {
		k.log.Warn("what is stored of a cliente that was never paired was not deleted", "cliente", hold.Cliente(), "err", err)
	}
}
