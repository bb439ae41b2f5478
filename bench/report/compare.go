package report

import (
	"fmt"
	"math"
)

// Compare is a table of the figures that have a bar in both reports, and whether the second run gives
// again what the first one says: its median is within what the first states. A run that stands beside
// the first already is refused: it had its part in what is stated.
func Compare(a, b *Report) (string, error) {
	if a.has(b.Begun) {
		return "", fmt.Errorf("what the first report states is in part of the run of %s itself: compare one that does not stand beside it", b.Begun.Format(runAt))
	}
	t := table{right: []bool{false, false, true, true, true, true, false}}
	t.add("scenario", "what", "bar", a.Begun.Format(runAt), "95 of 100 runs", b.Begun.Format(runAt), "")
	var all, ratios tally
	once := 0
	for _, s := range a.Scenarios {
		for _, f := range s.Figures {
			again, ok := b.figure(s.Name, f.Name)
			if f.Bar == nil || !ok || len(f.Values) == 0 || len(again.Values) == 0 {
				continue
			}
			same, verdict := f.saysAgain(again)
			t.add(s.Name, f.Name, f.bar(), f.measured(), f.stated(), again.measured(), verdict)
			if _, _, ok := f.Stated(); !ok && len(f.Values) == 1 {
				once++
				continue
			}
			all.count(same)
			if f.Unit == "x" {
				ratios.count(same)
			}
		}
	}
	text := fmt.Sprintf("%s\n%s figures are the same, among them %s ratios: medians of the second run within what the first states.\n", t.String(), all, ratios)
	if len(a.Others)+1 >= enoughRuns {
		text += fmt.Sprintf("Each ratio has its chance of 1 in 20 to lie outside: up to %d of %d do in 95 of 100 runs.\n", byChance(ratios.all), ratios.all)
	}
	if once > 0 {
		text += fmt.Sprintf("%d others are measured once a run: no spread is stated.\n", once)
	}
	return text + fmt.Sprintf("The first ran on %s%s; the second on %s%s.\n", a.Machine.CPU, a.Machine.costs(), b.Machine.CPU, b.Machine.costs()), nil
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
	if least, most, _ := f.Stated(); least <= again.Median() && again.Median() <= most {
		return true, "same"
	}
	if f.Median() == 0 {
		return false, "differs"
	}
	return false, fmt.Sprintf("%+.1f %%", 100*(again.Median()-f.Median())/math.Abs(f.Median()))
}
