package store

import "sync"

// known remembers what is certainly stored, so that writing it again costs nothing. What a
// transaction wrote and then took back must be forgotten. It is bounded by beginning anew.
type known[K, V comparable] struct {
	mu     sync.Mutex // guards what follows; a leaf, never held over a statement
	values map[K]V
	era    int // how often something was forgotten
}

// maxKnown bounds one cache of one account.
const maxKnown = 512

func (k *known[K, V]) get(key K) (V, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	v, ok := k.values[key]
	return v, ok
}

func (k *known[K, V]) is(key K, value V) bool {
	v, ok := k.get(key)
	return ok && v == value
}

func (k *known[K, V]) put(key K, value V) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.values == nil || len(k.values) >= maxKnown {
		k.values = make(map[K]V)
	}
	k.values[key] = value
}

// putRead is put of what was read in an era: where something was forgotten since, that may be old.
func (k *known[K, V]) putRead(era int, key K, value V) {
	if k.present() == era {
		k.put(key, value)
	}
}

func (k *known[K, V]) present() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.era
}

func (k *known[K, V]) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.values)
	k.era++
}
