// Package ownership decides that an account has one owner.
//
// A cliente (one WhatsApp account) is a long-lived socket plus key material that changes
// with every message, so a second owner is not a slow page but a ruined account. No lease
// can rule out two sockets while a process is paused; what is promised is therefore
//
//	A  no two running owners of a cliente;
//	B  a stale owner never changes stored state, whatever its clock believes;
//	C  if sockets overlap after a pause, WhatsApp kicks the older one, and the node that is
//	   kicked stops by itself.
//
// The ring proposes, etcd decides, the store enforces. etcd decides A: owning means that the
// key owners/<cliente> stands under my lease, and a Lease here ends before it can end there:
//
//	deadline = sent + TTL - Margin,   Stop < Exit < Margin
//
// where sent is when the last good renewal was sent. etcd counts the TTL from a moment after
// sent, so it keeps the key until at least sent + TTL. At the deadline every Hold ends and
// its session has Stop to end; past Exit the process ends itself. Exit < Margin, so
// whoever creates the key next does so when nothing of the former owner runs: that is A for a
// process that runs. One that was paused wakes up with a passed deadline, and its first
// outward act (Hold.Check) stops it; what it had under way meets the fence.
//
// A node cannot tell an outage of etcd from its own isolation, but the store can: a Lease has a
// second deadline, by the store's word, and has passed when both have (rule 5). Who rides on
// that word says so in the store first; a successor raises the fence first and then looks for
// that note. One of the two finds the other, so A holds without a lease too:
//
//	deadline = sending of the last good poll + Vouch,   HoldBack >= Vouch + Stop
//
// The store enforces B: the successor raises the fence to its own Token, which is greater
// because create revisions grow, before it reads any credentials, and every write commits only
// where the fence still equals the writer's token. C is the session's: see StreamReplaced there.
//
// Where to read on:
//   - Machine: one cliente's way from free to running and back, as one switch (rules 3, 6);
//   - Lease, Hold: what a running session checks (rules 2, 4, 12);
//   - Timing: every duration, and the inequalities between them;
//   - Found, Settle: which cluster and which store belong together (rule 1);
//   - Queue: who is started next;  Flaps: who had better take nothing (rule 8).
//
// The package does no I/O and asks no clock: moments come in as arguments, calls go out as
// Effects, and package node carries them out. Two events of one Machine are never stepped at once.
//
// What looks outward is node's: the polls of the store and the move to a next lease (ride.go
// there), the hold-back of a successor (holdback.go), grace (grace.go), and the evidence of a
// dead process (witness.go).
package ownership
