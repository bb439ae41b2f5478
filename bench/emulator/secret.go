package emulator

import (
	"fmt"
	"slices"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/gcmutil"
	"go.mau.fi/whatsmeow/util/hkdfutil"
)

// What a message's secret is used for (whatsmeow: MsgSecretType).
const (
	secretVote     = "Poll Vote"
	secretReaction = "Enc Reaction"
)

// secretEdits are the encrypted edits.
var secretEdits = map[waE2E.SecretEncryptedMessage_SecretEncType]string{
	waE2E.SecretEncryptedMessage_MESSAGE_EDIT: "Message Edit",
	waE2E.SecretEncryptedMessage_POLL_EDIT:    "Poll Edit",
	waE2E.SecretEncryptedMessage_EVENT_EDIT:   "Event Edit",
}

// sealed is a part of a message that is encrypted with another message's secret.
type sealed interface {
	GetEncIV() []byte
	GetEncPayload() []byte
}

// open decrypts what by has sealed with the secret of the author's message id. The key is made of both
// people's JIDs, in the form that the chat is addressed in.
func open(secret []byte, use, id string, author, by *account, s sealed) (plain []byte, err error) {
	for _, forms := range [][2]types.JID{{author.lid, by.lid}, {author.pn, by.pn}, {author.pn, by.lid}, {author.lid, by.pn}} {
		info := slices.Concat([]byte(id), []byte(forms[0].String()), []byte(forms[1].String()), []byte(use))
		var beside []byte
		if use == secretVote {
			beside = fmt.Appendf(nil, "%s\x00%s", id, forms[1])
		}
		if plain, err = gcmutil.Decrypt(hkdfutil.SHA256(secret, nil, info, 32), s.GetEncIV(), s.GetEncPayload(), beside); err == nil {
			return plain, nil
		}
	}
	return nil, err
}
