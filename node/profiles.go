package node

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"session-manager/router"
)

// profiles are Go's own of this process. They have a port and a mux to themselves: package pprof
// puts itself on the default mux too, which nothing here serves.
func profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return bodiless(mux)
}

// bodiless refuses what has a body, which no profile needs: some of them would read it as a form,
// of 10 MB, for anybody.
func bodiless(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead || r.ContentLength != 0 {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(headTime)) // what still comes is dropped, for so long
			w.Header().Set("Connection", "close")
			http.Error(w, "only GET, without a body", http.StatusMethodNotAllowed)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// forOwnPages refuses pages of elsewhere: no key is asked for.
func forOwnPages(origins router.Origins, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if code, message := origins.Refuses(r.Host, r.Header.Get("Origin")); code != "" {
			http.Error(w, code+": "+message, http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

const (
	headTime = 10 * time.Second // that the head of a request for a profile may take to arrive
	idleTime = 90 * time.Second // that a connection may stay without a request
	headSize = 16 << 10         // bytes of a head
)

// serveProfiles serves the operator's profiles, where there is a port for them, until ctx ends.
// A node serves on without them.
func (p ports) serveProfiles(ctx context.Context, servers *sync.WaitGroup, origins router.Origins, log *slog.Logger) {
	if p.profile == nil {
		return
	}
	log.Info("listening for requests of profiles", "listen", p.profile.Addr().String())
	// No limit on writing: a profile takes as long as it was asked for.
	server := &http.Server{Handler: forOwnPages(origins, profiles()), ReadHeaderTimeout: headTime, IdleTimeout: idleTime, MaxHeaderBytes: headSize}
	servers.Go(func() {
		stop := context.AfterFunc(ctx, func() { _ = server.Close() })
		defer stop()
		if err := server.Serve(p.profile); !errors.Is(err, http.ErrServerClosed) {
			log.Warn("profiles are not served any more", "err", err)
		}
	})
}
