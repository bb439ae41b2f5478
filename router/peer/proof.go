package peer

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"slices"
	"sync/atomic"
)

// Wire is the version that this release speaks.
const Wire = 1

// SecretSize is the length of a cluster's secret in bytes.
const SecretSize = 32

var (
	// ErrRefused: the other node does not believe this one, and nothing but the introduction went out.
	ErrRefused = errors.New("the other node refuses this one")
	// ErrStranger: the other side does not know the cluster's secret, and nothing but the introduction went out.
	ErrStranger = errors.New("the other side does not prove that it is the node that was meant")
	// ErrSilent: the other side ended the introduction, or said nothing for too long; nothing but the introduction went out.
	ErrSilent = errors.New("the other side does not finish the introduction")
	// ErrUnknown: no node is registered at the address.
	ErrUnknown = errors.New("no node is registered at this address")
)

// Other is another node, as its record in etcd has it.
type Other struct {
	Name    string
	Address string // of its peer port
	Wire    int
}

// Secrets are what a node knows. The zero value knows none, and believes nobody.
type Secrets struct {
	Keys   [][]byte // SecretSize bytes each; the first is the cluster's, the others are taken too
	Agreed bool     // nodes of wire 0 have none, and need none
}

// Proof is what a node proves itself by, and judges others by. It is safe for concurrent use.
type Proof struct {
	Node    string // this one
	Address string // at which others dial it; "": any address is taken for it

	secrets atomic.Pointer[Secrets]
	others  atomic.Pointer[func() []Other]
}

// Use makes these the secrets, for connections to come.
func (p *Proof) Use(s Secrets) { p.secrets.Store(&s) }

// Know says where the other nodes can be looked up. Until then there are none.
func (p *Proof) Know(others func() []Other) { p.others.Store(&others) }

func (p *Proof) known() Secrets {
	if s := p.secrets.Load(); s != nil {
		return *s
	}
	return Secrets{}
}

func (p *Proof) list() []Other {
	if f := p.others.Load(); f != nil {
		return (*f)()
	}
	return nil
}

// Find returns the node at an address.
func (p *Proof) Find(address string) (Other, error) {
	others := p.list()
	if at := slices.IndexFunc(others, func(o Other) bool { return o.Address == address }); at >= 0 {
		return others[at], nil
	}
	return Other{}, ErrUnknown
}

// Token returns what a request to a node carries; "" but where that node is of wire 0.
func (p *Proof) Token(address string) string {
	s := p.known()
	if o, err := p.Find(address); err != nil || o.Wire != 0 || s.Agreed || len(s.Keys) == 0 {
		return ""
	}
	return OldToken(s.Keys[0])
}

// Believes says whether a request without an introduction comes from a node of wire 0, by its token.
func (p *Proof) Believes(token []byte) bool {
	s := p.known()
	if len(s.Keys) == 0 || !slices.ContainsFunc(p.list(), func(o Other) bool { return o.Wire == 0 && o.Name != p.Node }) {
		return false
	}
	return s.Agreed || slices.ContainsFunc(s.Keys, func(key []byte) bool {
		return subtle.ConstantTimeCompare(token, []byte(OldToken(key))) == 1
	})
}

// OldToken is what nodes of wire 0 show one another.
func OldToken(secret []byte) string {
	return hex.EncodeToString(mac(secret, "peer of a session-manager cluster"))
}

// Fingerprint tells secrets apart without giving them away.
func Fingerprint(secret []byte) string {
	return hex.EncodeToString(mac(secret, "fingerprint of a session-manager cluster's secret")[:8])
}

func mac(secret []byte, parts ...string) []byte {
	m := hmac.New(sha256.New, secret)
	for _, part := range parts {
		m.Write([]byte(part))
	}
	return m.Sum(nil)
}
