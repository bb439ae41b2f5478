// Package faults measures what the users of a cluster notice on its bad days. Each scenario runs
// a whole cluster out of the real programs (bench/cluster), puts load on it, does one bad thing to
// it, and compares what it saw with the bar that the product has set itself.
//
// What is measured, and by whom:
//
//   - the senders (load.go) are callers behind a load balancer that honours /readyz: what they
//     were refused, and how long they waited until a message was acknowledged;
//   - the phones (emulator) know what arrived: a message that was acknowledged and is not shown
//     is lost, one that is shown twice is doubled;
//   - the emulator's event log has the one clock by which a session's gap is told: from the
//     moment that its old socket ended, or was cut or killed, to its next login (watch.go);
//   - Postgres books every row that a process wrote whose token no longer stood (audit.go).
//
// Nothing is asked of the nodes themselves but what callers ask.
//
// Run it:
//
//	bench faults --list
//	bench faults --scenario kill,rolling --out results.json
//	bench faults --scenario all --clientes 30 --for 30s --rounds 3 --pause-max 12s    # minutes, not an hour
//
// Postgres must be installed. The scenarios that cut need root and Debian's iproute2, nftables and
// util-linux; what they make is gone with the process that made it (network.go).
//
// Lost, doubled or stale rows and forked ratchets break a promise: they fail a run. A bar that
// was missed is a figure, and is reported as one.
package faults
