package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

func TestGCPercent(t *testing.T) {
	const mb = 1 << 20
	for _, tt := range []struct {
		alive, before uint64
		want          int
	}{
		{0, 0, 400}, {mb, mb, 400}, {16 * mb, mb, 400}, {32 * mb, 0, 200}, {64 * mb, 64 * mb, 100}, {128 * mb, mb, 50},
		{256 * mb, 256 * mb, 25}, {8192 * mb, 8192 * mb, 25}, {8192 * mb, 8000 * mb, 25}, {512 * mb, 1024 * mb, 25},
		{400 * mb, 350 * mb, 16}, {8192 * mb, 7700 * mb, 12}, // they grow
	} {
		if got := gcPercent(tt.alive, tt.before); got != tt.want {
			t.Errorf("%d bytes alive, %d before: %d, want %d", tt.alive, tt.before, got, tt.want)
		}
	}
}

func TestGarbageIsBounded(t *testing.T) {
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	boundGarbage(ctx)
	wantPercent := func(what string, want int) {
		t.Helper()
		gogc := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			runtime.GC()
			if metrics.Read(gogc); int(gogc[0].Value.Uint64()) == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: GOGC is %d, want %d", what, gogc[0].Value.Uint64(), want)
			}
		}
	}
	alive := make([]byte, 512<<20)
	wantPercent("much is alive", leastGarbage)
	runtime.KeepAlive(alive)
	alive = nil
	wantPercent("little is alive", mostGarbage)
}
