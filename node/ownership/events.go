package ownership

// Event is what happened to one cliente, for Machine.Step.
type Event interface{ event() }

type (
	// Acquire: somebody wants the cliente here, in the given generation of the cluster.
	Acquire struct{ Generation int64 }
	// Created: the key stands under our lease with this create revision.
	Created struct{ Revision int64 }
	// Taken: the key stands, and is another process's, or hangs on a lease that is not ours.
	Taken struct{}
	// Stray: a key under our lease, created at Revision, has no session: a creation that
	// arrived after it was read back as absent. It is deleted (rule 6).
	Stray struct{ Revision int64 }
	// Absent: the key was read back and does not stand.
	Absent struct{}
	// CreateFailed: the key was certainly not created.
	CreateFailed struct{ Cause error }
	// CreateUnknown: the creation, or its reading back, was sent and not answered.
	CreateUnknown struct{}
	// Raised: the fence stands at our token, and no former owner runs any more.
	Raised struct{}
	// RaiseFailed: the fence is another's (ErrFenced) or the store did not answer.
	RaiseFailed struct{ Cause error }
	// Rehung: the running session's key is another one now, under a new lease, and the fence
	// stands at its Token.
	Rehung struct{ Token Token }
	// Release: the cliente is to be given up.
	Release struct{ Cause error }
	// LeaseLost: the lease that the key hung on has passed.
	LeaseLost struct{}
	// SessionEnded: the session has wholly ended: socket closed, transactions done.
	SessionEnded struct{ Cause error }
	// Deleted: the key is known not to stand under our token any more.
	Deleted struct{}
	// DeleteUnknown: the delete was sent and not answered, or could not be sent.
	DeleteUnknown struct{}
)

func (Acquire) event()       {}
func (Created) event()       {}
func (Taken) event()         {}
func (Stray) event()         {}
func (Absent) event()        {}
func (CreateFailed) event()  {}
func (CreateUnknown) event() {}
func (Raised) event()        {}
func (RaiseFailed) event()   {}
func (Rehung) event()        {}
func (Release) event()       {}
func (LeaseLost) event()     {}
func (SessionEnded) event()  {}
func (Deleted) event()       {}
func (DeleteUnknown) event() {}

// Effect is what Machine.Step asks for. The comment names the events that answer it.
type Effect interface{ effect() }

type (
	// CreateKey creates owners/<cliente> if absent: Created, Taken, CreateFailed, CreateUnknown.
	CreateKey struct{}
	// ReadKey reads the key back, after Timing.Retry when Again: Created, Taken, Absent,
	// CreateUnknown.
	ReadKey struct{ Again bool }
	// RaiseFence raises the fence to Token and waits until no former owner can run: Raised,
	// RaiseFailed.
	RaiseFence struct{ Token Token }
	// StartSession starts the session under Token: SessionEnded, when it has ended.
	StartSession struct{ Token Token }
	// StopSession stops the session that StartSession began; SessionEnded still comes once.
	StopSession struct{ Cause error }
	// DeleteKey deletes the key if its create revision is Revision, after Timing.Retry when
	// Again: Deleted, DeleteUnknown.
	DeleteKey struct {
		Revision int64
		Again    bool
	}
	// Forget: the machine is Free; who waited for it learns Cause. No answer.
	Forget struct{ Cause error }
)

func (CreateKey) effect()    {}
func (ReadKey) effect()      {}
func (RaiseFence) effect()   {}
func (StartSession) effect() {}
func (StopSession) effect()  {}
func (DeleteKey) effect()    {}
func (Forget) effect()       {}
