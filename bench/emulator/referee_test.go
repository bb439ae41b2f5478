package emulator

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"

	"go.mau.fi/whatsmeow/types/events"
)

func TestRatchetBook(t *testing.T) {
	type send struct {
		counter uint32
		login   int
		content byte
		id      string
		want    verdict
	}
	for name, sends := range map[string][]send{
		"in order":                          {{0, 1, 'a', "A", verdictGood}, {1, 1, 'b', "B", verdictGood}, {2, 2, 'c', "C", verdictGood}},
		"a kill skips a counter":            {{0, 1, 'a', "A", verdictGood}, {2, 2, 'b', "B", verdictGap}, {3, 2, 'c', "C", verdictGood}},
		"the network's resend":              {{0, 1, 'a', "A", verdictGood}, {0, 2, 'a', "A", verdictResend}, {1, 2, 'b', "B", verdictGood}},
		"the same ID encrypted anew":        {{0, 1, 'a', "A", verdictGood}, {1, 2, 'b', "A", verdictGood}},
		"one key for two plaintexts":        {{0, 1, 'a', "A", verdictGood}, {0, 2, 'b', "B", verdictFork}},
		"one key, same ID, new ciphertext":  {{0, 1, 'a', "A", verdictGood}, {0, 2, 'b', "A", verdictFork}},
		"the same ciphertext as another ID": {{0, 1, 'a', "A", verdictGood}, {0, 2, 'a', "B", verdictFork}},
		"a step back into a gap":            {{0, 1, 'a', "A", verdictGood}, {5, 1, 'b', "B", verdictGap}, {3, 2, 'c', "C", verdictFork}},
		"two frames in the other order":     {{1, 1, 'b', "B", verdictGap}, {0, 1, 'a', "A", verdictGood}, {0, 1, 'c', "C", verdictFork}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRatchets()
			for i, s := range sends {
				got, _ := r.book(chainID{to: "x"}, step{counter: s.counter, login: s.login, content: [16]byte{s.content}, id: s.id})
				if got != s.want {
					t.Fatalf("send %d: verdict %d, want %d", i+1, got, s.want)
				}
			}
		})
	}
	t.Run("a resend is known for as long as it can come", func(t *testing.T) {
		r := newRatchets()
		for i := range uint32(1000) {
			r.book(chainID{}, step{counter: i, id: fmt.Sprint(i), content: [16]byte{byte(i)}})
		}
		if v, _ := r.book(chainID{}, step{counter: 999, id: "999", content: [16]byte{byte(999 % 256)}}); v != verdictResend {
			t.Fatal(v)
		}
		if n := len(r.chains[chainID{}].recent); n > remembered {
			t.Fatalf("%d steps are kept", n)
		}
	})
}

// twin pairs a device over a file, stops it, and returns its file and a copy of it.
func twin(t *testing.T, e *Emulator, prepare func(*client)) (original, copied string) {
	t.Helper()
	dir := t.TempDir()
	original, copied = filepath.Join(dir, "a.db"), filepath.Join(dir, "b.db")
	db := openStore(t, original)
	c := newClient(t, e, db.NewDevice())
	c.connect()
	code := await[*events.QR](c, nil).Codes[0]
	if _, err := e.Scan(t.Context(), ana, picture(t, code)); err != nil {
		t.Fatal(err)
	}
	await[*events.Connected](c, nil)
	prepare(c)
	c.Disconnect()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := sql.Open("sqlite", "file:"+original+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if _, err = raw.Exec("VACUUM INTO ?", copied); err != nil { // a plain copy could miss the write-ahead log
		t.Fatal(err)
	}
	return original, copied
}

func ofFile(t *testing.T, e *Emulator, file string) *client {
	t.Helper()
	devices, err := openStore(t, file).GetAllDevices(t.Context())
	if err != nil || len(devices) != 1 {
		t.Fatal(len(devices), err)
	}
	c := newClient(t, e, devices[0])
	c.connect()
	await[*events.Connected](c, nil)
	return c
}

func sendTo(t *testing.T, c *client, number, text string) string {
	t.Helper()
	sent, err := c.SendMessage(t.Context(), userJID(number), say(text))
	if err != nil {
		t.Fatal(err)
	}
	return sent.ID
}

// Two processes with copies of one store send from the same ratchet state: the forgery that
// the product must never commit, and that the referee must see.
func TestAForkIsSeen(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana, beto)
	original, copied := twin(t, e, func(c *client) { sendTo(t, c, beto, "uno") })
	inboxOf(t, e, beto, 1)

	a := ofFile(t, e, original)
	sendTo(t, a, beto, "dos")
	a.Disconnect()
	if s := e.Stats(); s.RatchetForks != 0 {
		t.Fatalf("before the forgery: %+v", s)
	}
	b := ofFile(t, e, copied)
	id := sendTo(t, b, beto, "otro dos")
	s := e.Stats()
	if s.RatchetForks == 0 {
		t.Fatalf("the fork was not seen: %+v", s)
	}
	found := false
	for _, ev := range e.Events(0) {
		found = found || ev.Kind == KindFork && ev.ID == id && ev.Device == ana+":1@s.whatsapp.net" && ev.Login == 3
	}
	if !found {
		t.Fatalf("no event pairs with the count: %+v", e.Events(0))
	}
	eventually(t, "the phone to notice too", func() bool { return e.Stats().Undecryptable > 0 })
}

// The stale copy sends on a chain that the other has left without using it further: only
// the order of the session's chains tells.
func TestAStaleChainIsAFork(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana, beto)
	original, copied := twin(t, e, func(c *client) {
		sendTo(t, c, beto, "uno")
		inboxOf(t, e, beto, 1)
		id, _ := e.SendMessage(beto, ana, "respuesta")
		await(c, func(m *events.Message) bool { return m.Info.ID == id })
		sendTo(t, c, beto, "dos")
		inboxOf(t, e, beto, 2)
	})
	a := ofFile(t, e, original)
	id, _ := e.SendMessage(beto, ana, "otra respuesta") // the device's next chain
	await(a, func(m *events.Message) bool { return m.Info.ID == id })
	sendTo(t, a, beto, "tres")
	inboxOf(t, e, beto, 3)
	a.Disconnect()
	before := e.Stats().RatchetForks
	b := ofFile(t, e, copied)
	sendTo(t, b, beto, "vieja cadena")
	eventually(t, "the fork", func() bool { return e.Stats().RatchetForks > before })
	if before != 0 {
		t.Fatalf("%d forks before", before)
	}
}

// A process killed between storing the ratchet and sending the frame skips a counter.
func TestASkippedCounterIsAGap(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana, beto)
	c := pair(t, e, ana)
	sendTo(t, c, beto, "uno")
	to := userJID(beto)
	to, err := c.Store.LIDs.GetLIDForPN(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := internals(c).EncryptMessageForDevice(t.Context(), []byte{1}, to, nil, nil, nil); err != nil {
		t.Fatal(err)
	}
	sendTo(t, c, beto, "dos")
	inboxOf(t, e, beto, 2)
	if s := e.Stats(); s.RatchetGaps != 1 || s.RatchetForks+s.Undecryptable != 0 {
		t.Fatalf("stats: %+v", s)
	}
}

func TestEventsAreNumberedWithoutGaps(t *testing.T) {
	e := start(t, Options{MaxEvents: 10})
	for i := range 35 {
		e.note(Event{Kind: KindKeys, Code: i})
	}
	all := e.Events(0)
	if len(all) < 10 || all[len(all)-1].N != 35 {
		t.Fatalf("%d events, last %d", len(all), all[len(all)-1].N)
	}
	for i := 1; i < len(all); i++ {
		if all[i].N != all[i-1].N+1 || all[i].At.Before(all[i-1].At) {
			t.Fatalf("%+v follows %+v", all[i], all[i-1])
		}
	}
	if late := e.Events(33); len(late) != 2 || late[0].N != 34 {
		t.Fatalf("since 33: %+v", late)
	}
	if none := e.Events(35); none == nil || len(none) != 0 {
		t.Fatalf("since the last: %+v", none)
	}
}
