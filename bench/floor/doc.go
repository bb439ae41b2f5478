// Package floor is the rival of the measurements: what somebody would write who takes whatsmeow
// as it is. N clients in one process over one store of whatsmeow's own: no fence, no idempotency
// keys, no outbox, no HTTP between the caller and the account. Where whatsmeow leaves a choice
// that matters for speed (connections to the store, logins at once, logging, compression), the
// choice here is the fastest that was found.
//
// It runs as a process of its own, `bench floor`, and takes orders on a loopback port, so that
// what it costs can be told from what ordering and watching it costs.
package floor
