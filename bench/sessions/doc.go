// Package sessions measures what accounts cost: to send, to receive, to start, to keep, and to
// keep for a while under a mix of everything. The product is the real program in a cluster of
// real processes (bench/cluster); its rival is `bench floor`, bare whatsmeow in one process over
// a store of the same kind, with the same durability. Both talk to one emulator, in a process of
// its own whose cost is not counted, and take turns within each round, so that a machine that is
// busy for a while is busy for both.
//
// Who counts what:
//
//   - time is that of the caller: for the product from the request on loopback HTTP to its
//     answer, for the rival from the call of SendMessage to its return, in its own process;
//   - CPU and memory are the kernel's, by process (bench/measure), Postgres told apart;
//   - messages are counted by the emulator, whose referee also tells of what was doubled, could
//     not be decrypted or reached nobody: such a run measures nothing;
//   - statements are counted in Postgres's own log.
//
// Accounts are not paired by QR, but for the scenario that measures pairing: the emulator links
// devices without a code, and their credentials are written to both stores as whatsmeow would
// have (seed.go).
package sessions
