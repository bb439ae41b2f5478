package emulator

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/types/events"
)

// call posts a JSON body to the control API as other processes do, and returns status and answer.
func call(t *testing.T, e *Emulator, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+e.Addr()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(out)
}

// A raw stanza arrives as it was ordered: JIDs as JIDs, texts, numbers and bytes as such.
func TestARawStanzaIsSentAsItIs(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana)
	c := pair(t, e, ana)
	status, answer := call(t, e, "POST", "/stanza", `{"number":"`+ana+`","node":{"tag":"stream:error","attrs":{"code":"599","n":7,"yes":true,"from":"jid:s.whatsapp.net"},
		"content":[{"tag":"a","content":"text"},{"tag":"b","content":{"base64":"AAEC"}},{"tag":"c"}]}}`)
	if status != 200 || strings.TrimSpace(answer) != `{"sent":1,"queued":0}` {
		t.Fatal(status, answer)
	}
	got := await[*events.StreamError](c, nil).Raw
	if got.Tag != "stream:error" || text(got, "n") != "7" || text(got, "yes") != "true" || jid(got, "from").Server != "s.whatsapp.net" {
		t.Fatalf("%v", got)
	}
	if string(childBytes(got, "a")) != "text" || string(childBytes(got, "b")) != "\x00\x01\x02" || len(got.GetChildren()) != 3 {
		t.Fatalf("%v", got)
	}
}

// What is queued comes at each login, until the client answers it.
func TestAQueuedStanzaComesAgainUntilItIsAnswered(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana)
	c := pair(t, e, ana)
	order := func(node string) StanzaSent {
		t.Helper()
		var in RawStanza
		if err := json.Unmarshal([]byte(`{"number":"`+ana+`","queue":true,"node":`+node+`}`), &in); err != nil {
			t.Fatal(err)
		}
		sent, err := e.SendStanza(in)
		if err != nil {
			t.Fatal(err)
		}
		return sent
	}
	waiting := func() int { return e.Devices()[0].Queued }
	// whatsmeow acknowledges any notification, and answers no iq that it does not know.
	order(`{"tag":"notification","attrs":{"id":"N1","from":"jid:s.whatsapp.net","type":"novelty","t":1}}`)
	eventually(t, "the ack", func() bool { return waiting() == 0 })
	c.Disconnect()
	eventually(t, "the end of the socket", func() bool { return e.Stats().Connected == 0 })
	if sent := order(`{"tag":"ib","content":[{"tag":"offline","attrs":{"count":"4711"}}]}`); sent.Sent != 0 || sent.Queued != 1 {
		t.Fatalf("%+v", sent)
	}
	fits := func(o *events.OfflineSyncCompleted) bool { return o.Count == 4711 }
	for range 2 {
		x := reopened(t, e, c)
		x.connect()
		await(x, fits)
		x.Disconnect()
		eventually(t, "the end of the socket", func() bool { return e.Stats().Connected == 0 })
	}
	if n, err := e.DropStanzas(ana); n != 1 || err != nil || waiting() != 0 {
		t.Fatal(n, err, waiting())
	}
}

func TestBadStanzas(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana)
	for body, want := range map[string]int{
		`{"number":"` + ana + `"}`:                                                         400,
		`{"node":{"tag":"a"}}`:                                                             400,
		`{"number":"` + beto + `","node":{"tag":"a"}}`:                                     404,
		`{"number":"` + ana + `","device":"x","node":{"tag":"a"}}`:                         404,
		`{"number":"` + ana + `","node":{"tag":"a"}}`:                                      409,
		`{"number":"` + ana + `","queue":true,"node":{"tag":"a"}}`:                         409,
		`{"number":"` + ana + `","node":{"tag":"a","attrs":{"x":1.5}}}`:                    400,
		`{"number":"` + ana + `","node":{"tag":"a","attrs":{"x":null}}}`:                   400,
		`{"number":"` + ana + `","node":{"tag":"a","attrs":{"x":"jid:"}}}`:                 400,
		`{"number":"` + ana + `","node":{"tag":"a","attrs":{"x":"jid:1:x@lid"}}}`:          400,
		`{"number":"` + ana + `","node":{"tag":"a","contnet":"x"}}`:                        400,
		`{"number":"` + ana + `","node":{"tag":"a","content":7}}`:                          400,
		`{"number":"` + ana + `","node":{"tag":"a","content":{}}}`:                         400,
		`{"number":"` + ana + `","node":{"tag":"a","content":{"base64":"!"}}}`:             400,
		`{"number":"` + ana + `","node":{"tag":"a","content":[{"tag":"b"},{"attrs":{}}]}}`: 400,
		`{"number":"` + ana + `","node":"a"}`:                                              400,
	} {
		if status, answer := call(t, e, "POST", "/stanza", body); status != want || !strings.Contains(answer, `"error"`) {
			t.Errorf("%s: %d %s, want %d", body, status, answer, want)
		}
	}
	if _, err := e.DropStanzas(beto); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

// One device's logins within any ten seconds are counted, and no two devices' together.
func TestMostLoginsWithinTenSeconds(t *testing.T) {
	d, other := &device{}, &device{}
	begin := time.Now()
	for i, want := range []int{1, 2, 3, 3, 1} {
		if got := d.recentLoginsLocked(begin.Add([]time.Duration{0, 1, 9, 11, 30}[i] * time.Second)); got != want {
			t.Errorf("login %d: %d within 10 s, want %d", i+1, got, want)
		}
	}
	if got := other.recentLoginsLocked(begin); got != 1 {
		t.Errorf("another device's logins were counted: %d", got)
	}
	e := start(t, Options{})
	addPhones(t, e, ana, beto)
	pair(t, e, beto)
	c := pair(t, e, ana)
	c.Disconnect()
	reopened(t, e, c).connect()
	eventually(t, "two logins", func() bool { return e.Stats().MostLogins10s == 2 })
}
