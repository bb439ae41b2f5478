package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"
)

// handle takes an event on one of whatsmeow's goroutines. false: the message stays
// unacknowledged, and WhatsApp delivers it again.
func (s *Session) handle(client *whatsmeow.Client, event any) (ok bool) {
	defer func() {
		if r := recover(); r != nil {
			s.engine.metrics.panics.Inc()
			s.news.Log(s.log, slog.LevelError, "panic in an event handler, it is kept within this cliente", fmt.Errorf("%v", r), "stack", string(debug.Stack()))
			ok = false
		}
	}()
	if s.stale(client) {
		return false
	}
	switch e := event.(type) {
	case *events.Message:
		return s.receive(client, e)
	case *events.Receipt:
		if e.Type == types.ReceiptTypeRetry {
			s.engine.metrics.retries.Inc()
		}
	case *events.UndecryptableMessage:
		return s.unreadable(e)
	case *events.NotifyAccountReachoutTimelock:
		s.lock(e)
	case *events.QR, *events.PairSuccess, *events.PairError, *events.ManualLoginReconnect, *events.Connected,
		*events.KeepAliveTimeout, *events.Disconnected, *events.LoggedOut,
		*events.StreamReplaced, *events.TemporaryBan, *events.ClientOutdated, *events.ConnectFailure, *events.StreamError, *events.CATRefreshError:
		s.post(event)
	}
	return true
}

// stale says whether the client is not the session's any more.
func (s *Session) stale(client *whatsmeow.Client) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sender != nil && s.sender != client
}

// receive stores an incoming message, or what happened to one, before it is acknowledged.
func (s *Session) receive(client *whatsmeow.Client, e *events.Message) bool {
	if e.Info.IsFromMe {
		return true
	}
	s.mu.Lock()
	link := s.link
	s.mu.Unlock()
	p := newPayload(&e.Info)
	event := describe(e.Message, s.read(link, client, e, &p), &p)
	switch {
	case event == "":
		return true
	case event == eventMessage && e.IsEdit: // it came without a key
		event, p.RefersTo = eventEdited, &named{ID: cmp.Or(e.Info.MsgMetaInfo.TargetID, e.Info.ID)}
	}
	message, err := proto.Marshal(e.Message)
	if err != nil { // it was unmarshalled a moment ago; the payload holds what is for people
		s.log.Error("an incoming message cannot be written down as a whole", "err", err)
	}
	return s.put(link, &e.Info, event, p, message)
}

// read returns in clear what is encrypted once more, by a secret of the message that it refers to; nil: it is
// not, or cannot be read, as where that message was never seen here.
func (s *Session) read(ctx context.Context, client *whatsmeow.Client, e *events.Message, p *payload) *waE2E.Message {
	read, err := unseal(ctx, client, e, p)
	if err != nil {
		s.engine.metrics.incoming.WithLabelValues("sealed").Inc()
		p.Reason = "its content cannot be read: the message that it refers to is not known here"
		return nil
	}
	return read
}

func unseal(ctx context.Context, client *whatsmeow.Client, e *events.Message, p *payload) (read *waE2E.Message, err error) {
	defer func() {
		if r := recover(); r != nil { // whatsmeow panics on a nonce of another length, which the sender chooses
			err = fmt.Errorf("decrypt: %v", r)
		}
	}()
	switch {
	case e.Message.GetSecretEncryptedMessage() != nil:
		return client.DecryptSecretEncryptedMessage(ctx, e)
	case e.Message.GetEncReactionMessage() != nil:
		reaction, err := client.DecryptReaction(ctx, e)
		return &waE2E.Message{ReactionMessage: reaction}, err
	case e.Message.GetPollUpdateMessage() != nil:
		vote, err := client.DecryptPollVote(ctx, e)
		p.Votes = hashes(vote.GetSelectedOptions())
		return nil, err
	}
	return nil, nil
}

// unreadable stores that a message came which could not be decrypted. Its sender has been asked for another
// copy, which takes its place; many of these mean a ruined ratchet. whatsmeow has acknowledged the message
// already, so what is returned decides nothing: one that cannot be stored here is known by its copy alone.
func (s *Session) unreadable(e *events.UndecryptableMessage) bool {
	s.engine.metrics.incoming.WithLabelValues("undecryptable").Inc()
	if e.Info.IsFromMe || e.DecryptFailMode == events.DecryptFailHide {
		return true
	}
	s.mu.Lock()
	link := s.link
	s.mu.Unlock()
	p := newPayload(&e.Info)
	p.Reason = "it cannot be decrypted"
	if e.IsUnavailable {
		p.Reason = strings.TrimSpace("it was not sent to this device " + string(e.UnavailableType))
	}
	return s.put(link, &e.Info, eventUndecryptable, p, nil)
}

// put stores an event. false: it must come again.
func (s *Session) put(link context.Context, info *types.MessageInfo, event string, p payload, message []byte) bool {
	if err := s.hold.Check(time.Now()); err != nil {
		return false
	}
	err := s.account.PutIncoming(link, Incoming{
		MessageID: info.ID, Chat: info.Chat.String(), Sender: info.Sender.String(), SenderAlt: info.SenderAlt.String(),
		Timestamp: info.Timestamp, Event: event, Kind: p.Type, JSON: p.json(), Payload: message,
	})
	switch {
	case errors.Is(err, ErrRefused): // it would be refused again for ever; the store has logged it as an ERROR
		s.engine.metrics.incoming.WithLabelValues("refused").Inc()
		return true
	case err != nil:
		s.engine.metrics.incoming.WithLabelValues("not_stored").Inc()
		s.news.Log(s.log, slog.LevelWarn, "incoming message was not stored, so it is not acknowledged and comes again", err)
		return false
	}
	s.engine.metrics.incoming.WithLabelValues("stored").Inc()
	return true
}
