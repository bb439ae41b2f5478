// Package crash finds the cliente to blame where this process died of a crash.
//
// whatsmeow handles what WhatsApp sends on goroutines of its own. A panic there ends the process, and
// WhatsApp delivers the same stanza to the next owner, which dies as well. Sessions label their goroutines
// with their cliente, and goroutines pass their labels on to those that they start, so the runtime's own
// report of the crash names the cliente. Nothing else convicts: not a kill, not the end of memory, not a
// crash of a goroutine without a label, and no count of deaths, which would convict whoever moved along.
//
// The dying process writes its report to a file in its data directory. Two read it:
//
//   - the judge, a small child of the same binary, which waits for the process's end at a pipe. It convicts
//     within a moment, before the next owner logs in;
//   - the next life of the node, since the judge may have died with its parent (as in a container whose
//     first process is the node).
//
// A conviction goes to the store under the dead process's name, so that the two count once.
package crash
