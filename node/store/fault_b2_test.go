package store

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	wastore "go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"

	"session-manager/node/ownership"
)

// hostileTexts are what strangers may call themselves, their messages and their groups.
func hostileTexts() map[string]string {
	long := make([]byte, 8000)
	for i := range long {
		long[i] = byte(rand.N(256))
	}
	return map[string]string{"nul": "Eva\x00X", "no utf-8": "Eva\xff\xfe", "long": hex.EncodeToString(long)}
}

// hostile is a value of a type that is as strange as a stranger can make it.
func hostile(of reflect.Type, text, server string) reflect.Value {
	v := reflect.New(of).Elem()
	switch {
	case of == reflect.TypeFor[types.JID]():
		v.Set(reflect.ValueOf(types.JID{User: text, Server: server}))
	case of == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Now()))
	case of == reflect.TypeFor[[]byte]():
		v.SetBytes([]byte(strings.Repeat("k", 32)))
	case of.Kind() == reflect.String:
		v.SetString(text)
	case of.Kind() == reflect.Bool:
		v.SetBool(true)
	case of.Kind() == reflect.Uint64:
		v.SetUint(1 << 63)
	case of.Kind() == reflect.Uint32:
		v.SetUint(3)
	case of.Kind() == reflect.Slice:
		v = reflect.Append(v, hostile(of.Elem(), text, server), hostile(of.Elem(), text+"2", server))
	case of.Kind() == reflect.Map:
		v.Set(reflect.MakeMap(of))
		v.SetMapIndex(hostile(of.Key(), text, server), hostile(of.Elem(), text, server))
	case of.Kind() == reflect.Struct:
		for i := range of.NumField() {
			field := server
			switch of.Field(i).Name {
			case "LID":
				field = types.HiddenUserServer
			case "PN":
				field = types.DefaultUserServer
			}
			if v.Field(i).CanSet() {
				v.Field(i).Set(hostile(of.Field(i).Type, text, field))
			}
		}
	}
	return v
}

// Whatever whatsmeow writes or reads of what strangers choose, the database is never taken to be away.
func TestFaultB2StrangersValues(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url, "n1")
		a, device, hold := paired(t, s, 5, 10, "5491100000001")
		ctx := OnFailure(deadline(t), func(err error) { t.Errorf("the store counts as away: %v", err) })
		for kind, text := range hostileTexts() {
			for asked, methods := range map[any]reflect.Type{device.Sessions: reflect.TypeFor[wastore.AllSessionSpecificStores](), device.LIDs: reflect.TypeFor[wastore.LIDStore]()} {
				for i := range methods.NumMethod() {
					name := methods.Method(i).Name
					callHostile(ctx, t, kind, text, name, reflect.ValueOf(asked).MethodByName(name))
				}
			}
			device.PushName, device.BusinessName, device.Platform = text, text, text
			if err := device.Save(ctx); err != nil {
				t.Errorf("%s: save the device: %v", kind, err)
			}
		}
		if err := errors.Join(a.Answers(ctx), hold.Check(time.Now())); err != nil {
			t.Error(err)
		}
	})
}

// must lists writes that may not do without the value, so that they fail by themselves.
var must = map[string]bool{"PutIdentity": true, "PutSession": true, "PutManySessions": true, "PutSenderKey": true,
	"PutAppStateVersion": true, "PutAppStateMutationMACs": true, "AddOutgoingEvent": true, "MigratePNToLID": true, "PutBufferedEvent": true}

func callHostile(ctx context.Context, t *testing.T, kind, text, name string, method reflect.Value) {
	if strings.Contains(name, "Txn") || strings.HasPrefix(name, "Delete") && strings.Contains(name, "All") {
		return
	}
	args := []reflect.Value{reflect.ValueOf(ctx)}
	of := method.Type()
	for i := 1; i < of.NumIn(); i++ {
		server := types.DefaultUserServer
		if strings.HasPrefix(name, "GetPNForLID") || (name == "PutLIDMapping" && i == 1) || (name == "MigratePNToLID" && i == 2) {
			server = types.HiddenUserServer
		}
		args = append(args, hostile(of.In(i), text, server))
	}
	call := method.Call
	if of.IsVariadic() {
		call = method.CallSlice
	}
	out := call(args)
	err, _ := out[len(out)-1].Interface().(error)
	if err != nil && (errors.Is(err, ErrUnavailable) || !must[name] && errors.Is(err, ErrRefused)) {
		t.Errorf("%s of %s: %v", name, kind, err)
	}
}

// What the database refuses all the same is an ERROR that is counted, of the value alone: it is set aside,
// and its neighbours are stored.
func TestFaultB2RefusedIsSetAside(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		var lines bytes.Buffer
		s.log = slog.New(slog.NewTextHandler(&lines, nil))
		counted := 0
		s.onRefused = func() { counted++ }
		_, device, _ := paired(t, s, 5, 10, "5491100000001")
		check := "ALTER TABLE whatsmeow_contacts ADD COLUMN c INTEGER DEFAULT 1; CREATE TRIGGER r BEFORE INSERT ON whatsmeow_contacts WHEN NEW.push_name = 'bad' BEGIN INSERT INTO clientes (cliente, jid, created_at) VALUES (NULL, NULL, NULL); END"
		if s.Kind() == "postgres" {
			check = "ALTER TABLE whatsmeow_contacts ADD CHECK (push_name <> 'bad')"
		}
		if _, err := s.db.RawDB.ExecContext(ctx, check); err != nil {
			t.Fatal(err)
		}
		ctx = OnFailure(ctx, func(err error) { t.Errorf("told %v", err) })
		jid := types.NewJID("5491100000009", types.DefaultUserServer)
		if _, _, err := device.Contacts.PutPushName(ctx, jid, "bad"); err != nil {
			t.Errorf("the bad name: %v", err)
		}
		if _, _, err := device.Contacts.PutPushName(ctx, jid, "good"); err != nil {
			t.Errorf("a good name: %v", err)
		}
		if counted != 1 || strings.Count(lines.String(), "level=ERROR") != 1 {
			t.Errorf("counted %d times, in the log:\n%s", counted, &lines)
		}
		if names := column(t, s, "SELECT push_name FROM whatsmeow_contacts"); len(names) != 1 || names[0] != "good" {
			t.Errorf("names %q", names)
		}
	})
}

// An error that nobody foresaw is treated as one of a store that is away, and called something else.
func TestFaultB2UnforeseenIsNotUnavailable(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		a, _, _ := paired(t, s, 5, 10, "5491100000001")
		if _, err := s.db.RawDB.ExecContext(ctx, "ALTER TABLE clientes RENAME TO elsewhere"); err != nil {
			t.Fatal(err)
		}
		told := 0
		err := a.Answers(OnFailure(ctx, func(error) { told++ }))
		if !errors.Is(err, ErrFailed) || strings.Contains(err.Error(), "unavailable") || told == 0 {
			t.Errorf("%v, told %d times", err, told)
		}
	})
}

// A role whose transactions are serializable by default changes nothing, and whoever loses against others
// tries again.
func TestFaultF7IsolationIsOurs(t *testing.T) {
	for _, level := range []string{"serializable", "repeatable read"} {
		t.Run(level, func(t *testing.T) {
			url := databases.URL(t)
			s, ctx := open(t, url, "n1"), deadline(t)
			if _, err := s.db.RawDB.ExecContext(ctx, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = '`+
				`'`+level+`''', current_database()); END $$`); err != nil {
				t.Fatal(err)
			}
			s = open(t, url, "n2") // its connections have the default
			if got := column(t, s, "SHOW transaction_isolation"); got[0] != "read committed" {
				t.Errorf("a statement of its own: %s", got)
			}
			tx, err := s.db.RawDB.BeginTx(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback()
			var got string
			if err := tx.QueryRowContext(ctx, "SHOW transaction_isolation").Scan(&got); err != nil || got != "read committed" {
				t.Errorf("a transaction: %s, %v", got, err)
			}
		})
	}
}

// A transaction that the database gave up in favour of others is repeated, a decryption too; nobody is told.
func TestFaultF7ConflictIsRepeated(t *testing.T) {
	s := open(t, databases.URL(t), "n1")
	a, device, _ := paired(t, s, 5, 10, "5491100000001")
	ctx := OnFailure(deadline(t), func(err error) { t.Errorf("told %v", err) })
	lose := func(ctx context.Context) error {
		_, err := s.db.Exec(ctx, "DO $$ BEGIN RAISE 'on purpose' USING ERRCODE = '40P01'; END $$")
		return err
	}
	tries := 0
	err := a.txn(ctx, func(ctx context.Context) error {
		if tries++; tries < 3 {
			return lose(ctx)
		}
		return nil
	})
	if err != nil || tries != 3 {
		t.Errorf("%d tries, %v", tries, err)
	}
	tries = 0
	jid := types.NewJID("5491100000009", types.DefaultUserServer)
	err = device.EventBuffer.DoDecryptionTxn(ctx, func(ctx context.Context) error {
		tries++
		if err := device.Sessions.PutSession(ctx, "them:1", []byte{byte(tries)}); err != nil {
			return err
		}
		if tries < 3 {
			_ = a.fail(ctx, lose(ctx)) // whatsmeow passes over some errors
			_, _, err := device.Contacts.PutPushName(ctx, jid, "Eva")
			return err
		}
		return nil
	})
	if err != nil || tries != 3 {
		t.Errorf("%d decryptions, %v", tries, err)
	}
	if ratchet, err := device.Sessions.GetSession(ctx, "them:1"); err != nil || !bytes.Equal(ratchet, []byte{3}) {
		t.Errorf("ratchet %v, %v", ratchet, err)
	}
}

// Statements of their own are repeated too.
func TestFaultF7StatementIsRepeated(t *testing.T) {
	s, ctx := open(t, databases.URL(t), "n1"), deadline(t)
	a, _, _ := paired(t, s, 5, 10, "5491100000001")
	for _, query := range []string{
		"CREATE SEQUENCE tries",
		`CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF nextval('tries') % 3 <> 0 THEN RAISE 'on purpose' USING ERRCODE = '40001'; END IF; RETURN NEW; END $$`,
		"CREATE TRIGGER lose BEFORE UPDATE ON clientes FOR EACH ROW EXECUTE FUNCTION lose()",
	} {
		if _, err := s.db.RawDB.ExecContext(ctx, query); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Answers(OnFailure(ctx, func(err error) { t.Errorf("told %v", err) })); err != nil {
		t.Error(err)
	}
	if hold := a.hold; hold.Check(time.Now()) != nil || errors.Is(hold.Context().Err(), ownership.ErrFenced) {
		t.Error("the ownership has ended")
	}
}
