package session

import (
	"context"

	wastore "go.mau.fi/whatsmeow/store"
)

// keptContainer is a device's container that leaves the device's row as it is when whatsmeow deletes
// it: whatsmeow does so for a logout, a lock and a ban alike, and does not say for which. The session
// deletes the row itself, together with the reason, in one transaction (Account.Forget). Where it dies
// before, the next login is refused for the same reason.
type keptContainer struct{ wastore.DeviceContainer }

// keepDevice puts a keptContainer in front of the device's container.
func keepDevice(device *wastore.Device) {
	if _, kept := device.Container.(keptContainer); !kept {
		device.Container = keptContainer{device.Container}
	}
}

// PutDevice saves the device. The first save may put another container in.
func (k keptContainer) PutDevice(ctx context.Context, device *wastore.Device) error {
	first := !device.Initialized
	err := k.DeviceContainer.PutDevice(ctx, device)
	if first { // later saves leave it, and other goroutines read it
		keepDevice(device)
	}
	return err
}

// DeleteDevice leaves the row as it is.
func (keptContainer) DeleteDevice(context.Context, *wastore.Device) error { return nil }
