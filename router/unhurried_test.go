package router

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// booked is a connection that tells which deadlines were set on it.
type booked struct {
	net.Conn
	reads, writes []time.Time
}

func (b *booked) SetReadDeadline(t time.Time) error  { b.reads = append(b.reads, t); return nil }
func (b *booked) SetWriteDeadline(t time.Time) error { b.writes = append(b.writes, t); return nil }
func (b *booked) SetDeadline(t time.Time) error {
	return errors.Join(b.SetReadDeadline(t), b.SetWriteDeadline(t))
}
func (b *booked) Read([]byte) (int, error)  { return 1, nil }
func (b *booked) Write([]byte) (int, error) { return 1, nil }

// Deadlines are set where they are needed: as asked for, or less than a second before.
func TestDeadlinesAreSeldomSet(t *testing.T) {
	begun := time.Now()
	at := func(s float64) time.Time { return begun.Add(time.Duration(s * float64(time.Second))) }
	for _, row := range []struct {
		name string
		want []time.Time // before each read
		set  []time.Time
	}{
		{"never", []time.Time{{}, {}}, nil},
		{"the same", []time.Time{at(5), at(5)}, []time.Time{at(5)}},
		{"a little later each time", []time.Time{at(5), at(5.5), at(5.9), at(6), at(6.9)}, []time.Time{at(5), at(6)}},
		{"much later", []time.Time{at(5), at(90)}, []time.Time{at(5), at(90)}},
		{"earlier, if little", []time.Time{at(5), at(4.999)}, []time.Time{at(5), at(4.999)}},
		{"no more", []time.Time{at(5), {}, at(5)}, []time.Time{at(5), {}, at(5)}},
		{"past", []time.Time{at(-100), at(5)}, []time.Time{at(-100), at(5)}},
	} {
		b := &booked{}
		c := &unhurried{Conn: b}
		for _, d := range row.want {
			// What is asked for and not needed is not set.
			_ = c.SetReadDeadline(begun.Add(time.Hour))
			_, _ = c.SetReadDeadline(d), c.SetWriteDeadline(d)
			if n, err := c.Read(nil); n != 1 || err != nil {
				t.Fatal(n, err)
			}
			if n, err := c.Write(nil); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		}
		if !same(b.reads, row.set) || !same(b.writes, row.set) {
			t.Errorf("%s: %v and %v, want %v", row.name, b.reads, b.writes, row.set)
		}
	}
}

func same(a, b []time.Time) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !a[i].Equal(b[i]) {
			return false
		}
	}
	return true
}

// Whoever sets both deadlines has taken the connection over, and may end a read from outside.
func TestDeadlinesOfAConnectionThatIsTakenOver(t *testing.T) {
	b := &booked{}
	c := &unhurried{Conn: b}
	now := time.Now()
	_ = c.SetReadDeadline(now)
	_, _, _ = c.SetDeadline(time.Time{}), c.SetReadDeadline(now), c.SetWriteDeadline(now)
	_, _ = c.Read(nil)
	_, _ = c.Write(nil)
	if want := []time.Time{{}, now}; !same(b.reads, want) || !same(b.writes, want) {
		t.Errorf("%v and %v, want %v", b.reads, b.writes, want)
	}
}

// On a real connection a deadline ends what waits.
func TestDeadlineEndsARead(t *testing.T) {
	c, _ := connected(t, func(l net.Listener) net.Listener { return unhurriedListener{l} })
	if _, ok := c.(*unhurried); !ok {
		t.Errorf("a plain connection is a %T", c)
	}
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v", err)
	}
}
