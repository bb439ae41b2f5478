package store

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"session-manager/node/ownership"
)

// Accounts that write in one transaction are strangers to each other: one that is fenced, one whose key
// stands, and one that the database refuses, fail alone.
func TestSendsOfManyAccountsAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		const fenced, stands, refused, all = 3, 5, 7, 40
		type party struct {
			account *Account
			stores  *fencedStore
		}
		parties := make(map[ownership.Cliente]party)
		for c := ownership.Cliente(1); c <= all; c++ {
			a, device, _ := paired(t, s, c, 10, fmt.Sprintf("5491100000%03d", c))
			parties[c] = party{a, stores(device)}
		}
		p := parties[stands]
		if _, err := reserve(ctx, p.account, p.stores, Send{Key: "k", MessageID: "FIRST"}); err != nil {
			t.Fatal(err)
		}
		own(t, open(t, url, "n2"), fenced, 20)
		refuse := "CREATE TRIGGER refuse BEFORE INSERT ON whatsmeow_retry_buffer WHEN NEW.message_id = 'M7' BEGIN SELECT RAISE(ABORT, 'on purpose'); END"
		if s.Kind() == "postgres" {
			refuse = `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.message_id = 'M7' THEN RAISE 'on purpose'; END IF; RETURN NEW; END $$;
				CREATE TRIGGER refuse BEFORE INSERT ON whatsmeow_retry_buffer FOR EACH ROW EXECUTE FUNCTION refuse()`
		}
		if _, err := s.db.RawDB.ExecContext(ctx, refuse); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for c, p := range parties {
			wg.Go(func() {
				got, err := reserve(ctx, p.account, p.stores, Send{Key: "k", MessageID: fmt.Sprintf("M%d", c)})
				switch c {
				case fenced:
					if !errors.Is(err, ownership.ErrFenced) {
						t.Errorf("the fenced one: %v", err)
					}
				case refused:
					if !errors.Is(err, ErrUnavailable) {
						t.Errorf("the refused one: %v", err)
					}
				case stands:
					if err != nil || got.MessageID != "FIRST" {
						t.Errorf("the one whose key stands: %+v, %v", got, err)
					}
				default:
					if err != nil {
						t.Errorf("cliente %s: %v", c, err)
					}
				}
			})
		}
		wg.Wait()
		for table, want := range map[string]int{"sends": all - 2, "whatsmeow_retry_buffer": all - 2, "whatsmeow_sessions": all - 2} {
			if n := column(t, s, "SELECT count(*) FROM "+table); n[0] != fmt.Sprint(want) {
				t.Errorf("%s: %s rows, want %d", table, n[0], want)
			}
		}
	})
}
