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
//	          DISCONNECTED_BANNED: tried again when the ban has expired
//	          ERROR: attempts used up, or credentials that cannot be read
//
// Invariants:
//   - a paired account is never given up: it is tried again for as long as it is owned;
//   - an incoming message is stored before it is acknowledged; what cannot be stored stays
//     unacknowledged, and WhatsApp delivers it again: a store that is away ends the connection before
//     whatsmeow says anything (newLink), and no login is tried until it writes again;
//   - a send is stored with its message ID before its frame leaves; an ID never carries two bodies;
//   - a send that reached no device of its recipient is an error, whatever whatsmeow returns;
//   - StreamReplaced means another socket with these credentials (invariant C): where the
//     ownership has ended the session stops, else somebody else uses the account.
package session
