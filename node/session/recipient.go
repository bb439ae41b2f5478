package session

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"

	"session-manager/node/ownership"
)

// ParseRecipient reads a phone number with country code, as people paste it (asPasted), or a JID of a
// person (@c.us, @s.whatsapp.net) or a group (@g.us).
func ParseRecipient(text string) (types.JID, error) {
	user, server, isJID := strings.Cut(text, "@")
	server = strings.ToLower(visible(server))
	if !isJID {
		server = types.DefaultUserServer
	}
	switch server {
	case types.LegacyUserServer:
		server = types.DefaultUserServer
		fallthrough
	case types.DefaultUserServer:
		if user = asPasted(user); strings.HasPrefix(user, "0") {
			return types.JID{}, fmt.Errorf("%w: %q begins with 0: a number begins with its country code", ErrInvalidRecipient, text)
		}
		// E.164 allows 15 digits at most; the shortest subscriber numbers have 5 with their country code.
		if !digits(user) || len(user) < 5 || len(user) > 15 {
			return types.JID{}, fmt.Errorf("%w: %q", ErrInvalidRecipient, text)
		}
	case types.GroupServer:
		user = visible(user)
		if !digits(strings.Replace(user, "-", "", 1)) || len(user) > 40 {
			return types.JID{}, fmt.Errorf("%w: %q", ErrInvalidRecipient, text)
		}
	default:
		return types.JID{}, fmt.Errorf("%w: %q", ErrInvalidRecipient, text)
	}
	return types.NewJID(user, server), nil
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// messageID derives WhatsApp's message ID from the key and the body, so that a send that is tried
// again, by whatever owner, goes out under the same ID, and a key that is used for another body, after
// the first was forgotten, under another: phones drop a repeated ID silently. The form is that of
// whatsmeow's own IDs.
func messageID(c ownership.Cliente, key string, body [32]byte) types.MessageID {
	h := sha256.New()
	fmt.Fprintf(h, "%s:%s:%x", c, key, body)
	return "3EB0" + strings.ToUpper(hex.EncodeToString(h.Sum(nil)[:9]))
}

// reachedSomeone says whether a ratchet was stored for anybody but the account's own devices,
// or, in a message to oneself, for those.
func reachedSomeone(to types.JID, own []types.JID, addresses []string) bool {
	mine := make(map[string]bool)
	for _, jid := range own {
		mine[jid.SignalAddressUser()] = true
		if jid.User == to.User {
			return len(addresses) > 0
		}
	}
	for _, address := range addresses {
		if user, _, ok := strings.Cut(address, ":"); ok && !mine[user] {
			return true
		}
	}
	return false
}

// resolve returns the JID under which WhatsApp knows a recipient. It asks where the LID of a phone
// number is not stored yet, as whatsmeow would; WhatsApp may answer with another form of the number (one
// with Brazil's ninth digit, or without). ErrNotOnWhatsApp: it knows none.
func resolve(ctx context.Context, client *whatsmeow.Client, to types.JID) (types.JID, error) {
	if to.Server != types.DefaultUserServer {
		return to, nil
	}
	lid, err := client.Store.LIDs.GetLIDForPN(ctx, to)
	if err != nil || !lid.IsEmpty() {
		return to, err
	}
	users, err := client.GetUserInfo(ctx, []types.JID{to})
	if err != nil {
		return to, err
	}
	if user, ok := users[to]; ok && !user.LID.IsEmpty() {
		return to, nil
	}
	for known, user := range users {
		if len(users) == 1 && !user.LID.IsEmpty() {
			return known, nil
		}
	}
	return to, ErrNotOnWhatsApp
}

// alone says whether a group has nobody in it but the account itself.
func (s *Session) alone(ctx context.Context, client *whatsmeow.Client, to types.JID, own []types.JID) bool {
	if to.Server != types.GroupServer {
		return false
	}
	var group *types.GroupInfo
	if err := s.onBehalf(func() (err error) {
		group, err = client.GetGroupInfo(ctx, to)
		return err
	}); err != nil {
		return false
	}
	return !slices.ContainsFunc(group.Participants, func(member types.GroupParticipant) bool {
		return !slices.ContainsFunc(own, func(jid types.JID) bool {
			return jid.User == member.JID.User || jid.User == member.PhoneNumber.User || jid.User == member.LID.User
		})
	})
}
