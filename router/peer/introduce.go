package peer

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"
)

const (
	magic     = "\x00SMP"
	frameHead = len(magic) + 1 + 2
	mostFrame = 4 << 10 // bytes of JSON: names and addresses are short
	nonceSize = 32
)

type hello struct {
	Nonce   []byte   `json:"nonce"`
	Keys    []string `json:"keys"` // fingerprints
	Caller  string   `json:"caller"`
	Callee  string   `json:"callee"`
	Address string   `json:"address"`
}

type reply struct {
	Nonce   []byte `json:"nonce,omitempty"`
	Key     string `json:"key,omitempty"` // fingerprint
	MAC     []byte `json:"mac,omitempty"`
	Refused string `json:"refused,omitempty"`
}

// Roles of a MAC, which keep one side's from being shown as the other's.
const (
	asCallee = "callee"
	asCaller = "caller"
)

// proof returns the MAC of an introduction. What is said in hello and reply has its length before it.
func proof(secret []byte, role string, said []byte, nonce []byte, binding []byte) []byte {
	var length [4]byte
	binary.BigEndian.PutUint32(length[:], uint32(len(said)))
	return mac(secret, "session-manager peer 1 ", role, string(length[:]), string(said), string(nonce), string(binding))
}

// Introduce proves this node to another one by a connection to it, and has that node prove itself first. A node
// of wire 0 is not introduced to. Where it returns an error it has closed the connection.
func (p *Proof) Introduce(ctx context.Context, conn net.Conn, to Other) error {
	if to.Wire == 0 {
		return nil
	}
	deadline, _ := ctx.Deadline()
	err := conn.SetDeadline(deadline)
	if err == nil {
		err = p.introduce(conn, to)
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		_ = conn.Close()
		var network net.Error
		switch {
		case errors.Is(err, ErrRefused):
		case errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe):
			err = fmt.Errorf("%w: %w", ErrSilent, err) // as of a node that stands still, or ends
		default:
			err = fmt.Errorf("%w: %w", ErrStranger, err)
		}
	}
	return err
}

func (p *Proof) introduce(conn net.Conn, to Other) error {
	keys := p.known().Keys
	mine := hello{Nonce: nonce(), Caller: p.Node, Callee: to.Name, Address: to.Address}
	for _, key := range keys {
		mine.Keys = append(mine.Keys, Fingerprint(key))
	}
	said, err := writeFrame(conn, mine)
	if err != nil {
		return err
	}
	var theirs reply
	if _, err := readFrame(conn, &theirs); err != nil {
		return err
	}
	if theirs.Refused != "" {
		return fmt.Errorf("%w: %s", ErrRefused, theirs.Refused)
	}
	at := slices.Index(mine.Keys, theirs.Key)
	if at < 0 || len(theirs.Nonce) != nonceSize {
		return errors.New("it answers by another secret")
	}
	binding, err := bindingOf(conn)
	if err != nil {
		return err
	}
	if !hmac.Equal(theirs.MAC, proof(keys[at], asCallee, said, theirs.Nonce, binding)) {
		return errors.New("its proof is wrong")
	}
	if _, err := writeFrame(conn, reply{MAC: proof(keys[at], asCaller, said, theirs.Nonce, binding)}); err != nil {
		return err
	}
	var verdict reply
	if _, err := readFrame(conn, &verdict); err != nil {
		return err
	}
	if verdict.Refused != "" {
		return fmt.Errorf("%w: %s", ErrRefused, verdict.Refused)
	}
	return nil
}

// meet is the callee's side. It returns the name of the caller.
func (p *Proof) meet(conn net.Conn, in io.Reader) (string, error) {
	var theirs hello
	said, err := readFrame(in, &theirs)
	if err != nil {
		return "", err
	}
	refuse := func(why string) (string, error) {
		_, err := writeFrame(conn, reply{Refused: why})
		return "", errors.Join(fmt.Errorf("node %q is refused: %s", theirs.Caller, why), err)
	}
	stranger := func(why string) (string, error) {
		_, err := refuse(why)
		return "", fmt.Errorf("%w: %w", ErrStranger, err)
	}
	keys := p.known().Keys
	at := slices.IndexFunc(keys, func(key []byte) bool { return slices.Contains(theirs.Keys, Fingerprint(key)) })
	switch {
	case len(keys) == 0:
		return refuse("this node is starting")
	case theirs.Callee != p.Node:
		return refuse(fmt.Sprintf("this is node %q", p.Node))
	case p.Address != "" && theirs.Address != p.Address:
		return refuse(fmt.Sprintf("this node is at %s", p.Address))
	case at < 0:
		return stranger("the cluster secrets differ")
	case len(theirs.Nonce) != nonceSize:
		return refuse("no nonce")
	}
	binding, err := bindingOf(conn)
	if err != nil {
		return "", err
	}
	mine := nonce()
	if _, err := writeFrame(conn, reply{Nonce: mine, Key: Fingerprint(keys[at]), MAC: proof(keys[at], asCallee, said, mine, binding)}); err != nil {
		return "", err
	}
	var shown reply
	if _, err := readFrame(in, &shown); err != nil {
		return "", err
	}
	if !hmac.Equal(shown.MAC, proof(keys[at], asCaller, said, mine, binding)) {
		return stranger("wrong proof")
	}
	_, err = writeFrame(conn, reply{})
	return theirs.Caller, err
}

// bindingOf returns what both sides of a TLS connection know of it, and nobody else; nothing without TLS.
func bindingOf(conn net.Conn) ([]byte, error) {
	secure, ok := conn.(interface{ ConnectionState() tls.ConnectionState })
	if !ok {
		return nil, nil
	}
	state := secure.ConnectionState()
	return state.ExportKeyingMaterial("EXPORTER-session-manager-peer", nil, 32)
}

func nonce() []byte {
	b := make([]byte, nonceSize)
	_, _ = rand.Read(b) // never fails
	return b
}

func writeFrame(to io.Writer, message any) (said []byte, err error) {
	if said, err = json.Marshal(message); err != nil {
		return nil, err
	}
	if len(said) > mostFrame {
		return nil, fmt.Errorf("an introduction of %d bytes is too long", len(said))
	}
	frame := append([]byte(magic), Wire)
	frame = binary.BigEndian.AppendUint16(frame, uint16(len(said)))
	_, err = to.Write(append(frame, said...))
	return said, err
}

func readFrame(from io.Reader, message any) (said []byte, err error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return nil, err
	}
	length := int(binary.BigEndian.Uint16(head[frameHead-2:]))
	if string(head[:len(magic)]) != magic || head[len(magic)] != Wire || length > mostFrame {
		return nil, errors.New("that is no introduction")
	}
	said = make([]byte, length)
	if _, err := io.ReadFull(from, said); err != nil {
		return nil, err
	}
	return said, json.Unmarshal(said, message)
}
