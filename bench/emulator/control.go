package emulator

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
)

const (
	socketPath = "/ws/chat"
	realHost   = "web.whatsapp.com"
	maxBody    = 4 << 20 // a QR picture is some 10 KB
)

// About is the answer to GET /: what a node needs to be pointed here.
type About struct {
	Endpoint string `json:"endpoint"`
	RootKey  string `json:"root_key"` // 64 hex digits
}

// About tells where the websocket is and which key vouches for it.
func (e *Emulator) About() About {
	key := e.RootKey()
	return About{Endpoint: "ws://" + e.Addr() + socketPath, RootKey: hex.EncodeToString(key[:])}
}

// handler serves the websocket and the control API.
func (e *Emulator) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+socketPath, e.serveSocket)
	mux.HandleFunc("GET /{$}", e.serveRoot)
	e.routePhones(mux)
	mux.HandleFunc("POST /groups", control(http.StatusCreated, func(r *http.Request) (any, error) {
		var in struct {
			Subject string
			Members []string
		}
		if err := decode(r, &in); err != nil {
			return nil, err
		}
		jid, err := e.AddGroup(in.Subject, in.Members)
		return map[string]string{"jid": jid}, err
	}))
	mux.HandleFunc("POST /devices", control(http.StatusCreated, func(r *http.Request) (any, error) {
		var in struct{ Devices []Linking }
		if err := decode(r, &in); err != nil {
			return nil, err
		}
		linked, err := e.Link(in.Devices)
		return map[string][]Linked{"devices": linked}, err
	}))
	mux.HandleFunc("GET /devices", control(http.StatusOK, func(*http.Request) (any, error) { return e.Devices(), nil }))
	mux.HandleFunc("GET /events", control(http.StatusOK, e.serveEvents))
	mux.HandleFunc("GET /stats", control(http.StatusOK, func(*http.Request) (any, error) { return e.Stats(), nil }))
	mux.HandleFunc("POST /stanza", control(http.StatusOK, func(r *http.Request) (any, error) {
		var in RawStanza
		if err := decode(r, &in); err != nil {
			return nil, err
		}
		return e.SendStanza(in)
	}))
	mux.HandleFunc("DELETE /stanza", control(http.StatusOK, func(r *http.Request) (any, error) {
		dropped, err := e.DropStanzas(r.URL.Query().Get("number"))
		return map[string]int{"dropped": dropped}, err
	}))
	mux.HandleFunc("GET /faults", control(http.StatusOK, func(*http.Request) (any, error) { return e.Faults(), nil }))
	mux.HandleFunc("POST /faults", control(http.StatusOK, func(r *http.Request) (any, error) {
		var in Fault
		if err := decode(r, &in); err != nil {
			return nil, err
		}
		return struct{}{}, e.SetFault(in)
	}))
	mux.HandleFunc("DELETE /faults", control(http.StatusOK, func(*http.Request) (any, error) {
		e.ClearFaults()
		return struct{}{}, nil
	}))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusNotFound, map[string]string{"error": "no such call: " + r.Method + " " + r.URL.Path})
	})
	return mux
}

// serveRoot tells who we are; to a client that believes it talks to web.whatsapp.com, the
// page that whatsmeow.GetLatestVersion reads the current version from.
func (e *Emulator) serveRoot(w http.ResponseWriter, r *http.Request) {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if host == realHost {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprintf(w, "<!DOCTYPE html><html><body><script>{\"client_revision\":%d,\"emulator\":true}</script></body></html>\n", ClientRevision)
		return
	}
	about := e.About()
	if r.Host != "" {
		about.Endpoint = "ws://" + r.Host + socketPath // the name that the caller reaches us by
	}
	writeJSON(w, http.StatusOK, about)
}

func (e *Emulator) serveEvents(r *http.Request) (any, error) {
	since := int64(0)
	if s := r.URL.Query().Get("since"); s != "" {
		var err error
		if since, err = strconv.ParseInt(s, 10, 64); err != nil || since < 0 {
			return nil, fmt.Errorf("%w: since=%q: want the number of an event, or 0", ErrBadInput, s)
		}
	}
	return e.Events(since), nil
}

// control answers a call with JSON, and its error with the status that fits.
func control(status int, call func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		out, err := call(r)
		if err != nil {
			writeJSON(w, statusOf(err), map[string]string{"error": err.Error()})
			return
		}
		writeJSON(w, status, out)
	}
}

func statusOf(err error) int {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, ErrBadInput):
		return http.StatusBadRequest
	case errors.Is(err, ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, ErrConflict):
		return http.StatusConflict
	case errors.Is(err, ErrPairing), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return http.StatusBadGateway
	case errors.Is(err, ErrClosed):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

func decode(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%w: body is not the JSON object that this call takes: %w", ErrBadInput, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: something follows the JSON object", ErrBadInput)
	}
	return nil
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a caller that has gone cannot be told
}
