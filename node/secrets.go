package node

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"

	"session-manager/node/etcd"
	"session-manager/router/peer"
)

// ConfigError is what only another configuration cures. Its text names the flag.
type ConfigError struct{ Err error }

func (e ConfigError) Error() string { return e.Err.Error() }
func (e ConfigError) Unwrap() error { return e.Err }

// secrets returns what this node proves itself by from its start on; none: they are agreed on in etcd, once
// there is a connection. A node with an etcd of its own makes one, which nobody else needs to know.
func (o Options) secrets(data *dataDir) (peer.Secrets, error) {
	if len(o.Secrets) > 0 || len(o.Etcd.Endpoints) > 0 {
		return peer.Secrets{Keys: o.Secrets}, nil
	}
	secret, err := data.Secret()
	return peer.Secrets{Keys: [][]byte{secret}}, err
}

// settleSecrets has the nodes of a cluster agree on a secret where none was given, and makes sure that this node's
// is theirs. Nodes of one machine need no file: what keeps others out of etcd keeps them from the secret.
func (p *parts) settleSecrets(ctx context.Context, secrets peer.Secrets) (peer.Secrets, error) {
	if p.embedded != nil {
		return secrets, nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.o.Timing.TTL)
	defer cancel()
	if len(secrets.Keys) == 0 {
		text, err := p.etcd.AgreeSecret(ctx, hex.EncodeToString(newSecret()))
		if err != nil {
			return secrets, fmt.Errorf("agree on a cluster secret: %w", err)
		}
		key, err := hex.DecodeString(text)
		if err != nil || len(key) != peer.SecretSize {
			return secrets, errors.New("the cluster secret in etcd is none: stop all nodes and delete the keys secret/ under --etcd-prefix")
		}
		secrets = peer.Secrets{Keys: [][]byte{key}, Agreed: true}
	}
	prints := make([]string, len(secrets.Keys))
	for i, key := range secrets.Keys {
		prints[i] = peer.Fingerprint(key)
	}
	err := p.etcd.SettleFingerprints(ctx, prints)
	if errors.Is(err, etcd.ErrOtherSecret) {
		return secrets, ConfigError{fmt.Errorf("--cluster-secret-file: %w: give this node the file that the others have; while a secret is changed, "+
			"the other one too, by --cluster-secret-second-file; where it is lost, stop all nodes and delete etcd's key %s", err, p.etcd.FingerprintsKey())}
	}
	return secrets, err
}

// other is a node as the proof of peers knows it.
func other(m etcd.Member) peer.Other {
	return peer.Other{Name: m.Name, Address: m.Address, Wire: m.Wire}
}

func otherNodes(view *etcd.View) func() []peer.Other {
	return func() []peer.Other {
		members := view.Reachable()
		list := make([]peer.Other, len(members))
		for i, m := range members {
			list[i] = other(m)
		}
		return list
	}
}

func newSecret() []byte {
	secret := make([]byte, peer.SecretSize)
	_, _ = rand.Read(secret) // never fails
	return secret
}

// Secret returns the secret of this directory, which is made at its first use.
func (d *dataDir) Secret() ([]byte, error) {
	path := d.file("secret")
	secret, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("data directory: %w", err)
	case len(secret) != peer.SecretSize:
		return nil, fmt.Errorf("%s has %d bytes, want %d: remove it, and another one is made", path, len(secret), peer.SecretSize)
	default:
		return secret, nil
	}
	secret = newSecret()
	if err := d.write("secret", secret); err != nil {
		return nil, err
	}
	return secret, nil
}

// gossipSecrets are those that gossip is encrypted by. Nodes that have agreed on one do not encrypt: the
// release before has none, and gossip is a hint, by which nobody becomes an owner.
func (p *parts) gossipSecrets() [][]byte {
	if p.secrets.Agreed {
		return nil
	}
	return p.secrets.Keys
}
