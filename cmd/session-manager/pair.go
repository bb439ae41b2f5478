package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// pairEvery is between two looks at a pairing. A code lives for 20 s at least.
const pairEvery = time.Second

type pairCmd struct {
	Cliente uint64        `arg:"" help:"Number of the cliente."`
	Wait    time.Duration `default:"5m" help:"How long to wait until the phone has scanned a code."`
	remote
}

// pairing is what GET /status says, as far as it matters here.
type pairing struct {
	State  string  `json:"state"`
	Action string  `json:"recommended_action"`
	QR     *string `json:"qr_code_base64"`
}

var errNotPaired = errors.New("not paired")

// Run shows the code of a cliente in the terminal, and each that follows it, until the cliente is READY.
func (c *pairCmd) Run(ctx context.Context, s streams) error {
	if c.Cliente == 0 {
		return usageError{errors.New("pair: want a cliente from 1")}
	}
	c.cliente = c.Cliente
	ctx, cancel := context.WithTimeoutCause(ctx, c.Wait, fmt.Errorf("%w after %v: run this again for more codes", errNotPaired, c.Wait))
	defer cancel()
	last, shown := pairing{}, ""
	for {
		var now pairing
		err := c.get(ctx, "/status", &now)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil && last.State == "":
			return err // the first look says whether there is such a node, and whether the key is right
		case err != nil:
			now = last // an owner may be on its way elsewhere
		}
		if now.State != last.State {
			c.tell(s.out, now)
		}
		switch now.State {
		case "READY":
			return nil
		case "ERROR", "DISCONNECTED_BANNED":
			return fmt.Errorf("cliente %d: %w: %s", c.Cliente, errNotPaired, c.reason(ctx, now))
		}
		if now.QR != nil && *now.QR != shown {
			drawn, err := drawCode(*now.QR)
			if err != nil {
				return err
			}
			shown = *now.QR
			c.show(s.out, drawn)
		}
		last = now
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pairEvery):
		}
	}
}

// tell says that the cliente has come to another state.
func (c *pairCmd) tell(out io.Writer, now pairing) {
	switch now.State {
	case "READY":
		fmt.Fprintf(out, "cliente %d is READY\n", c.Cliente)
	case "QR_REQUIRED":
	default:
		fmt.Fprintf(out, "cliente %d is %s\n", c.Cliente, now.State)
	}
}

// reason returns why a cliente cannot be paired, as the hub's route has it.
func (c *pairCmd) reason(ctx context.Context, now pairing) string {
	var hub struct {
		Message *string `json:"last_error_message"`
	}
	err := c.get(ctx, fmt.Sprintf("/api/session-manager/sessions/sender_%d", c.Cliente), &hub)
	if err != nil || hub.Message == nil {
		return now.State + ": " + now.Action
	}
	return now.State + ": " + *hub.Message
}

// show draws a code in the place of the one before.
func (c *pairCmd) show(out io.Writer, drawn string) {
	const clear, whiteOnBlack, plain = "\x1b[2J\x1b[H", "\x1b[97;40m", "\x1b[0m"
	if terminal(out) {
		drawn = clear + whiteOnBlack + strings.ReplaceAll(drawn, "\n", plain+"\n"+whiteOnBlack) + plain
	}
	fmt.Fprintf(out, "%s\nWhatsApp on the phone: Settings, Linked devices, Link a device. Cliente %d; a code that has run out is replaced.\n", drawn, c.Cliente)
}

func terminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
