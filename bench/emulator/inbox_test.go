package emulator

import (
	"fmt"
	"slices"
	"sync"
	"testing"
)

// Who was told that a message was taken finds it on the phone, however much the phone has to
// decrypt just then: what callers were told is compared with the inbox (bench smoke, faults).
func TestWhatWasAcknowledgedIsInTheInbox(t *testing.T) {
	const senders, each = 8, 25
	e := start(t, Options{})
	addPhones(t, e, beto)
	var clients []*client
	for n := range senders {
		number := fmt.Sprintf("54911000001%02d", n)
		addPhones(t, e, number)
		clients = append(clients, pair(t, e, number))
	}
	var sending sync.WaitGroup
	for n, c := range clients {
		sending.Go(func() {
			for i := range each {
				sent, err := c.SendMessage(t.Context(), userJID(beto), say(fmt.Sprint(n, " ", i)))
				if err != nil {
					t.Error(err)
					return
				}
				inbox, err := e.Inbox(beto)
				if err != nil || !slices.ContainsFunc(inbox, func(m Message) bool { return m.ID == sent.ID }) {
					t.Errorf("message %d of client %d was acknowledged and is not in the inbox of %d (%v)", i, n, len(inbox), err)
				}
			}
		})
	}
	sending.Wait()
}
