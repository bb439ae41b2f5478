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
	for alive, want := range map[uint64]int{0: 400, 1 << 20: 400, 16 << 20: 400, 32 << 20: 200, 64 << 20: 100, 128 << 20: 50, 256 << 20: 25, 8 << 30: 25} {
		if got := gcPercent(alive); got != want {
			t.Errorf("%d bytes alive: %d, want %d", alive, got, want)
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
	alive := make([]byte, 256<<20)
	wantPercent("much is alive", leastGarbage)
	runtime.KeepAlive(alive)
	alive = nil
	wantPercent("little is alive", mostGarbage)
}
