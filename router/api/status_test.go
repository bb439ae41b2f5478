package api

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"session-manager/node/ownership"
)

// The body is the one that encoding/json writes, to the byte, whatever is in it.
func TestStatusIsWhatEncodingJSONWrites(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[ -~]{0,20}`), rapid.Just("data:image/png;base64,iVBORw0KGgo+/=="), rapid.Just("a\u2028<b>\xff"))
	rapid.Check(t, func(t *rapid.T) {
		body := statusBody{
			Cliente:   ownership.Cliente(rapid.Int64().Draw(t, "cliente")),
			Connected: rapid.Bool().Draw(t, "connected"), State: State(text.Draw(t, "state")),
			Attempts: rapid.Int().Draw(t, "attempts"), MaxAttempts: rapid.Int().Draw(t, "most"),
			CanSend: rapid.Bool().Draw(t, "can send"), NeedsQR: rapid.Bool().Draw(t, "needs QR"), Recoverable: rapid.Bool().Draw(t, "recoverable"),
			Action: text.Draw(t, "action"),
		}
		if rapid.Bool().Draw(t, "picture") {
			picture := text.Draw(t, "QR")
			body.QRCodeBase64 = &picture
		}
		want, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		if got := body.appendJSON(nil); string(got) != string(want) {
			t.Errorf("%s\nwant\n%s", got, want)
		}
	})
}

// A new field of the body, or a new state, is no reason to forget one of the two.
func TestStatesAreWrittenAsTheyAre(t *testing.T) {
	for state, traits := range stateTable {
		body := statusBody{Cliente: 51, State: state, Connected: traits.connected, Action: traits.action}
		want, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		if got := body.appendJSON(nil); string(got) != string(want) || len(got) > usualBody {
			t.Errorf("%s\nwant\n%s", got, want)
		}
	}
}
