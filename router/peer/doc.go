// Package peer is how nodes prove themselves to one another.
//
// A node that opens a connection to another one says which node it wants, and both show that they know
// the cluster's secret before anything else goes out, the callee first. Each message is a frame:
//
//	every frame   0 S M P (4 bytes), wire (1), length of what follows (2, big-endian), JSON
//	1. caller     hello: a nonce, which secrets it knows (by fingerprint), both nodes' names, the address it has dialled
//	2. callee     reply: a nonce, which of the secrets it takes, a MAC of hello and reply
//	3. caller     proof: a MAC of the same, as the caller
//	4. callee     verdict
//
// Each MAC covers both nonces and both names, so that one which somebody has heard is of use for nothing
// else, and with TLS what is that connection's alone, so that nobody can stand between two nodes. A callee refuses
// hellos for another node or another address: whoever forges a node's record gets nothing by passing them on.
// Frames begin with a byte that no HTTP request begins with.
//
// Wire is the version of all this, which each node says in its record in etcd. Nodes of the release before say
// none, wire 0: they speak HTTP at once and show a token that is always the same. They are believed as long as
// a node of that wire is registered, so that a cluster can be upgraded, and taken back, node by node.
package peer
