package store

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// Where the database has been away for a while, callers are told soon, and one write at a time still
// has the time that a database which is back, but slow, may need.
func TestFaultB5PatienceWithTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p patience
		want := func(what string, limit time.Duration, scouts bool) bool {
			t.Helper()
			got, scout := p.begin(answerTime)
			if got != limit || scout != scouts {
				t.Errorf("%s: %v, scout %v; want %v, %v", what, got, scout, limit, scouts)
			}
			return scout
		}
		p.end(nil, want("at first", answerTime, false))
		p.end(context.DeadlineExceeded, want("the first that fails", answerTime, false))
		time.Sleep(answerTime / 2)
		p.end(io.ErrUnexpectedEOF, want("it may be back", answerTime, false))
		time.Sleep(answerTime / 2)
		scout := want("away for long", answerTime, true)
		p.end(context.DeadlineExceeded, want("beside the scout", awayTime, false))
		p.end(context.DeadlineExceeded, scout)
		scout = want("the next scout", answerTime, true)
		p.end(nil, scout)
		p.end(nil, want("back", answerTime, false))
		// What a caller does says nothing of the database.
		p.end(context.Canceled, want("a caller who goes", answerTime, false))
		time.Sleep(time.Hour)
		p.end(nil, want("an hour later", answerTime, false))
	})
}
