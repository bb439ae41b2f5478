package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/types"
)

// A text that was sent goes after a day; the hash and the ID of the send stay.
func TestFaultC14TextsGo(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		a, device, _ := paired(t, s, 5, 10, "5491100000001")
		b, other, _ := paired(t, s, 6, 10, "5491100000002")
		for i := range 4 {
			for account, stores := range map[*Account]*fencedStore{a: stores(device), b: stores(other)} {
				if _, err := reserve(ctx, account, stores, Send{Key: fmt.Sprint("k", i), MessageID: fmt.Sprint("M", i)}); err != nil {
					t.Fatal(err)
				}
			}
		}
		old := time.Now().Add(-24*time.Hour - time.Minute).UnixMilli()
		if _, err := s.db.Exec(ctx, "UPDATE whatsmeow_retry_buffer SET timestamp = $1 WHERE message_id <> 'M3'", old); err != nil {
			t.Fatal(err)
		}
		for i, want := range []int64{4, 2, 0} {
			if n, err := s.ForgetTexts(ctx, 24*time.Hour, 4); n != want || err != nil {
				t.Errorf("time %d: %d forgotten, %v; want %d", i, n, err, want)
			}
		}
		if left := column(t, s, "SELECT message_id FROM whatsmeow_retry_buffer"); !slices.Equal(left, []string{"M3", "M3"}) {
			t.Errorf("left %q", left)
		}
		if sends := column(t, s, "SELECT count(*) FROM sends"); sends[0] != "8" {
			t.Errorf("%s sends", sends[0])
		}
	})
}

// One cliente's texts take no more than their bound; the newest stay, and nobody else's go.
func TestFaultC14TextsAreBounded(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		a, device, _ := paired(t, s, 5, 10, "5491100000001")
		_, other, _ := paired(t, s, 6, 10, "5491100000002")
		chat := types.NewJID("5491100000009", types.DefaultUserServer)
		if err := other.EventBuffer.AddOutgoingEvent(ctx, chat, "other", "wa", []byte("text")); err != nil {
			t.Fatal(err)
		}
		text := []byte(strings.Repeat("x", 1<<20))
		for i := range 40 {
			if err := device.EventBuffer.AddOutgoingEvent(ctx, chat, fmt.Sprintf("M%02d", i), "wa", text); err != nil {
				t.Fatal(err)
			}
			if _, err := s.db.Exec(ctx, "UPDATE whatsmeow_retry_buffer SET timestamp = $1 WHERE message_id = $2", i, fmt.Sprintf("M%02d", i)); err != nil {
				t.Fatal(err)
			}
		}
		a.Quiesce()
		left := column(t, s, "SELECT message_id FROM whatsmeow_retry_buffer ORDER BY timestamp")
		if len(left) > (maxTexts+trimEvery)>>20+1 || len(left) < 15 || !slices.Contains(left, "other") || !slices.Contains(left, "M39") {
			t.Errorf("%d left: %q", len(left), left)
		}
	})
}
