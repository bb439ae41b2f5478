// Package session runs one WhatsApp account: an unmodified whatsmeow client, whose events
// drive the nine states that callers see.
//
// One goroutine a session (Session.run) owns the state and decides what comes next; whatsmeow's
// goroutines only hand it events. It connects by itself rather than by whatsmeow's automatic
// reconnects, so that each connection is under the ctx of the ownership: ending the Hold ends
// every frame.
//
//	unpaired: INITIALIZING -> QR_REQUIRED -> (scanned) RECONNECTING -> READY
//	paired:   RECONNECTING -> READY -> (dropped) DISCONNECTED_RECOVERABLE -> RECONNECTING ...
//	refused:  AUTH_FAILURE, DISCONNECTED_LOGOUT: the next request pairs anew
//	          DISCONNECTED_BANNED: for a while, then tried again; for good, stored until Restart
//	          ERROR: attempts used up, or what time does not cure; tried again, ever more seldom
//
// What a connection's end asks for is decided by misses.next (misses.go), which knows no clock and does no
// I/O; run.go carries it out. What WhatsApp's reasons mean is one table, refusal (ending.go).
//
// Invariants:
//   - what callers see is known: before the account is read, and between a request that wakes the session
//     and its next state, the snapshot is Pending, and nobody is told of it;
//   - no session opens more than mostConnections in connectionSpan, whatever asks for them;
//   - a paired account is never given up: it is tried again for as long as it is owned;
//   - an incoming message is stored before it is acknowledged; what cannot be stored stays
//     unacknowledged, and WhatsApp delivers it again: a store that is away ends the connection before
//     whatsmeow says anything (newLink), and no login is tried until it writes again;
//   - a send is stored with its message ID before its frame leaves; an ID never carries two bodies;
//   - a send that reached no device of its recipient is an error, whatever whatsmeow returns;
//   - StreamReplaced means another socket with these credentials (invariant C): where the
//     ownership has ended the session stops, else somebody else uses the account.
package session
