package ownership

import "strconv"

// Token is the fencing token of one ownership. It only ever grows: a later owner of the
// same cliente has a greater token. The zero Token is smaller than every real one.
type Token struct {
	// Generation counts the lives of the etcd cluster, from 1; an operator raises it when
	// etcd was lost or restored, so that revisions that start anew cannot look old.
	Generation int64
	// Revision is the etcd create revision of the ownership key.
	Revision int64
}

// Less says whether t is an older token than o.
func (t Token) Less(o Token) bool {
	if t.Generation != o.Generation {
		return t.Generation < o.Generation
	}
	return t.Revision < o.Revision
}

// String is "generation.revision", the form that X-Session-Epoch and logs carry.
func (t Token) String() string { return string(t.Append(nil)) }

// Append appends what String returns.
func (t Token) Append(b []byte) []byte {
	b = append(strconv.AppendInt(b, t.Generation, 10), '.')
	return strconv.AppendInt(b, t.Revision, 10)
}

// Process is one run of one node. A node that restarts keeps its Node name and has a new
// Incarnation, so that what it held in its past life is told from what it holds now.
type Process struct {
	Node        string // stable across restarts
	Incarnation string // a ULID, made at start
}
