package load

import (
	"fmt"
	"math"
	"time"
)

// Result is what came of a load.
type Result struct {
	Took     time.Duration
	Statuses map[int]int     // answers, by status
	Broken   int             // requests without an answer: no connection, lost, or too slow
	Err      error           // the first of those; nil: none
	Latency  []time.Duration // of each 2xx answer, sorted
}

// Good counts the 2xx answers.
func (r *Result) Good() int { return len(r.Latency) }

// Bad counts the requests that had another answer, or none.
func (r *Result) Bad() int {
	n := r.Broken
	for status, count := range r.Statuses {
		if !good(status) {
			n += count
		}
	}
	return n
}

// Clean is an error where not every request had a 2xx answer, or none was made.
func (r *Result) Clean() error {
	if r.Good() > 0 && r.Bad() == 0 {
		return nil
	}
	err := fmt.Errorf("%d of %d requests were answered well; statuses %v, %d without an answer", r.Good(), r.Good()+r.Bad(), r.Statuses, r.Broken)
	if r.Err != nil {
		err = fmt.Errorf("%w: %w", err, r.Err)
	}
	return err
}

// Rate is how many 2xx answers there were a second.
func (r *Result) Rate() float64 { return float64(r.Good()) / r.Took.Seconds() }

// Quantile is the shortest latency that a share q of the 2xx answers does not exceed; 0 of none.
func (r *Result) Quantile(q float64) time.Duration {
	if len(r.Latency) == 0 {
		return 0
	}
	at := int(math.Ceil(q*float64(len(r.Latency)))) - 1
	return r.Latency[min(max(at, 0), len(r.Latency)-1)]
}

func good(status int) bool { return status >= 200 && status < 300 }
