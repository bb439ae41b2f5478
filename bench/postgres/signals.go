package postgres

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ended says whether no server runs.
func (s *Server) ended() bool {
	if s.done == nil {
		return true
	}
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// Stop ends the server in its "fast" way: connections are cut, data is safe. One that is
// paused goes on to do so.
func (s *Server) Stop() {
	if s.ended() {
		return
	}
	_ = s.Resume()
	_ = s.cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-s.done:
	case <-time.After(20 * time.Second):
		s.Kill()
	}
}

// Kill ends the server's processes at once, as a crash would. None of them is left when it
// returns: one that still holds the shared memory would keep the next Run from starting.
func (s *Server) Kill() {
	if s.ended() {
		return
	}
	pids, _ := s.signal(syscall.SIGKILL)
	<-s.done
	for deadline := time.Now().Add(killWait); time.Now().Before(deadline) && !allGone(pids); {
		time.Sleep(time.Millisecond)
	}
}

// killWait is how long a killed process may take to vanish; it is some milliseconds.
const killWait = 5 * time.Second

func allGone(pids []int) bool {
	return !slices.ContainsFunc(pids, func(pid int) bool { return !gone(pid) })
}

// signal sends a signal to the server and all its backends, and returns their process IDs.
func (s *Server) signal(sig syscall.Signal) ([]int, error) {
	if s.ended() {
		return nil, nil // its process ID may be another's by now
	}
	server := s.cmd.Process.Pid
	if err := send(server, syscall.SIGSTOP); err != nil { // it shall start no backend meanwhile
		return nil, err
	}
	// Backends are in sessions of their own, so the process group does not reach them.
	var pids []int
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", server, server))
	for field := range strings.FieldsSeq(string(children)) {
		if pid, err := strconv.Atoi(field); err == nil {
			pids = append(pids, pid)
		}
	}
	pids = append(pids, server)
	for _, pid := range pids {
		if err := send(pid, sig); err != nil {
			return nil, err
		}
	}
	return pids, nil
}

// send signals a process, unless it is gone.
func send(pid int, sig syscall.Signal) error {
	if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// gone says whether a process runs no more, though nobody may have waited for it.
func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // its name, in parentheses, comes before its state
	return strings.HasPrefix(rest, "Z") || strings.HasPrefix(rest, "X")
}

// Pause stops the server's processes where they are (SIGSTOP); Resume lets them go on.
func (s *Server) Pause() error {
	_, err := s.signal(syscall.SIGSTOP)
	return err
}

// Resume undoes Pause.
func (s *Server) Resume() error {
	_, err := s.signal(syscall.SIGCONT)
	return err
}
