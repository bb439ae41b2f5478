package node

import "sync/atomic"

// reason is why the node is not ready; none means that it is.
type reason struct{ err atomic.Pointer[error] }

// Set books err, nil for ready, and says whether that is news.
func (r *reason) Set(err error) bool {
	before := r.Get()
	r.err.Store(&err)
	return (before == nil) != (err == nil) || err != nil && before.Error() != err.Error()
}

func (r *reason) Get() error {
	if p := r.err.Load(); p != nil {
		return *p
	}
	return nil
}
