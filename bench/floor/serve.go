package floor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime"
)

// Logins is an order to pair or to connect.
type Logins struct {
	Numbers []string `json:"numbers,omitempty"` // of phones to pair with, or of what is stored; none: all of that
	AtOnce  int      `json:"at_once"`
}

// Serve takes orders on a listener until ctx ends:
//
//	POST /pair     Logins → {}
//	POST /connect  Logins → {}
//	POST /send     Texts → Sent
//	POST /collect  → {}, after two garbage collections
//	GET  /report   → Report
//	GET  /debug/pprof/…
func (f *Floor) Serve(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /pair", order(func(ctx context.Context, in Logins) (any, error) {
		return struct{}{}, f.Pair(ctx, in.Numbers, in.AtOnce)
	}))
	mux.HandleFunc("POST /connect", order(func(ctx context.Context, in Logins) (any, error) {
		return struct{}{}, f.Connect(ctx, in.Numbers, in.AtOnce)
	}))
	mux.HandleFunc("POST /send", order(func(ctx context.Context, in Texts) (any, error) { return f.Send(ctx, in) }))
	mux.HandleFunc("POST /collect", order(func(context.Context, struct{}) (any, error) {
		runtime.GC() // finalizers run between the two
		runtime.GC()
		return struct{}{}, nil
	}))
	mux.HandleFunc("GET /report", order(func(context.Context, struct{}) (any, error) { return f.Report(), nil }))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	server := &http.Server{Handler: mux}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// order answers with JSON, and an error with 500 and its text.
func order[T any](carryOut func(context.Context, T) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in T
		err := json.NewDecoder(r.Body).Decode(&in)
		if errors.Is(err, io.EOF) { // an order without particulars
			err = nil
		}
		var out any
		if err == nil {
			out, err = carryOut(r.Context(), in)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(out) // who gave the order may have gone
	}
}

// Run is `bench floor`: it opens, prints "ready listen=ADDR" to out, and takes orders until ctx
// ends.
func Run(ctx context.Context, store, emulatorURL, listen string, out io.Writer) error {
	f, err := Open(ctx, store, emulatorURL)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	fmt.Fprintf(out, "ready listen=%s\n", l.Addr())
	return errors.Join(f.Serve(ctx, l), f.Close())
}
