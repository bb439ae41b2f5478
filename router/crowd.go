package router

import (
	"sync"

	"session-manager/node/ownership"
)

// crowds count the requests in flight of each cliente, whatever they ask for: who asks for one cliente
// without end gets no more of a node than that, and all others get what they did.
type crowds struct {
	most   int
	shards [32]crowd
}

type crowd struct {
	mu sync.Mutex // guards n
	n  map[ownership.Cliente]int
}

func newCrowds(most int) *crowds {
	c := &crowds{most: most}
	for i := range c.shards {
		c.shards[i].n = make(map[ownership.Cliente]int)
	}
	return c
}

func (c *crowds) shard(of ownership.Cliente) *crowd {
	return &c.shards[uint64(of)%uint64(len(c.shards))]
}

// join counts one more; false: there are too many.
func (c *crowds) join(of ownership.Cliente) bool {
	s := c.shard(of)
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.n[of]
	if n >= c.most {
		return false
	}
	s.n[of] = n + 1
	return true
}

// leave is called once for each join that returned true.
func (c *crowds) leave(of ownership.Cliente) {
	s := c.shard(of)
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.n[of]; n > 1 {
		s.n[of] = n - 1
	} else {
		delete(s.n, of)
	}
}

// places are those in which requests wait for an owner. A key has a share of them.
type places struct {
	mu    sync.Mutex // guards what follows
	taken int64
	byKey map[string]int64 // by the key's name; "": of callers who need none
}

// shares are of how many a key has one.
const shares = 4

// take takes a place of a key; "": of callers who need none, who may have all.
func (p *places) take(key string, most int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken >= most || key != "" && p.byKey[key] >= max(most/shares, 1) {
		return false
	}
	if p.byKey == nil {
		p.byKey = make(map[string]int64)
	}
	p.taken++
	p.byKey[key]++
	return true
}

func (p *places) giveBack(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	if p.byKey[key]--; p.byKey[key] == 0 {
		delete(p.byKey, key)
	}
}

// Load is how many are taken.
func (p *places) Load() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken
}
