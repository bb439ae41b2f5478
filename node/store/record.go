package store

import (
	"bytes"

	"go.mau.fi/libsignal/state/record"
	wastore "go.mau.fi/whatsmeow/store"
)

// A ratchet is stored as libsignal's record of it: the sessions with one device, of which the current
// one is used for sending, and the former ones are kept for what is under way. There are several where
// both sides have begun at once, or one has begun anew.

// keptSessions is how many former sessions libsignal keeps.
const keptSessions = 40

var serializer = wastore.SignalProtobufSerializer

// mended returns a ratchet after a decryption with all sessions but the one that the message was of as
// they were before. libsignal's Go port tries a message with one session after the other; it also steps
// those that do not fit, and stores them so: their next message cannot be decrypted any more. Others
// (libsignal-protocol-java, SessionCipher.decrypt) try with copies.
func mended(before, after []byte) []byte {
	if key := baseKey(before); key == nil || bytes.Equal(key, baseKey(after)) {
		return after // the current session fitted, or there was none
	}
	was, is := readRecord(before), readRecord(after)
	if was == nil || is == nil {
		return after
	}
	seen := map[string]bool{string(is.SessionState.SenderBaseKey): true}
	is.PreviousStates = nil
	for _, s := range append([]*record.StateStructure{was.SessionState}, was.PreviousStates...) {
		if key := string(s.SenderBaseKey); !seen[key] && len(is.PreviousStates) < keptSessions {
			seen[key] = true
			is.PreviousStates = append(is.PreviousStates, s)
		}
	}
	return serializer.Session.Serialize(is)
}

// follows says whether a ratchet is one step after another, which nobody can have taken in between: one
// more message was encrypted in the current session, or a session was begun beside those that there
// were. What cannot be read is not judged.
func follows(before, after []byte) bool {
	was, is := readRecord(before), readRecord(after)
	if was == nil || is == nil || was.SessionState.SenderChain == nil {
		return true
	}
	if !bytes.Equal(was.SessionState.SenderBaseKey, is.SessionState.SenderBaseKey) {
		former := append([]*record.StateStructure{was.SessionState}, was.PreviousStates...)
		return sameSessions(former[:min(len(former), keptSessions)], is.PreviousStates)
	}
	chain := *was.SessionState.SenderChain
	next := is.SessionState.SenderChain
	if next == nil || next.ChainKey.Index != chain.ChainKey.Index+1 {
		return false
	}
	chain.ChainKey = next.ChainKey
	was.SessionState.SenderChain = &chain
	return sameSessions(append(was.PreviousStates, was.SessionState), append(is.PreviousStates, is.SessionState))
}

func sameSessions(some, others []*record.StateStructure) bool {
	return bytes.Equal(serializer.Session.Serialize(&record.SessionStructure{PreviousStates: some}),
		serializer.Session.Serialize(&record.SessionStructure{PreviousStates: others}))
}

// readRecord returns a stored record, nil where it is none.
func readRecord(ratchet []byte) *record.SessionStructure {
	if len(ratchet) == 0 || ratchet[0] != '{' {
		return nil
	}
	read, err := serializer.Session.Deserialize(ratchet)
	if err != nil || read.SessionState == nil {
		return nil
	}
	return read
}

// baseKey returns what names the current session of a ratchet, without reading all of it. It is nil
// where there is none.
func baseKey(ratchet []byte) []byte {
	_, after, ok := bytes.Cut(ratchet, []byte(`"SenderBaseKey":"`))
	if !ok {
		return nil
	}
	key, _, _ := bytes.Cut(after, []byte(`"`))
	return key
}
