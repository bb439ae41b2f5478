package ownership

import "errors"

var (
	// ErrInvalidCliente: not a positive decimal integer up to MaxCliente.
	ErrInvalidCliente = errors.New("cliente is not a positive integer")
	// ErrNotOwner: this process does not own the cliente.
	ErrNotOwner = errors.New("not the owner")
	// ErrFenced: the store holds a greater token; somebody else owns the cliente now.
	// Whoever finds it has ended the Hold before returning it.
	ErrFenced = errors.New("fenced: a newer owner has taken the cliente")
	// ErrLeaseLost: the node's lease deadline passed without a renewal.
	ErrLeaseLost = errors.New("lease lost")
	// ErrReleased: the ownership ended because this node gave it up.
	ErrReleased = errors.New("ownership released")
	// ErrHandedOver: the ownership ended because another node should have the cliente.
	ErrHandedOver = errors.New("handed over to another node")
	// ErrDraining: the node is leaving and takes nothing new.
	ErrDraining = errors.New("node is draining")
	// ErrUnknownOutcome: a call was sent and its answer was lost, so it may or may not have
	// taken effect. It must be read back, never assumed.
	ErrUnknownOutcome = errors.New("outcome unknown")
)
