package store

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"go.mau.fi/whatsmeow/types"
)

// Whatever whatsmeow asks of a database that is away, its ctx is told before the error returns:
// it would go on after some of them.
func TestEveryFailureIsTold(t *testing.T) {
	s := open(t, "sqlite:"+t.TempDir()+"/store.db", "n1")
	var lines bytes.Buffer
	s.log = slog.New(slog.NewTextHandler(&lines, nil))
	a, device, hold := paired(t, s, 5, 10, "5491100000001")
	if err := s.db.RawDB.Close(); err != nil {
		t.Fatal(err)
	}
	calls := writes(a, device)
	for _, asked := range []reflect.Value{reflect.ValueOf(device.Sessions), reflect.ValueOf(device.LIDs)} {
		for i := range asked.NumMethod() {
			if name := asked.Type().Method(i).Name; reads[name] {
				calls[name] = func(ctx context.Context) error { return read(ctx, name, asked.Method(i)) }
			}
		}
	}
	if len(calls) < len(reads)+40 {
		t.Errorf("only %d calls", len(calls))
	}
	for name, call := range calls {
		told := 0
		ctx := OnFailure(context.Background(), func(err error) {
			if !errors.Is(err, ErrUnavailable) {
				t.Errorf("%s: told %v", name, err)
			}
			told++
		})
		if err := call(ctx); !errors.Is(err, ErrUnavailable) || told == 0 {
			t.Errorf("%s: %v, told %d times", name, err, told)
		}
	}
	if err := a.Answers(context.Background()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("answers: %v", err)
	}
	if hold.Context().Err() != nil {
		t.Error("the ownership has ended")
	}
	if n := strings.Count(lines.String(), "did not carry out a statement"); n != 1 { // not one for each call
		t.Errorf("%d lines of the log:\n%s", n, &lines)
	}
}

// read calls a method with arguments that make it ask the database.
func read(ctx context.Context, name string, method reflect.Value) error {
	args := []reflect.Value{reflect.ValueOf(ctx)}
	jid := types.JID{User: "5491100000009", Server: types.DefaultUserServer}
	if strings.HasPrefix(name, "GetPNForLID") {
		jid.Server = types.HiddenUserServer
	}
	for i := 1; i < method.Type().NumIn(); i++ {
		in := method.Type().In(i)
		switch in {
		case reflect.TypeFor[types.JID]():
			args = append(args, reflect.ValueOf(jid))
		case reflect.TypeFor[[]types.JID]():
			args = append(args, reflect.ValueOf([]types.JID{jid}))
		case reflect.TypeFor[[]string]():
			args = append(args, reflect.ValueOf([]string{"them:1"}))
		default:
			args = append(args, reflect.Zero(in))
		}
	}
	out := method.Call(args)
	err, _ := out[len(out)-1].Interface().(error)
	return err
}

// What cannot be decrypted is the message's fault, not the store's: nobody is told.
func TestAFailedDecryptionIsNotTheStores(t *testing.T) {
	s := open(t, "sqlite:"+t.TempDir()+"/store.db", "n1")
	_, device, _ := paired(t, s, 5, 10, "5491100000001")
	mangled := errors.New("bad mac")
	ctx := OnFailure(deadline(t), func(err error) { t.Errorf("told %v", err) })
	err := device.EventBuffer.DoDecryptionTxn(ctx, func(context.Context) error { return mangled })
	if !errors.Is(err, mangled) || errors.Is(err, ErrUnavailable) {
		t.Errorf("%v", err)
	}
}
