package sessions

import (
	"math"
	"slices"
	"time"

	"session-manager/bench/measure"
)

// quantile is the smallest sample that a share q of them does not exceed; NaN of none.
func quantile(samples []float64, q float64) float64 {
	if len(samples) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// side is what one of the two has done, a value a round.
type side struct {
	rate, median, p99 []float64 // texts a second, ms, ms
	cpu, store        []float64 // ms of CPU of the process, and of Postgres, per piece of work
}

// ratios divides round by round. A round that was too short for what is below to be measured,
// which the kernel counts by 10 ms, gives none.
func ratios(above, below []float64) (out []float64) {
	for i := range above {
		if below[i] > 0 {
			out = append(out, above[i]/below[i])
		}
	}
	return out
}

// spent runs work and returns the CPU that two groups of processes have used meanwhile.
func spent(own, store []int, work func() error) (ownMS, storeMS float64, err error) {
	read := func() (a, b time.Duration, err error) {
		if a, err = measure.CPU(own...); err != nil {
			return 0, 0, err
		}
		if len(store) > 0 {
			b, err = measure.CPU(store...)
		}
		return a, b, err
	}
	own0, store0, err := read()
	if err != nil {
		return 0, 0, err
	}
	if err := work(); err != nil {
		return 0, 0, err
	}
	own1, store1, err := read()
	return ms(own1 - own0), ms(store1 - store0), err
}
