package peer

import (
	"bytes"
	"errors"
	"io"
	"net"
)

// Listen returns a listener whose connections are met by p: an introduction is part of the first Read. refused is
// called, by whoever reads, with why a caller was not taken for a node of the cluster.
func Listen(l net.Listener, p *Proof, refused func(error)) net.Listener {
	return listener{l, p, refused}
}

type listener struct {
	net.Listener
	proof   *Proof
	refused func(error)
}

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &Met{Conn: c, proof: l.proof, refused: l.refused}, nil
}

// Met is a connection that another node may have introduced itself on. One goroutine reads.
type Met struct {
	net.Conn
	proof   *Proof
	refused func(error)
	begun   bool
	from    string
}

// From returns the name of the node that has introduced itself; "": none has.
func (m *Met) From() string { return m.from }

// Read reads what comes after the introduction.
func (m *Met) Read(b []byte) (int, error) {
	if m.begun {
		return m.Conn.Read(b)
	}
	m.begun = true
	n, err := m.Conn.Read(b)
	if n == 0 || b[0] != magic[0] {
		return n, err // no introduction: whoever has none shows a token, or is refused
	}
	first := bytes.NewReader(bytes.Clone(b[:n]))
	if m.from, err = m.proof.meet(m.Conn, io.MultiReader(first, m.Conn)); err != nil {
		if m.refused != nil && errors.Is(err, ErrStranger) {
			m.refused(err)
		}
		return 0, err
	}
	if first.Len() > 0 {
		m.from = ""
		return 0, errors.New("something came before the verdict")
	}
	return m.Conn.Read(b)
}
