package router

import (
	_ "embed"
	"time"
)

// Limits bound what one node takes on. The zero value of a field is its default.
type Limits struct {
	Answer    time.Duration // from a request to its answer: 25 s, below the callers' 30
	Read      time.Duration // for a whole request to arrive: 10 s
	Idle      time.Duration // of a kept connection: 90 s
	ReadyWait time.Duration // of a send for a session on its way to READY: 15 s
	QRWait    time.Duration // of POST .../qr for a QR code that is on its way: 4 s
	Body      int           // bytes of a request: 1 MiB
	Header    int           // bytes of a request's head: 16 KiB
	Bodies    int64         // bytes of all requests' bodies at a time, small ones apart: 8 MiB
	// Unreachable is for how long another node may be out of reach before requests for its clientes are
	// answered at once: 8 s, longer than a failover takes.
	Unreachable time.Duration
	Peer        int   // connections to another node at a time, streams apart: 4,096
	Waiting     int64 // requests that wait for an owner at a time: 4,096
}

func (l Limits) complete() Limits {
	defaults := Limits{Answer: 25 * time.Second, Read: 10 * time.Second, Idle: 90 * time.Second, ReadyWait: 15 * time.Second, QRWait: 4 * time.Second,
		Unreachable: 8 * time.Second, Body: 1 << 20, Header: 16 << 10, Bodies: 8 << 20, Peer: 4096, Waiting: 4096}
	for _, d := range []struct{ have, want *time.Duration }{
		{&l.Answer, &defaults.Answer}, {&l.Read, &defaults.Read}, {&l.Idle, &defaults.Idle}, {&l.ReadyWait, &defaults.ReadyWait}, {&l.QRWait, &defaults.QRWait},
		{&l.Unreachable, &defaults.Unreachable},
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
	if l.Waiting == 0 {
		l.Waiting = defaults.Waiting
	}
	return l
}
