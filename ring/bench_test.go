package ring

import (
	"fmt"
	"testing"
)

func BenchmarkLookup(b *testing.B) {
	r := New(names(1000))
	b.ReportAllocs()
	key := uint64(0)
	for b.Loop() {
		key++
		r.Owner(key)
	}
}

func BenchmarkRebuild(b *testing.B) {
	for _, n := range []int{3, 40, 41, 100, 1000} {
		list := names(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				New(list)
			}
		})
	}
}
