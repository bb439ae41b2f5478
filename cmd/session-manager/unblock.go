package main

import (
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

// outlivePipes lets the process go on when the reader of its standard output or error has ended: a
// write fails then, and the signal that would end the process is let pass. Children do not inherit this.
func outlivePipes() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// unblock returns a file for what f writes to, and makes f's descriptor one on which no write waits.
// Writes to the returned file wait, but in Go's poller, where a deadline ends them.
//
// The descriptor matters because not all writers are ours: libraries print to it, and so does the runtime when
// the process crashes. With a full pipe and nobody who reads, a crashed process would hang there for ever.
// A regular file stays as it is, and so does whatever may not be opened again.
func unblock(f *os.File) *os.File {
	fd := int(f.Fd())
	var about syscall.Stat_t
	if err := syscall.Fstat(fd, &about); err != nil {
		return f
	}
	kind := about.Mode & syscall.S_IFMT
	if kind != syscall.S_IFIFO && kind != syscall.S_IFSOCK && kind != syscall.S_IFCHR {
		return f
	}
	// Opened again, it is a description of our own: whoever shares the old one, such as a shell its
	// terminal, goes on with writes that wait.
	flags := syscall.O_WRONLY | syscall.O_APPEND | syscall.O_NONBLOCK | syscall.O_NOCTTY | syscall.O_CLOEXEC
	own, err := syscall.Open("/proc/self/fd/"+strconv.Itoa(fd), flags, 0)
	switch {
	case err == nil:
		if err := syscall.Dup3(own, fd, 0); err != nil {
			_ = syscall.Close(own)
			return f
		}
	case kind == syscall.S_IFCHR:
		return f
	default: // a socket, another user's pipe, or one whose reader has ended
		if own, err = syscall.Dup(fd); err != nil {
			return f
		}
		syscall.CloseOnExec(own)
		if err := syscall.SetNonblock(fd, true); err != nil {
			_ = syscall.Close(own)
			return f
		}
	}
	return os.NewFile(uintptr(own), f.Name())
}
