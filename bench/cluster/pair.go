package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"session-manager/bench/emulator"
	"session-manager/node/ownership"
)

// NumberOf is a number for the phone of a cliente: made up, and another for each.
func NumberOf(cliente ownership.Cliente) string { return fmt.Sprintf("54911%08d", cliente) }

// Pair links a cliente to a phone as a user does: it puts the phone on WhatsApp where it is
// not there yet, asks for the QR code until there is one, holds the picture before the phone's
// camera and waits until the session is READY. It returns that status.
func (c *Cluster) Pair(ctx context.Context, cliente ownership.Cliente, number string) (Status, error) {
	if c.Emulator == nil {
		return Status{}, errors.New("pairing needs the emulator")
	}
	return Pair(ctx, c.Client(), c.Emulator, cliente, number)
}

// Pair is Cluster.Pair for a cluster that runs elsewhere.
func Pair(ctx context.Context, client *Client, phones *emulator.Control, cliente ownership.Cliente, number string) (Status, error) {
	if _, err := phones.AddPhone(ctx, number, "Cliente "+cliente.String()); err != nil && !errors.Is(err, emulator.ErrConflict) {
		return Status{}, err
	}
	var picture string
	err := Await(ctx, fmt.Sprintf("QR code of cliente %s", cliente), func(ctx context.Context) (bool, string, error) {
		var err error
		picture, err = client.QRCode(ctx, cliente)
		if err == nil {
			return true, "", nil
		}
		var refused *Refusal
		if errors.As(err, &refused) && refused.Status == http.StatusConflict {
			return false, "", err // no code is due: this cliente is paired, or cannot be
		}
		return false, err.Error(), nil
	})
	if err != nil {
		return Status{}, err
	}
	if _, err := phones.Scan(ctx, number, picture); err != nil {
		return Status{}, fmt.Errorf("scan for cliente %s: %w", cliente, err)
	}
	return client.WaitReady(ctx, cliente)
}
