package report

import (
	"fmt"
	"math"
)

// Compare is a table of the figures that have a bar in both reports, and whether the second run gives
// again what the first one says: its median is within what the first states.
func Compare(a, b *Report) string {
	t := table{right: []bool{false, false, true, true, true, false}}
	t.add("scenario", "what", "bar", a.Begun.Format(runAt), b.Begun.Format(runAt), "")
	var all, ratios tally
	once := 0
	for _, s := range a.Scenarios {
		for _, f := range s.Figures {
			again, ok := b.figure(s.Name, f.Name)
			if f.Bar == nil || !ok || len(f.Values) == 0 || len(again.Values) == 0 {
				continue
			}
			same, verdict := f.saysAgain(again)
			t.add(s.Name, f.Name, f.bar(), f.measured(), again.measured(), verdict)
			if len(f.Values) == 1 {
				once++
				continue
			}
			all.count(same)
			if f.Unit == "x" {
				ratios.count(same)
			}
		}
	}
	return fmt.Sprintf("%s\n%s figures are the same, among them %s ratios: medians of the second run within the spread of the first, its rounds and the runs beside it.\n"+
		"%d others are measured once a run: no spread is stated.\n", t.String(), all, ratios, once)
}

// tally is how many are the same, of how many.
type tally struct{ same, all int }

func (t *tally) count(same bool) {
	t.all++
	if same {
		t.same++
	}
}

func (t tally) String() string { return fmt.Sprintf("%d of %d", t.same, t.all) }

func (r *Report) figure(scenario, name string) (Figure, bool) {
	for _, s := range r.Scenarios {
		for _, f := range s.Figures {
			if s.Name == scenario && f.Name == name {
				return f, true
			}
		}
	}
	return Figure{}, false
}

// saysAgain says whether another measurement has its median within what f states, and if not, how far
// the medians are apart.
func (f Figure) saysAgain(again Figure) (same bool, verdict string) {
	if least, most := f.Stated(); least <= again.Median() && again.Median() <= most {
		return true, "same"
	}
	if f.Median() == 0 {
		return false, "differs"
	}
	return false, fmt.Sprintf("%+.1f %%", 100*(again.Median()-f.Median())/math.Abs(f.Median()))
}
