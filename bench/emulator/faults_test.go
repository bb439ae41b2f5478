package emulator

import (
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types/events"
)

func fault(t *testing.T, e *Emulator, f Fault) {
	t.Helper()
	if err := e.SetFault(f); err != nil {
		t.Fatal(err)
	}
}

func TestRefusedLogins(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana)
	c := pair(t, e, ana)
	c.Disconnect()

	t.Run("ban", func(t *testing.T) {
		fault(t, e, Fault{Kind: FaultBan, Number: ana, ForMS: 60_000})
		defer e.ClearFaults()
		x := reopened(t, e, c)
		x.connect()
		ban := await[*events.TemporaryBan](x, nil)
		if ban.Code != banCode || ban.Expire < 55*time.Second || ban.Expire > 61*time.Second {
			t.Fatalf("%+v", ban)
		}
	})
	t.Run("outdated", func(t *testing.T) {
		fault(t, e, Fault{Kind: FaultOutdated, Number: "*"})
		defer e.ClearFaults()
		x := reopened(t, e, c)
		x.connect()
		await[*events.ClientOutdated](x, nil)
		// A client that has fetched the current version is let in.
		y := reopened(t, e, c)
		payload := y.Store.GetClientPayload()
		payload.UserAgent.AppVersion.Tertiary = new(uint32(ClientRevision))
		y.GetClientPayload = func() *clientPayload { return payload }
		y.connect()
		await[*events.Connected](y, nil)
		y.Disconnect()
	})
	t.Run("403", func(t *testing.T) {
		fault(t, e, Fault{Kind: FaultFail, Number: ana, Code: 403})
		defer e.ClearFaults()
		copied := *c.Store
		copied.Container = nopContainer{} // 403 makes whatsmeow delete its device
		x := newClient(t, e, &copied)
		x.connect()
		if out := await[*events.LoggedOut](x, nil); out.Reason != events.ConnectFailureMainDeviceGone {
			t.Fatalf("%+v", out)
		}
	})
	t.Run("503, then let in", func(t *testing.T) {
		fault(t, e, Fault{Kind: FaultRefuse, Number: ana})
		x := reopened(t, e, c)
		x.connect()
		eventually(t, "a refusal", func() bool { return e.Devices()[0].Connected == false && refusals(e, 503) > 0 })
		e.ClearFaults()
		await[*events.Connected](x, nil) // by its own reconnect
		x.Disconnect()
	})
	t.Run("503 for all: not even a socket", func(t *testing.T) {
		fault(t, e, Fault{Kind: FaultRefuse, Number: "*"})
		defer e.ClearFaults()
		if err := reopened(t, e, c).Connect(); err == nil {
			t.Fatal("connected")
		}
	})
}

func refusals(e *Emulator, code int) int {
	n := 0
	for _, ev := range e.Events(0) {
		if ev.Kind == KindRefused && ev.Code == code {
			n++
		}
	}
	return n
}

func TestDropGoesOnForItsTime(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana)
	c := pair(t, e, ana)
	c.forget()
	fault(t, e, Fault{Kind: FaultDrop, Number: ana, ForMS: 700})
	await[*events.Disconnected](c, nil)
	await[*events.Connected](c, nil)
	if s := e.Stats(); s.Overlaps+s.Conflicts != 0 {
		t.Fatalf("stats: %+v", s)
	}
}

// The ack is lost, the client resends the identical frame after its reconnect: one message,
// two copies, no fork.
func TestALostAckIsAResendNotAFork(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana, beto)
	c := pair(t, e, ana)
	fault(t, e, Fault{Kind: FaultLoseAck, Number: ana})
	result := make(chan error, 1)
	go func() {
		_, err := c.SendMessage(t.Context(), userJID(beto), say("¿llegó?"))
		result <- err
	}()
	inboxOf(t, e, beto, 1)
	e.ClearFaults()
	fault(t, e, Fault{Kind: FaultDrop, Number: ana})
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	eventually(t, "two copies of one message", func() bool {
		inbox, _ := e.Inbox(beto)
		return len(inbox) == 1 && inbox[0].Copies == 2
	})
	if s := e.Stats(); s.RatchetForks+s.Undecryptable != 0 || s.Duplicates != 1 || s.Messages != 1 {
		t.Fatalf("stats: %+v", s)
	}
}

func TestADeafServerKeepsTheSocketAndSaysNothing(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana, beto)
	c := pair(t, e, ana)
	if _, err := c.SendMessage(t.Context(), userJID(beto), say("antes")); err != nil {
		t.Fatal(err)
	}
	fault(t, e, Fault{Kind: FaultDeaf, Number: ana})
	_, err := c.SendMessage(t.Context(), userJID(beto), say("nadie oye"), whatsmeow.SendRequestExtra{Timeout: 300 * time.Millisecond})
	if err == nil {
		t.Fatal("a deaf server acknowledged")
	}
	id, err := e.SendMessage(beto, ana, "¿estás?")
	if err != nil {
		t.Fatal(err)
	}
	if !c.IsConnected() || e.Stats().Connected != 1 {
		t.Fatal("the socket was closed")
	}
	inbox := inboxOf(t, e, beto, 1)
	e.ClearFaults()
	await(c, func(m *events.Message) bool { return m.Info.ID == id })
	if len(inbox) != 1 {
		t.Fatalf("inbox: %+v", inbox)
	}
}

func TestDelayComesLaterInOrder(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana, beto)
	c := pair(t, e, ana)
	fault(t, e, Fault{Kind: FaultDelay, Number: ana, DelayMS: 1000})
	before := time.Now()
	for _, text := range []string{"1", "2", "3"} {
		if _, err := e.SendMessage(beto, ana, text); err != nil {
			t.Fatal(err)
		}
	}
	await(c, func(m *events.Message) bool { return m.Message.GetConversation() == "3" })
	if took := time.Since(before); took < time.Second || took > 3*time.Second {
		t.Fatalf("three messages took %v: want 1 s, not thrice that", took)
	}
}

func TestAFaultEndsByItself(t *testing.T) {
	e := start(t, Options{})
	fault(t, e, Fault{Kind: FaultDeaf, Number: "*", ForMS: 30})
	if len(e.Faults()) != 1 {
		t.Fatal("not set")
	}
	eventually(t, "the end", func() bool { return len(e.Faults()) == 0 })
}

func TestALoginAtADeafServerWaits(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana)
	c := pair(t, e, ana)
	c.Disconnect()
	fault(t, e, Fault{Kind: FaultDeaf, Number: ana})
	x := reopened(t, e, c)
	x.connect()
	eventually(t, "the login", func() bool { return e.Stats().Logins == 2 })
	if x.IsLoggedIn() {
		t.Fatal("a deaf server let it in")
	}
	e.ClearFaults()
	await[*events.Connected](x, nil)
}

// A phone that is away takes nothing, and all of it in order once it is back.
func TestAway(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana, beto)
	c := pair(t, e, ana)
	sendTo(t, c, beto, "before")
	inboxOf(t, e, beto, 1)
	if err := e.SetFault(Fault{Kind: FaultAway, Number: beto}); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"one", "two", "three"} {
		sendTo(t, c, beto, text)
	}
	eventually(t, "Ana's phone, which is at hand, to see the copies", func() bool {
		sent, err := e.Sent(ana)
		return err == nil && len(sent) == 4
	})
	if inbox, err := e.Inbox(beto); err != nil || len(inbox) != 1 {
		t.Fatalf("%d messages on a phone that is away, %v", len(inbox), err)
	}
	e.ClearFaults()
	inbox := inboxOf(t, e, beto, 4)
	if inbox[1].Text != "one" || inbox[3].Text != "three" {
		t.Errorf("%+v", inbox)
	}
}
