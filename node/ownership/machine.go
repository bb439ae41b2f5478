package ownership

// Phase is where one cliente stands at this process.
type Phase uint8

const (
	Free     Phase = iota // nothing of ours, as far as we know
	Creating              // the key's creation is under way
	Reading               // the creation's outcome is unknown; the key is read back
	Raising               // the key is ours; the fence is being raised to its token
	Running               // owned: the session runs
	Ending                // the session is being stopped
	Deleting              // the session has ended; the key is being deleted
)

func (p Phase) String() string {
	return [...]string{"free", "creating", "reading", "raising", "running", "ending", "deleting"}[p]
}

// Machine takes one cliente from Free to Running and back. It is stepped with one Event at a
// time and answers with the Effects to carry out, each of which comes back as one Event.
//
// Transitions:
//
//	Free      --Acquire--> Creating; --Stray--> Deleting
//	Creating  --Created--> Raising;  --Taken, CreateFailed--> Free;  --CreateUnknown--> Reading
//	Reading   --Created--> Raising;  --Taken, Absent--> Free;        --CreateUnknown--> Reading
//	Raising   --Raised--> Running;   --RaiseFailed--> Deleting
//	Running   --Release--> Ending;   --SessionEnded--> Deleting; --Rehung--> Running
//	Ending    --SessionEnded--> Deleting; --Rehung--> Ending
//	Deleting  --Deleted--> Free;     --DeleteUnknown--> Deleting
//
// A Release before Running is remembered and carried out when the call under way has come
// back. LeaseLost is remembered likewise: what hung on the lease is gone, so every
// phase ends in Free without a delete, but Running and Ending only after their session ended.
//
// Rehung moves a running ownership to another key (rule 5): the session was kept on the
// store's word while its lease ended at etcd, and has a key under a new one now.
//
// Invariants:
//   - a session is started only in Running, after the key was created under the lease that
//     stands and the fence was raised to that key's token, in this order;
//   - the key is deleted only after the session has ended, and only by its create revision;
//   - Free is reached from Deleting only when the delete is known to have happened, or the
//     lease is gone; so nothing is acquired while a release is unknown;
//   - at most one Effect is under way, StopSession beside StartSession excepted.
type Machine struct {
	phase      Phase
	generation int64
	token      Token
	leaving    error // why Running must not be reached, or is being left
	lost       bool  // the lease that the key hung on is gone
}

// Phase tells where the cliente stands.
func (m *Machine) Phase() Phase { return m.phase }

// Token is that of the key which is ours, the zero Token where none is.
func (m *Machine) Token() Token { return m.token }

// Step takes an event and returns what is to be done. An event that has no meaning in
// the present phase changes nothing and returns nil.
func (m *Machine) Step(e Event) []Effect {
	switch e := e.(type) {
	case LeaseLost:
		return m.leave(ErrLeaseLost, true)
	case Release:
		return m.leave(e.Cause, false)
	}
	switch m.phase {
	case Free:
		switch e := e.(type) {
		case Acquire:
			*m = Machine{phase: Creating, generation: e.Generation}
			return []Effect{CreateKey{}}
		case Stray:
			*m = Machine{token: Token{Revision: e.Revision}, leaving: ErrReleased}
			return m.delete()
		}
	case Creating, Reading:
		switch e := e.(type) {
		case Created:
			return m.created(e.Revision)
		case Taken:
			return m.free(ErrNotOwner)
		case Absent:
			// The creation may still arrive at etcd after this reading. Then it is a key
			// without a session, which its owner finds and deletes (rule 6).
			return m.free(ErrUnknownOutcome)
		case CreateFailed:
			return m.free(e.Cause)
		case CreateUnknown:
			if m.lost {
				return m.free(ErrLeaseLost)
			}
			again := m.phase == Reading
			m.phase = Reading
			return []Effect{ReadKey{Again: again}}
		}
	case Raising:
		switch e := e.(type) {
		case Raised:
			if m.leaving != nil {
				return m.delete()
			}
			// Raised comes when rule 3(c), the hold-back for a former owner that may
			// still run, has been obeyed.
			m.phase = Running
			return []Effect{StartSession{Token: m.token}}
		case RaiseFailed:
			if m.leaving == nil {
				m.leaving = e.Cause
			}
			return m.delete()
		}
	case Running, Ending:
		switch e := e.(type) {
		case SessionEnded:
			if m.leaving == nil {
				m.leaving = e.Cause
			}
			return m.delete()
		case Rehung:
			m.token, m.lost = e.Token, false
		}
	case Deleting:
		switch e.(type) {
		case Deleted:
			return m.free(m.leaving)
		case DeleteUnknown:
			if m.lost {
				return m.free(m.leaving)
			}
			return []Effect{DeleteKey{Revision: m.token.Revision, Again: true}}
		}
	}
	return nil
}

// leave is Release and LeaseLost in every phase.
func (m *Machine) leave(cause error, lost bool) []Effect {
	if m.phase == Free {
		return nil
	}
	m.lost = m.lost || lost
	if m.leaving == nil {
		m.leaving = cause
	}
	if m.phase == Running {
		m.phase = Ending
		return []Effect{StopSession{Cause: m.leaving}}
	}
	return nil
}

// created goes on with a key that is ours.
func (m *Machine) created(revision int64) []Effect {
	m.token = Token{Generation: m.generation, Revision: revision}
	if m.leaving != nil {
		return m.delete()
	}
	m.phase = Raising
	return []Effect{RaiseFence{Token: m.token}}
}

// delete gives the key back, unless it went with its lease.
func (m *Machine) delete() []Effect {
	if m.lost {
		return m.free(m.leaving)
	}
	m.phase = Deleting
	return []Effect{DeleteKey{Revision: m.token.Revision}}
}

func (m *Machine) free(cause error) []Effect {
	if m.leaving != nil {
		cause = m.leaving
	}
	*m = Machine{}
	return []Effect{Forget{Cause: cause}}
}
