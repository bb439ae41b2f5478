//go:build race

package router

import "syscall"

// systemCall goes by package syscall, which tells the race detector that who reads comes after who wrote.
func systemCall(call, fd uintptr, b []byte) (int, syscall.Errno) {
	carryOut := syscall.Read
	if call == syscall.SYS_WRITE {
		carryOut = syscall.Write
	}
	n, err := carryOut(int(fd), b)
	failed, _ := err.(syscall.Errno)
	return n, failed
}
