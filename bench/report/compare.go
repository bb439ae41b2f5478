package report

import (
	"fmt"
	"math"
)

// Compare is a table of the figures that have a bar in both reports, and whether a run gives again what
// another one gave: the same is what has spreads that meet.
func Compare(a, b *Report) string {
	t := table{right: []bool{false, false, true, true, true, false}}
	t.add("scenario", "what", "bar", a.Begun.Format("2 January, 15:04"), b.Begun.Format("2 January, 15:04"), "")
	same, all := 0, 0
	for _, s := range a.Scenarios {
		for _, f := range s.Figures {
			again, ok := b.figure(s.Name, f.Name)
			if f.Bar == nil || !ok || len(f.Values) == 0 || len(again.Values) == 0 {
				continue
			}
			all++
			verdict, meets := f.against(again)
			if meets {
				same++
			}
			t.add(s.Name, f.Name, f.bar(), f.measured(), again.measured(), verdict)
		}
	}
	return fmt.Sprintf("%s\n%d of %d figures are the same, within the spreads of their rounds.\n", t.String(), same, all)
}

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

// against says how far two measurements of one thing are apart.
func (f Figure) against(g Figure) (verdict string, same bool) {
	least, most := f.Spread()
	least2, most2 := g.Spread()
	if least <= most2 && least2 <= most {
		return "same", true
	}
	if f.Median() == 0 {
		return "differs", false
	}
	return fmt.Sprintf("%+.1f %%", 100*(g.Median()-f.Median())/math.Abs(f.Median())), false
}
