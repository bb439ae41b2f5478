package session

import (
	"fmt"
	"runtime/debug"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// handle takes an event on one of whatsmeow's goroutines. false: the message stays
// unacknowledged, and WhatsApp delivers it again.
func (s *Session) handle(client *whatsmeow.Client, event any) (ok bool) {
	defer func() {
		if r := recover(); r != nil {
			s.engine.metrics.panics.Inc()
			s.log.Error("panic in an event handler, it is kept within this cliente", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			ok = false
		}
	}()
	if s.stale(client) {
		return false
	}
	switch e := event.(type) {
	case *events.Message:
		return s.receive(e)
	case *events.Receipt:
		if e.Type == types.ReceiptTypeRetry {
			s.engine.metrics.retries.Inc()
		}
	case *events.UndecryptableMessage:
		// whatsmeow asks its sender for another copy; many of these mean a ruined ratchet.
		s.engine.metrics.incoming.WithLabelValues("undecryptable").Inc()
	case *events.NotifyAccountReachoutTimelock:
		s.lock(e)
	case *events.QR, *events.PairSuccess, *events.PairError, *events.ManualLoginReconnect, *events.Connected,
		*events.KeepAliveTimeout, *events.KeepAliveRestored, *events.Disconnected, *events.LoggedOut,
		*events.StreamReplaced, *events.TemporaryBan, *events.ClientOutdated, *events.ConnectFailure, *events.StreamError:
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

// receive stores an incoming message before it is acknowledged.
func (s *Session) receive(e *events.Message) bool {
	kind := kindOf(e.Message)
	if kind == "" || e.Info.IsFromMe {
		return true // key material, a receipt of our own phone's; nothing that callers wait for
	}
	if err := s.hold.Check(time.Now()); err != nil {
		return false
	}
	s.mu.Lock()
	link := s.link
	s.mu.Unlock()
	payload, err := proto.Marshal(e.Message)
	if err == nil {
		err = s.account.PutIncoming(link, Incoming{
			MessageID: e.Info.ID, Chat: e.Info.Chat.String(), Sender: e.Info.Sender.String(),
			Timestamp: e.Info.Timestamp, Kind: kind, Payload: payload,
		})
	}
	if err != nil {
		s.engine.metrics.incoming.WithLabelValues("not_stored").Inc()
		s.log.Warn("incoming message was not stored, so it is not acknowledged and comes again", "err", err)
		return false
	}
	s.engine.metrics.incoming.WithLabelValues("stored").Inc()
	return true
}

// kindOf names what a message carries, "" where that is nothing for people.
func kindOf(m *waE2E.Message) string {
	if m.GetConversation() != "" || m.GetExtendedTextMessage() != nil {
		return "text"
	}
	kind := ""
	m.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		switch f.Name() {
		case "senderKeyDistributionMessage", "fastRatchetKeySenderKeyDistributionMessage", "messageContextInfo", "protocolMessage":
			return true
		}
		kind = string(f.Name())
		return false
	})
	return kind
}
