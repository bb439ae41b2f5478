package node

import (
	"time"

	"session-manager/node/ownership"
)

// Owned says whether this node runs the cliente's session, and under which token.
func (k *keeper) Owned(c ownership.Cliente) (ownership.Token, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	en, ok := k.entries[c]
	if !ok || en.machine.Phase() != ownership.Running {
		return ownership.Token{}, false
	}
	return en.machine.Token(), true
}

// Running is Session where the session runs already: it waits for nothing.
func (k *keeper) Running(c ownership.Cliente) (running, ownership.Token, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	en, ok := k.entries[c]
	if !ok || en.session == nil || en.machine.Phase() != ownership.Running {
		return nil, ownership.Token{}, false
	}
	en.used = time.Now()
	return en.session, en.hold.Token(), true
}

// Peek is the cliente's session where this node runs it, without using it.
func (k *keeper) Peek(c ownership.Cliente) (running, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	en, ok := k.entries[c]
	if !ok || en.session == nil || en.machine.Phase() != ownership.Running {
		return nil, false
	}
	return en.session, true
}

// Kept says whether this node owns the cliente, is about to, or is giving it up.
func (k *keeper) Kept(c ownership.Cliente) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, ok := k.entries[c]
	return ok
}

func (k *keeper) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.entries)
}

func (k *keeper) queued() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.queue.Len()
}

// Token is that of a key created at revision in the present generation.
func (k *keeper) Token(revision int64) ownership.Token {
	k.mu.Lock()
	defer k.mu.Unlock()
	return ownership.Token{Generation: k.generation, Revision: revision}
}

// running counts the sessions that serve.
func (k *keeper) running() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := 0
	for _, en := range k.entries {
		if en.machine.Phase() == ownership.Running {
			n++
		}
	}
	return n
}

// Most is how many clientes may be kept at a time; 0: any number.
func (k *keeper) Most() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.most
}
