package store

import (
	"errors"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/proto/waAdv"
	"go.mau.fi/whatsmeow/types"

	"session-manager/node/ownership"
)

// TestFaultB6Rows: what is stored of a cliente that was never paired goes, under the fence and without it.
// What was ever paired stays.
func TestFaultB6Rows(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		token := func(revision int64) ownership.Token { return ownership.Token{Generation: 1, Revision: revision} }
		own(t, s, 5, 10)
		a, device, _ := paired(t, s, 6, 11, "5491100000001")
		if err := (*deviceContainer)(a).DeleteDevice(ctx, device); err != nil { // its phone has unlinked it
			t.Fatal(err)
		}
		paired(t, s, 7, 12, "5491100000002")
		for c, known := range map[ownership.Cliente]bool{5: false, 6: true, 7: true} {
			if err := s.Forsake(ctx, c, token(9)); err != nil {
				t.Fatal(err)
			}
			if known, err := s.Known(ctx, c); err != nil || !known {
				t.Errorf("cliente %s was deleted under a stale token: %v", c, err)
			}
			if err := s.Forsake(ctx, c, token(int64(c)+5)); err != nil {
				t.Fatal(err)
			}
			if is, err := s.Known(ctx, c); err != nil || is != known {
				t.Errorf("cliente %s: known is %v, %v", c, is, err)
			}
		}
		// An owner that was paused since before raises no fence to a token of its past.
		if _, _, err := open(t, url, "n2").Raise(ctx, 5, token(8), nil); !errors.Is(err, ownership.ErrFenced) {
			t.Errorf("a stale raise: %v", err)
		}
		// One that is paired though its row has gone in the moment of its raise.
		b, _ := own(t, s, 5, 20)
		device, err := b.Device(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Forsake(ctx, 5, token(20)); err != nil {
			t.Fatal(err)
		}
		device.ID, device.Account = &types.JID{User: "5491100000003", Device: 1, Server: types.DefaultUserServer}, &waAdv.ADVSignedDeviceIdentity{
			Details: []byte{1}, AccountSignature: make([]byte, 64), AccountSignatureKey: make([]byte, 32), DeviceSignature: make([]byte, 64),
		}
		if err := device.Save(ctx); err != nil {
			t.Fatal(err)
		}
		if wanted, err := s.Wanted(ctx, 5); err != nil || len(wanted) != 1 {
			t.Errorf("paired without a row: %v, %v", wanted, err)
		}
		own(t, s, 8, 30)
		for age, want := range map[time.Duration]int{time.Hour: 0, -time.Hour: 1} {
			if all, err := s.NeverPaired(ctx, age, 10); err != nil || len(all) != want || want > 0 && all[8] != token(30) {
				t.Errorf("never paired: %v, %v", all, err)
			}
		}
	})
}
