// Package keyless names the sends that came without an idempotency key. The node that takes such a send makes a
// key for it, which goes with it wherever it is tried. It is told from a caller's by its space, which no
// caller's key can have; and it sorts by time.
//
// What follows from it (session/open.go): where the caller was not told how a send ended, the same body sent
// again without a key is the same message.
package keyless

import (
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
)

const (
	prefix = "minted "

	// Open is for how long the same body is the same message after an unknown outcome.
	Open = 10 * time.Minute

	// skew is by how much the clocks of two nodes may differ.
	skew = 30 * time.Minute
)

// NewKey makes a key.
func NewKey() string { return prefix + ulid.Make().String() }

// Is says whether a key was made by NewKey.
func Is(key string) bool { return strings.HasPrefix(key, prefix) }

// Since returns the bounds of all keys that nodes have made from then on, whatever order the database sorts by.
func Since(then time.Time) (from, to string) {
	first := ulid.ULID{}
	_ = first.SetTime(ulid.Timestamp(then.Add(-skew))) // it fails for a time after the year 10889
	return prefix + first.String(), prefix + strings.Repeat("Z", ulid.EncodedSize)
}
