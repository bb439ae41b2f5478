package emulator

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"image"
	"image/png"
	"net/http"
	"strings"
	"testing"

	"go.mau.fi/whatsmeow/types/events"
)

// The whole job over HTTP, as other processes drive it.
func TestControlAPI(t *testing.T) {
	e := start(t, Options{})
	ctl := Dial("http://" + e.Addr() + "/")
	defer ctl.Close()
	ctx := t.Context()
	about, err := ctl.About(ctx)
	key := e.RootKey()
	if err != nil || about.Endpoint != "ws://"+e.Addr()+"/ws/chat" || about.RootKey != hex.EncodeToString(key[:]) {
		t.Fatal(about, err)
	}
	if j, err := ctl.AddPhone(ctx, ana, "Ana"); err != nil || j != ana+"@s.whatsapp.net" {
		t.Fatal(j, err)
	}
	if _, err := ctl.AddPhone(ctx, beto, "Beto"); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, e, nil)
	c.connect()
	device, err := ctl.Scan(ctx, ana, picture(t, await[*events.QR](c, nil).Codes[0]))
	if err != nil || device != ana+":1@s.whatsapp.net" {
		t.Fatal(device, err)
	}
	await[*events.Connected](c, nil)
	sendTo(t, c, beto, "hola")
	inboxOf(t, e, beto, 1)
	inbox, err := ctl.Inbox(ctx, beto)
	if err != nil || len(inbox) != 1 || inbox[0].Text != "hola" || inbox[0].FromDevice != device {
		t.Fatal(inbox, err)
	}
	id, err := ctl.SendMessage(ctx, beto, ana, "chau")
	if err != nil {
		t.Fatal(err)
	}
	await(c, func(m *events.Message) bool { return m.Info.ID == id })
	devices, err := ctl.Devices(ctx)
	if err != nil || len(devices) != 1 || !devices[0].Connected || devices[0].Logins != 1 || devices[0].LastLoginAt.IsZero() {
		t.Fatal(devices, err)
	}
	stats, err := ctl.Stats(ctx)
	if err != nil || stats.Messages != 2 || stats.Connected != 1 {
		t.Fatal(stats, err)
	}
	all, err := ctl.Events(ctx, 0)
	if err != nil || len(all) < 6 || all[0].N != 1 {
		t.Fatal(all, err)
	}
	if late, err := ctl.Events(ctx, all[2].N); err != nil || late[0].N != 4 {
		t.Fatal(late, err)
	}
	if err := ctl.SetFault(ctx, Fault{Kind: FaultDelay, Number: ana, ForMS: 10}); err != nil {
		t.Fatal(err)
	}
	if err := ctl.ClearFaults(ctx); err != nil {
		t.Fatal(err)
	}
	if sent, err := ctl.Sent(ctx, ana); err != nil || len(sent) != 1 {
		t.Fatal(sent, err)
	}
	if err := ctl.Unlink(ctx, ana, device); err != nil {
		t.Fatal(err)
	}
	await[*events.LoggedOut](c, nil)
	if _, err := ctl.Inbox(ctx, caro); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
}

func TestBadControlInput(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana)
	blank := new(bytes.Buffer)
	if err := png.Encode(blank, image.NewGray(image.Rect(0, 0, 64, 64))); err != nil {
		t.Fatal(err)
	}
	nothing := "data:image/png;base64," + base64.StdEncoding.EncodeToString(blank.Bytes())
	key := base64.StdEncoding.EncodeToString(make([]byte, 32))
	unknown := "2@abc," + key + "," + key + "," + key
	for _, c := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"POST", "/phones", `{`, 400, "JSON"},
		{"POST", "/phones", ``, 400, "JSON"},
		{"POST", "/phones", `[]`, 400, "JSON"},
		{"POST", "/phones", `{"number":7}`, 400, "JSON"},
		{"POST", "/phones", `{"number":"` + beto + `"} {}`, 400, "follows"},
		{"POST", "/phones", `{"number":"+5491100"}`, 400, "digits"},
		{"POST", "/phones", `{"number":"0123456"}`, 400, "digits"},
		{"POST", "/phones", `{"name":"x"}`, 400, "digits"},
		{"POST", "/phones", `{"number":"` + ana + `"}`, 409, "exists"},
		{"POST", "/phones/" + beto + "/scan", `{"qr":"` + unknown + `"}`, 404, beto},
		{"POST", "/phones/" + ana + "/scan", `{}`, 400, "empty"},
		{"POST", "/phones/" + ana + "/scan", `{"qr":"a,b"}`, 400, "fields"},
		{"POST", "/phones/" + ana + "/scan", `{"qr":"a,b,c,d"}`, 400, "field 2"},
		{"POST", "/phones/" + ana + "/scan", `{"qr":"data:image/png;base64,!!"}`, 400, "picture"},
		{"POST", "/phones/" + ana + "/scan", `{"qr":"data:image/png;base64,AAAA"}`, 400, "picture"},
		{"POST", "/phones/" + ana + "/scan", `{"qr":"` + nothing + `"}`, 400, "no QR code"},
		{"POST", "/phones/" + ana + "/scan", `{"qr":"` + unknown + `"}`, 409, "unknown"},
		{"POST", "/phones/" + ana + "/unlink", `{"device":"x"}`, 400, "device"},
		{"POST", "/phones/" + ana + "/unlink", `{"device":"` + ana + `:9@s.whatsapp.net"}`, 404, "9"},
		{"POST", "/phones/" + ana + "/messages", `{"to":"` + beto + `","text":"x"}`, 404, beto},
		{"POST", "/phones/" + ana + "/messages", `{"to":"` + ana + `"}`, 400, "text"},
		{"POST", "/phones/" + ana + "/messages", `{"to":"` + ana + `","text":"x"}`, 409, "no linked device"},
		{"GET", "/phones/nobody/inbox", ``, 400, "nobody"},
		{"GET", "/events?since=x", ``, 400, "since"},
		{"GET", "/events?since=-1", ``, 400, "since"},
		{"POST", "/faults", `{"kind":"earthquake","number":"*"}`, 400, "earthquake"},
		{"POST", "/faults", `{"kind":"drop"}`, 400, "number"},
		{"POST", "/faults", `{"kind":"drop","number":"` + beto + `"}`, 404, beto},
		{"POST", "/faults", `{"kind":"drop","number":"*","for_ms":-1}`, 400, "for_ms"},
		{"POST", "/faults", `{"kind":"drop","number":"*","for_ms":1.5}`, 400, "JSON"},
		{"POST", "/faults", `{"kind":"fail","number":"*"}`, 400, "code"},
		{"POST", "/groups", `{"subject":"x","members":["` + ana + `"]}`, 400, "two"},
		{"GET", "/nothing", ``, 404, "/nothing"},
		{"PUT", "/phones", ``, 404, "PUT"},
		{"POST", "/phones", `{"number":"` + strings.Repeat("1", maxBody) + `"}`, 413, ""},
	} {
		name := c.method + " " + c.path + " " + c.body[:min(len(c.body), 40)]
		req, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+e.Addr()+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(name, err)
		}
		var out struct{ Error string }
		err = json.NewDecoder(resp.Body).Decode(&out)
		resp.Body.Close()
		if err != nil || resp.StatusCode != c.status || out.Error == "" || !strings.Contains(out.Error, c.says) {
			t.Errorf("%s: %d %q (%v), want %d and %q", name, resp.StatusCode, out.Error, err, c.status, c.says)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
