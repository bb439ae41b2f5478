package ownership

import "time"

// flapLimit is how many leases a node may lose within FlapWindow before it pauses.
const flapLimit = 3

// Flaps keeps a node that loses its lease again and again from taking clientes only to drop
// them: after the third loss within FlapWindow it takes nothing for FlapUnit, after each
// further one for twice as long (rule 8). The zero value is not ready; use NewFlaps.
type Flaps struct {
	timing Timing
	losses []time.Time // within the window, oldest first
	until  time.Time
}

// NewFlaps starts with a clean record.
func NewFlaps(t Timing) *Flaps { return &Flaps{timing: t} }

// Lost books a lost lease at now.
func (f *Flaps) Lost(now time.Time) {
	f.losses = append(f.losses, now)
	for now.Sub(f.losses[0]) > f.timing.FlapWindow {
		f.losses = f.losses[1:]
	}
	if k := len(f.losses) - flapLimit; k >= 0 {
		f.until = now.Add(f.timing.FlapUnit << min(k, 10))
	}
}

// Forgive ends a pause. The losses still count: a further one begins the next.
func (f *Flaps) Forgive() { f.until = time.Time{} }

// MayTake says whether the node may take clientes at now.
func (f *Flaps) MayTake(now time.Time) bool { return !now.Before(f.until) }

// Until is when MayTake becomes true again; in the past where it is.
func (f *Flaps) Until() time.Time { return f.until }
