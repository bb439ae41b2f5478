// Package emulator stands in for WhatsApp: the server that linked devices talk to, the phones
// they are linked to, and the referee that tells whether the devices behaved.
//
// It speaks what an unmodified whatsmeow speaks (Noise handshake, QR pairing, login, messages,
// receipts, retries, the offline queue) and does what the protocol means where whatsmeow is
// lenient, since other clients are tried on it too. Its shapes were read from whatsmeow's
// source and run against it; nothing was compared with the real server, which is the limit of
// what a test against it proves.
//
// Everything is in memory, in one process with one clock. That is what makes it a referee: it
// sees every socket and every ratchet counter of every device, in one order (see referee.go
// and ratchet.go).
//
// # Faults and raw stanzas
//
// POST /faults orders a misbehaviour for a number or for everybody (Fault says which there are and
// what each takes); DELETE /faults ends them all. POST /stanza sends any stanza to an account's
// devices, once or at each login until it is answered (RawStanza); DELETE /stanza?number= takes back
// what is queued so.
//
// # Phones
//
// POST /phones/{number}/messages, /react, /edit and /revoke have a phone write (Writing says what each
// takes), to a person or a group; /reinstall has it installed anew, /forget lose its sessions. GET
// /phones/{number}/inbox and /sent show what it received, and what its linked devices sent, with what
// has been done to each message since (Content).
//
// # Locks
//
// Emulator.mu guards the server's state: accounts, devices, queues, sockets, faults. Phones do
// their cryptography under their own phone.mu, which is taken first: a holder of phone.mu may
// take Emulator.mu, never the other way round. The locks of conn, mailbox and referee are
// leaves. No lock is held over I/O.
package emulator
