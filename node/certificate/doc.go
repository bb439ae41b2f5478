// Package certificate owns the certificates of a node's ports: read from PEM files, and read
// again when these change, so that a renewal needs no restart and cuts no connection.
//
// Without an authority (Files.CA) a certificate is one-sided: callers of the public port check
// it, and show none. With one it is mutual, for the peer port: both sides show a certificate
// and each checks that the other's comes from the authority. No name is compared: nodes come
// and go at addresses that nobody knew when the certificates were made. Hence the authority
// must be the cluster's own, for whoever has a certificate of it passes for a node.
//
// What is read again is good for new connections; those that stand are not looked at again.
package certificate
