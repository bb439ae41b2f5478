//go:build !race

package emulator

// raceEnabled: the race detector makes everything some ten times slower.
const raceEnabled = false
