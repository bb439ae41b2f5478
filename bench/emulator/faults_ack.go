package emulator

// Faults of acks: what a client is told of the messages that it sends.

// nackLocked is the code that the fault nack refuses a message with, or 0. It is for what a user
// sends: neither for resends nor for what goes to the own phone.
func (e *Emulator) nackLocked(m *routing) int {
	if m.resend() {
		return 0
	}
	if a := e.useLocked(FaultNack, m.sender.number); a != nil {
		return int(a.Code)
	}
	return 0
}

func (e *Emulator) losesAckLocked(d *device) bool {
	return e.useLocked(FaultLoseAck, d.account.number) != nil
}

// ackLocked sends the ack of a message, twice under the fault dup_ack.
func (e *Emulator) ackLocked(c *conn, d *device, ack attrs) {
	n := node{Tag: "ack", Attrs: ack}
	e.sendLocked(c, n)
	if e.useLocked(FaultDupAck, d.account.number) != nil {
		e.note(Event{Kind: KindDupAck, Number: d.account.number, Device: d.pn.String(), Login: c.login, ID: text(&n, "id")})
		e.sendLocked(c, n)
	}
}
