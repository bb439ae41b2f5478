// Package entrance bounds the connections of a port, so that callers never take the file descriptors
// that a node needs for etcd, its store, WhatsApp and other nodes, and no caller takes those of all others.
//
//	who comes                          | what happens
//	-----------------------------------|------------------------------------------------------------
//	there is a place                   | is served
//	the source has all that it may     | waits for a place of its source; after Patience: 503
//	all places are taken               | accept waits, and with it everybody who comes later
//	the process has no descriptor left | accept waits, tries on, and says so
//
// While somebody waits, connections that have said nothing for Quiet make room: those of the source
// that has the most, and first those that have never said a word. A connection that was taken over, as other nodes' are, never has to.
package entrance
