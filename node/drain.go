package node

import (
	"context"
	"slices"
	"time"

	"session-manager/node/ownership"
)

// Drain releases everything that is kept, at most rate a second (0: all at once): idle
// clientes first, the most recently used last. It returns how many are left when ctx ends.
func (k *keeper) Drain(ctx context.Context, rate int) (left int) {
	var released []<-chan struct{}
	var pace <-chan time.Time
	if rate > 0 {
		ticker := time.NewTicker(time.Second / time.Duration(rate))
		defer ticker.Stop()
		pace = ticker.C
	}
	for _, c := range k.byUse() {
		if gone := k.Release(c, ownership.ErrDraining); gone != nil {
			released = append(released, gone)
		}
		if pace != nil {
			select {
			case <-pace:
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			break
		}
	}
	for _, gone := range released {
		select {
		case <-gone:
		case <-ctx.Done():
			return k.count()
		}
	}
	return k.count()
}

// byUse lists what is kept, least recently used first.
func (k *keeper) byUse() []ownership.Cliente {
	type use struct {
		cliente ownership.Cliente
		at      time.Time
	}
	k.mu.Lock()
	uses := make([]use, 0, len(k.entries))
	for c, en := range k.entries {
		uses = append(uses, use{c, en.used})
	}
	k.mu.Unlock()
	slices.SortFunc(uses, func(a, b use) int { return a.at.Compare(b.at) })
	clientes := make([]ownership.Cliente, len(uses))
	for i, u := range uses {
		clientes[i] = u.cliente
	}
	return clientes
}
