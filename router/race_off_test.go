//go:build !race

package router

// raceEnabled: the race detector allocates, and forgets what is pooled.
const raceEnabled = false
