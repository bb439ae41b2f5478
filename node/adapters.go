package node

import (
	"context"
	"errors"
	"fmt"

	wastore "go.mau.fi/whatsmeow/store"

	"session-manager/node/etcd"
	"session-manager/node/ownership"
	"session-manager/node/session"
	"session-manager/node/store"
	"session-manager/router/api"
)

// The siblings router, etcd, store and session do not know one another; here each gets what
// it asks for in its own words.

// running is a session as the keeper and the router see it.
type running interface {
	api.Session
	Wake()
	Paired() bool // whether the account has credentials, as far as is known
	Stop(cause error)
	AfterDone(f func()) // calls f on a goroutine of its own when the session has wholly ended
	Err() error
}

// sessions is the session engine as the keeper's starter.
type sessions struct {
	engine *session.Engine
	store  *store.Store
}

func (s sessions) Start(hold *ownership.Hold) running {
	return served{s.engine.Start(hold, account{s.store.Account(hold)})}
}

// account is the store's account in the session's words.
type account struct{ *store.Account }

func (a account) Forget(ctx context.Context, why session.Restriction) error {
	return storeError(a.Account.Forget(ctx, store.Restriction(why)))
}

func (a account) Lift(ctx context.Context) error { return storeError(a.Account.Lift(ctx)) }

func (a account) Sending(ctx context.Context, s session.Send, reserve bool) (context.Context, func() ([]string, bool)) {
	return a.Account.Sending(ctx, store.Send(s), reserve)
}

func (a account) Standing(ctx context.Context, key string) (session.Send, bool, error) {
	s, ok, err := a.Account.Standing(ctx, key)
	return session.Send(s), ok, storeError(err)
}

func (a account) Open() []session.Send {
	found := a.Account.Open()
	list := make([]session.Send, len(found))
	for i, s := range found {
		list[i] = session.Send(s)
	}
	return list
}

func (a account) PutIncoming(ctx context.Context, in session.Incoming) error {
	return storeError(a.Account.PutIncoming(ctx, store.Incoming(in)))
}

func (a account) Answers(ctx context.Context) error { return storeError(a.Account.Answers(ctx)) }

func (a account) Device(ctx context.Context) (*wastore.Device, error) {
	device, err := a.Account.Device(ctx)
	var rest *store.RestError
	if errors.As(err, &rest) {
		return nil, (*session.RestError)(rest)
	}
	return device, storeError(err)
}

func (a account) EndRest(ctx context.Context) error { return storeError(a.Account.EndRest(ctx)) }

// OnFailure is the store's, for whichever account.
func (account) OnFailure(ctx context.Context, failed func(error)) context.Context {
	return store.OnFailure(ctx, func(err error) { failed(storeError(err)) })
}

// storeError gives an error of the store the session's sentinel.
func storeError(err error) error {
	var restricted *store.RestrictedError
	switch {
	case errors.As(err, &restricted):
		return &session.RestrictedError{Restriction: session.Restriction(restricted.Restriction), Phone: restricted.Phone}
	case errors.Is(err, store.ErrCorrupt):
		return fmt.Errorf("%w: %w", session.ErrCorrupt, err)
	case errors.Is(err, store.ErrRefused):
		return fmt.Errorf("%w: %w", session.ErrRefused, err)
	case errors.Is(err, store.ErrFailed):
		return fmt.Errorf("%w: %w", session.ErrStoreFailed, err)
	case errors.Is(err, store.ErrUnavailable):
		return fmt.Errorf("%w: %w", session.ErrStoreUnavailable, err)
	}
	return err
}

// served is a session in the router's words.
type served struct{ *session.Session }

func (s served) Snapshot() api.Snapshot {
	snap := s.Session.Snapshot()
	return api.Snapshot{
		State: api.State(snap.State), Pending: snap.Pending, Ending: snap.Ending, Since: snap.Since, Attempts: snap.Attempts,
		QR: snap.QR, QRExpires: snap.QRExpires, QRGenerated: snap.QRGenerated,
		ConnectedAt: snap.ConnectedAt, DisconnectedAt: snap.DisconnectedAt,
		Phone: snap.Phone, LID: snap.LID, Name: snap.Name,
		LastError: api.ErrorInfo(snap.LastError), Restriction: api.Restriction(snap.Restriction),
	}
}

func (s served) Send(ctx context.Context, m api.Message) (api.Sent, error) {
	sent, err := s.Session.Send(ctx, session.Message(m))
	return api.Sent(sent), sessionError(err)
}

func (s served) RenewQR(ctx context.Context) error { return sessionError(s.Session.RenewQR(ctx)) }

func (s served) Restart(ctx context.Context) error { return sessionError(s.Session.Restart(ctx)) }

// sessionError gives an error of the session the router's sentinel.
func sessionError(err error) error {
	if err == nil {
		return nil
	}
	var refusal *session.Refusal
	if errors.As(err, &refusal) {
		return &api.Refusal{Code: refusal.Code, Until: refusal.Until, Message: err.Error()}
	}
	for _, pair := range []struct{ session, api error }{
		{session.ErrNotReady, api.ErrNotReady},
		{session.ErrInvalidRecipient, api.ErrInvalidRecipient},
		{session.ErrReachedNobody, api.ErrReachedNobody},
		{session.ErrNotOnWhatsApp, api.ErrNotOnWhatsApp},
		{session.ErrGroupUnknown, api.ErrGroupUnknown},
		{session.ErrNotInGroup, api.ErrNotInGroup},
		{session.ErrNoAnswer, api.ErrNoAnswer},
		{session.ErrKeyReused, api.ErrKeyReused},
		{session.ErrStoreFailed, api.ErrStoreFailed},
		{session.ErrStoreUnavailable, api.ErrStoreUnavailable},
		{session.ErrPairingExpired, api.ErrPairingExpired},
		{session.ErrAlreadyPaired, api.ErrAlreadyPaired},
		{session.ErrBusy, api.ErrBusy},
		{ownership.ErrUnknownOutcome, api.ErrUnknownOutcome},
		{ownership.ErrFenced, api.ErrMoved},
		{ownership.ErrLeaseLost, api.ErrMoved},
		{ownership.ErrNotOwner, api.ErrMoved},
		{ownership.ErrReleased, api.ErrMoved},
		{ownership.ErrDraining, api.ErrMoved},
		{ownership.ErrHandedOver, api.ErrMoved},
	} {
		if errors.Is(err, pair.session) {
			return fmt.Errorf("%w: %w", pair.api, err)
		}
	}
	return err
}

// ownerKeys is etcd's ownership keys as the keeper's authority.
type ownerKeys struct{ *etcd.Client }

func (k ownerKeys) Standing(ctx context.Context, c ownership.Cliente, lease int64) (int64, bool, error) {
	owner, ok, err := k.Owner(ctx, c)
	if err != nil || !ok {
		return 0, false, err
	}
	return owner.Revision, owner.Lease == lease, nil
}
