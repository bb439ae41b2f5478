package emulator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mau.fi/whatsmeow/proto/waWa6"
	"google.golang.org/protobuf/proto"

	"session-manager/bench/emulator/noise"
)

// handshakeTimeout is how long a client may take to introduce itself; whatsmeow itself gives
// up on the server after 20 s.
const handshakeTimeout = 30 * time.Second

// handshake answers ClientHello and returns who the client says it is, and the static key
// that proves it. A client that kept our static key begins with IK, and is in after one message
// each; all others take the two of XX.
func (e *Emulator) handshake(c *conn) (*waWa6.ClientPayload, [32]byte, error) {
	var static [32]byte
	ctx, cancel := context.WithTimeout(c.ctx, handshakeTimeout)
	defer cancel()
	header, err := c.readHeader(ctx)
	if err != nil {
		return nil, static, err
	}
	var message waWa6.HandshakeMessage
	if err = c.readProto(ctx, &message); err != nil {
		return nil, static, err
	}
	hello := message.GetClientHello()
	if len(hello.GetStatic()) == 0 {
		hs, err := noise.Start(header)
		if err != nil {
			return nil, static, err
		}
		return e.finishXX(ctx, c, hs, hello)
	}
	payload, static, err := e.answerIK(c, header, hello)
	if !errors.Is(err, noise.ErrOtherKey) {
		return payload, static, err
	}
	e.log.Debug("the client knows another static key: falling back", "err", err)
	hs, err := noise.StartFallback(header)
	if err != nil {
		return nil, static, err
	}
	return e.finishXX(ctx, c, hs, hello)
}

// answerIK lets a client in that said all in its first message. Nothing has been answered where the
// error is noise.ErrOtherKey.
func (e *Emulator) answerIK(c *conn, header []byte, hello *waWa6.HandshakeMessage_ClientHello) (*waWa6.ClientPayload, [32]byte, error) {
	hs, err := noise.StartIK(header)
	if err != nil {
		return nil, [32]byte{}, err
	}
	said := noise.HelloIK{Ephemeral: hello.GetEphemeral(), Static: hello.GetStatic(), Payload: hello.GetPayload()}
	answer, err := hs.Respond(said, e.identity.static, e.identity.chain)
	if err != nil {
		return nil, [32]byte{}, err
	}
	if err = c.putServerHello(&waWa6.HandshakeMessage_ServerHello{Ephemeral: answer.Ephemeral, Payload: answer.Certificate}); err != nil {
		return nil, [32]byte{}, err
	}
	payload, err := c.begin(hs, answer.Payload)
	return payload, answer.Static, err
}

// finishXX sends ServerHello and takes ClientFinish.
func (e *Emulator) finishXX(ctx context.Context, c *conn, hs *noise.Handshake, hello *waWa6.HandshakeMessage_ClientHello) (
	*waWa6.ClientPayload, [32]byte, error) {
	var static [32]byte
	ephemeral, encStatic, encCert, err := hs.Answer(hello.GetEphemeral(), e.identity.static, e.identity.chain)
	if err != nil {
		return nil, static, err
	}
	if err = c.putServerHello(&waWa6.HandshakeMessage_ServerHello{Ephemeral: ephemeral, Static: encStatic, Payload: encCert}); err != nil {
		return nil, static, err
	}
	var finish waWa6.HandshakeMessage
	if err = c.readProto(ctx, &finish); err != nil {
		return nil, static, err
	}
	static, raw, err := hs.Finish(finish.GetClientFinish().GetStatic(), finish.GetClientFinish().GetPayload())
	if err != nil {
		return nil, static, err
	}
	payload, err := c.begin(hs, raw)
	return payload, static, err
}

// begin takes the ciphers of a completed handshake and reads the client's payload.
func (c *conn) begin(hs *noise.Handshake, raw []byte) (*waWa6.ClientPayload, error) {
	var err error
	if c.receive, c.send, err = hs.Ciphers(); err != nil {
		return nil, err
	}
	var payload waWa6.ClientPayload
	if err = proto.Unmarshal(raw, &payload); err != nil {
		return nil, fmt.Errorf("client payload: %w", err)
	}
	return &payload, nil
}

func (c *conn) putServerHello(hello *waWa6.HandshakeMessage_ServerHello) error {
	answer, err := proto.Marshal(&waWa6.HandshakeMessage{ServerHello: hello})
	if err != nil {
		return err
	}
	c.putRaw(answer)
	return nil
}

func (c *conn) readProto(ctx context.Context, into proto.Message) error {
	frame, err := c.readFrame(ctx)
	if err != nil {
		return err
	}
	return proto.Unmarshal(frame, into)
}
