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
	for _, row := range []struct {
		alive, made float64
		want        int
	}{
		{0, 0, 400}, {mb, 0, 400}, {16 * mb, 0, 400}, {32 * mb, 0, 200}, {64 * mb, 0, 100}, {256 * mb, 0, 25}, {8192 * mb, 0, 25}, // idle
		{64 * mb, 10 * mb, 100}, {64 * mb, 40 * mb, 312}, {64 * mb, 1e12, 400}, {256 * mb, 40 * mb, 78}, {256 * mb, 1e12, 100}, {8192 * mb, 1e12, 25},
	} {
		if got := gcPercent(row.alive, row.made); got != row.want {
			t.Errorf("%v bytes alive, %v made a second: %d, want %d", row.alive, row.made, got, row.want)
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
