package main

import (
	"fmt"

	"session-manager/node"
	"session-manager/node/certificate"
)

// tlsFlags are the files of serve's certificates.
type tlsFlags struct {
	Cert string `type:"path" name:"tls-cert-file" help:"Certificate of --listen (PEM), with those that link it to its authority. Default: plain HTTP. Read again when it changes, as are those below." placeholder:"FILE"`
	Key  string `type:"path" name:"tls-key-file" help:"Key of --tls-cert-file (PEM)." placeholder:"FILE"`

	PeerCert string `type:"path" name:"peer-tls-cert-file" help:"This node's certificate for --peer-listen and for connections to other nodes (PEM): for server and client authentication." placeholder:"FILE"`
	PeerKey  string `type:"path" name:"peer-tls-key-file" help:"Key of --peer-tls-cert-file (PEM)." placeholder:"FILE"`
	PeerCA   string `type:"path" name:"peer-tls-ca-file" help:"Authority of all nodes' certificates (PEM). It must be the cluster's own: whoever has a certificate of it passes for a node, under any name." placeholder:"FILE"`
}

// open reads the certificates. Its errors name the flags.
func (c *tlsFlags) open(o *node.Options) error {
	public := []flag{{"--tls-cert-file", c.Cert}, {"--tls-key-file", c.Key}}
	peer := []flag{{"--peer-tls-cert-file", c.PeerCert}, {"--peer-tls-key-file", c.PeerKey}, {"--peer-tls-ca-file", c.PeerCA}}
	for _, group := range [][]flag{public, peer} {
		if err := together(group); err != nil {
			return err
		}
	}
	var err error
	if c.Cert != "" {
		if o.TLS, err = certificate.Open(certificate.Files{Cert: c.Cert, Key: c.Key}); err != nil {
			return fmt.Errorf("--tls-cert-file, --tls-key-file: %w", err)
		}
	}
	if c.PeerCert != "" {
		if o.PeerTLS, err = certificate.Open(certificate.Files{Cert: c.PeerCert, Key: c.PeerKey, CA: c.PeerCA}); err != nil {
			return fmt.Errorf("--peer-tls-cert-file, --peer-tls-key-file, --peer-tls-ca-file: %w", err)
		}
	}
	return nil
}

type flag struct{ name, value string }

// together says which flag is missing of those that are given all or none.
func together(flags []flag) error {
	given := ""
	for _, f := range flags {
		if f.value != "" {
			given = f.name
		}
	}
	for _, f := range flags {
		if given != "" && f.value == "" {
			return fmt.Errorf("%s: needed with %s", f.name, given)
		}
	}
	return nil
}
