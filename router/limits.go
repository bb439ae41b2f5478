package router

import (
	"time"

	"session-manager/router/api"
)

// Limits bound what one node takes on. The zero value of a field is its default.
type Limits struct {
	Answer    time.Duration // from a send to its answer: 24.5 s, below the callers' 25 to 30
	Look      time.Duration // from another request to its answer: 4.2 s, below the 4.5 that callers are promised
	Read      time.Duration // for a whole request to arrive: 10 s
	Idle      time.Duration // of a kept connection: 90 s
	ReadyWait time.Duration // of a send for a session on its way to READY: 15 s
	QRWait    time.Duration // of POST .../qr for a QR code that is on its way: 4 s
	Body      int           // bytes of a request: 1 MiB
	Header    int           // bytes of a request's head: 16 KiB
	Bodies    int64         // bytes of all requests' bodies at a time, small ones apart: 8 MiB
	// Reserve is for the way of an owner's answer: 500 ms. The owner is told that so much less is left of a
	// request's time, and answers by then.
	Reserve time.Duration
	// Unreachable is for how long another node may be out of reach before requests for its clientes are
	// answered at once: 8 s, longer than a failover takes.
	Unreachable time.Duration
	Peer        int   // connections to another node at a time, streams apart: 4,096
	Crowd       int   // requests of one cliente in flight at a time, as many as sends may wait: 128
	Operator    int64 // requests of the operator's routes in flight at a time: 32
	Waiting     int64 // requests that wait for an owner at a time: 4,096
}

func (l Limits) complete() Limits {
	defaults := Limits{Answer: 24500 * time.Millisecond, Look: 4200 * time.Millisecond, Read: 10 * time.Second, Idle: 90 * time.Second,
		ReadyWait: 15 * time.Second, QRWait: 4 * time.Second, Unreachable: 8 * time.Second, Reserve: 500 * time.Millisecond,
		Body: 1 << 20, Header: 16 << 10, Bodies: 8 << 20, Peer: 4096, Crowd: 128, Operator: 32, Waiting: 4096}
	for _, d := range []struct{ have, want *time.Duration }{
		{&l.Answer, &defaults.Answer}, {&l.Look, &defaults.Look}, {&l.Read, &defaults.Read}, {&l.Idle, &defaults.Idle},
		{&l.ReadyWait, &defaults.ReadyWait}, {&l.QRWait, &defaults.QRWait}, {&l.Unreachable, &defaults.Unreachable}, {&l.Reserve, &defaults.Reserve},
	} {
		if *d.have == 0 {
			*d.have = *d.want
		}
	}
	if l.Body == 0 {
		l.Body = defaults.Body
	}
	if l.Header == 0 {
		l.Header = defaults.Header
	}
	if l.Bodies == 0 {
		l.Bodies = defaults.Bodies
	}
	if l.Peer == 0 {
		l.Peer = defaults.Peer
	}
	if l.Crowd == 0 {
		l.Crowd = defaults.Crowd
	}
	if l.Operator == 0 {
		l.Operator = defaults.Operator
	}
	if l.Waiting == 0 {
		l.Waiting = defaults.Waiting
	}
	return l
}

// of is the time from a request of the route to its answer.
func (l Limits) of(route api.Route) time.Duration {
	if route == api.Send {
		return l.Answer
	}
	return min(l.Look, l.Answer)
}
