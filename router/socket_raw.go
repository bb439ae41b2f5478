//go:build !race

package router

import (
	"syscall"
	"unsafe"
)

// systemCall reads into b or writes it; 0: it did so many bytes.
func systemCall(call, fd uintptr, b []byte) (int, syscall.Errno) {
	n, _, err := syscall.RawSyscall(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), err
}
