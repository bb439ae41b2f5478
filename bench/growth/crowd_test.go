package growth

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"session-manager/bench/report"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// All keys are asked for, and only counted.
func TestKeysOfEtcd(t *testing.T) {
	for answer, want := range map[string]int{`{"header":{"revision":"9"},"count":"10004"}`: 10004, `{"header":{}}`: 0, `nonsense`: -1} {
		var asked string
		etcd := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			asked = r.Method + " " + r.URL.Path + " " + string(body)
			_, _ = io.WriteString(w, answer)
		}))
		n, err := keys(t.Context(), strings.TrimPrefix(etcd.URL, "http://"))
		etcd.Close()
		if (err != nil) != (want < 0) || err == nil && n != want {
			t.Errorf("%s: %d, %v", answer, n, err)
		}
		if asked != `POST /v3/kv/range {"key":"AA==","range_end":"AA==","count_only":true}` {
			t.Errorf("asked %s", asked)
		}
	}
}

// A plot has a bar for what was measured, whatever the scenario calls it.
func TestGaps(t *testing.T) {
	var s report.Scenario
	s.Name = "moves"
	s.Tell("join: gap median", "ms", 1, 3, 2)
	s.Tell("join: gap p99", "ms", 9)
	s.Tell("kill: login elsewhere p99", "ms", 500)
	p := gaps(&s, []string{"join", "kill"})
	if p.File != "moves-gaps.svg" || len(p.Series) != 2 || p.Series[0].Y[0] != 2 || p.Series[1].Y[0] != 9 || p.Series[1].Y[1] != 500 {
		t.Errorf("%+v", p)
	}
}
