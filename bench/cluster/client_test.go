package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"session-manager/bench/cluster"
)

// answering is a node that gives one answer after the other, the last one for ever.
func answering(t *testing.T, answers ...func(http.ResponseWriter, *http.Request)) (string, *atomic.Int32) {
	t.Helper()
	var n atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answers[min(int(n.Add(1)), len(answers))-1](w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, &n
}

func text(status int, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Session-Owner", "node2")
		w.Header().Set("X-Session-Epoch", "1-7")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

func TestRefusalsSayWhatTheContractSays(t *testing.T) {
	for _, tt := range []struct {
		status             int
		body               string
		code, state, shown string
	}{
		{400, `{"error":true,"code":"MISSING_HEADER","message":"Header X-Cliente-Id es requerido"}`, "MISSING_HEADER", "", "GET /qr-code: 400 MISSING_HEADER Header X-Cliente-Id es requerido"},
		{409, `{"ok":false,"error":"QR_NOT_REQUIRED","message":"no","current_state":"READY"}`, "QR_NOT_REQUIRED", "READY", "GET /qr-code: 409 QR_NOT_REQUIRED READY no"},
		{409, `{"error":"QR not available","state":"READY","can_send_messages":false}`, "QR not available", "READY", "GET /qr-code: 409 QR not available READY"},
		{502, `<html>bad gateway</html>`, "", "", "GET /qr-code: 502 <html>bad gateway</html>"},
	} {
		url, _ := answering(t, text(tt.status, tt.body))
		_, err := cluster.NewClient(url).QRCode(within(t, soon), 51)
		var refused *cluster.Refusal
		if !errors.As(err, &refused) || refused.Status != tt.status || refused.Code != tt.code || refused.State != tt.state || err.Error() != tt.shown {
			t.Errorf("%s: got %v", tt.body, err)
		}
	}
}

func TestStatusNamesTheOwner(t *testing.T) {
	url, _ := answering(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Cliente-Id") != "51" || r.URL.Path != "/status" {
			text(400, "{}")(w, r)
			return
		}
		text(200, `{"cliente_id":51,"state":"READY","can_send_messages":true,"needs_qr":false,"reconnection_attempts":0}`)(w, r)
	})
	s, err := cluster.NewClient(url).Status(within(t, soon), 51)
	if err != nil || s.State != "READY" || s.Owner != "node2" || s.Epoch != "1-7" || !s.CanSend || s.Cliente != 51 {
		t.Fatalf("%+v, %v", s, err)
	}
}

func TestClientGoesToTheNextNodeWhereOneIsDown(t *testing.T) {
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	up, n := answering(t, text(200, `{"owner":null,"epoch":null,"placement":"node1","vouched_by":null}`))
	client := cluster.NewClient(down.URL, up)
	for range 4 {
		if o, err := client.Owner(within(t, soon), 51); err != nil || o.Owner != "" || o.Placement != "node1" {
			t.Fatalf("%+v, %v", o, err)
		}
	}
	if n.Load() != 4 {
		t.Fatalf("%d answers", n.Load())
	}
	_, err := cluster.NewClient(down.URL).ClusterInfo(within(t, soon))
	if !cluster.NotCarriedOut(err) {
		t.Fatalf("no connection counts as unknown: %v", err)
	}
}

func TestWaitsReportWhatTheySawLast(t *testing.T) {
	url, _ := answering(t, text(503, `{"error":true,"code":"OWNER_UNAVAILABLE","message":"x"}`), text(200, `{"state":"RECONNECTING"}`))
	_, err := cluster.NewClient(url).WaitReady(within(t, 200*time.Millisecond), 51)
	if err == nil || !strings.Contains(err.Error(), "cliente 51 READY: waited 200ms; last seen: RECONNECTING at node2") {
		t.Fatalf("got %v", err)
	}
}

func TestWaitBackRefusesAQRCode(t *testing.T) {
	url, _ := answering(t, text(200, `{"state":"RECONNECTING"}`), text(200, `{"state":"QR_REQUIRED","needs_qr":true}`))
	if _, err := cluster.NewClient(url).WaitBack(within(t, soon), 51, "node1"); !errors.Is(err, cluster.ErrNeededQR) {
		t.Fatalf("got %v", err)
	}
	url, _ = answering(t, text(200, `{"state":"READY"}`))
	if _, err := cluster.NewClient(url).WaitBack(within(t, 200*time.Millisecond), 51, "node2"); err == nil {
		t.Fatal("READY at the former owner counted as back")
	}
}

func TestSendUntilTriesOnWithOneKey(t *testing.T) {
	var keys []string
	note := func(answer func(http.ResponseWriter, *http.Request)) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			keys = append(keys, r.Header.Get("Idempotency-Key"))
			answer(w, r)
		}
	}
	url, _ := answering(t, note(text(503, "{}")), note(text(409, `{"error":true,"code":"SESSION_NOT_READY"}`)), note(text(200, `{"ok":true,"message_id":"ID"}`)))
	sent, tries, err := cluster.NewClient(url).SendUntil(within(t, soon), 51, cluster.Message{To: "1", Text: "x", Key: "k"})
	if err != nil || tries != 3 || sent.MessageID != "ID" || fmt.Sprint(keys) != "[k k k]" {
		t.Fatalf("%+v after %d tries, keys %v, %v", sent, tries, keys, err)
	}
	url, n := answering(t, text(422, `{"error":true,"code":"KEY_REUSED"}`))
	if _, _, err := cluster.NewClient(url).SendUntil(within(t, soon), 51, cluster.Message{Key: "k"}); err == nil || n.Load() != 1 {
		t.Fatalf("a refusal for good was repeated %d times: %v", n.Load(), err)
	}
	if _, _, err := cluster.NewClient(url).SendUntil(context.Background(), 51, cluster.Message{}); err == nil {
		t.Fatal("sent again without a key")
	}
}
