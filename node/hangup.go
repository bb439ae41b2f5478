package node

import (
	"context"

	"session-manager/router/peer"
)

// hangups reads the cluster's secrets again each time that it is asked to, until ctx ends. API keys and
// certificates need nobody to ask: they are looked at every two seconds anyway.
func (p *parts) hangups(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.o.Hangup:
		}
		p.o.Log.Info("asked to read files again: cluster secrets now, API keys and certificates within seconds, passwords at the next login")
		if p.o.ReadSecrets == nil || p.secrets.Agreed || p.embedded != nil {
			continue
		}
		if err := p.changeSecrets(ctx); err != nil {
			p.o.Log.Error("the cluster secret was not read again, the former one stays", "err", err)
		}
	}
}

// changeSecrets takes what stands in the files now, where the cluster knows it or this node knew it already.
func (p *parts) changeSecrets(ctx context.Context) error {
	keys, err := p.o.ReadSecrets()
	if err != nil {
		return err
	}
	next, err := p.settleSecrets(ctx, peer.Secrets{Keys: keys})
	if err != nil {
		return err
	}
	if err := p.gossip.Use(next.Keys); err != nil {
		return err
	}
	p.proof.Use(next)
	p.secrets = next
	fingerprints := make([]string, len(keys))
	for i, key := range keys {
		fingerprints[i] = peer.Fingerprint(key)
	}
	p.o.Log.Info("cluster secrets were read again", "fingerprints", fingerprints)
	return nil
}
