package api

// traits are what callers are told about a state.
type traits struct {
	connected, canSend, needsQR, recoverable bool
	action                                   string
}

// stateTable is the contract's table of states.
var stateTable = map[State]traits{
	NotInitialized:          {recoverable: true, action: "Initializing for first time - wait"},
	Initializing:            {recoverable: true, action: "Initializing for first time - wait"},
	Reconnecting:            {recoverable: true, action: "Recovering existing session - wait"},
	Ready:                   {connected: true, canSend: true, action: "Session operational - can send messages"},
	QRRequired:              {needsQR: true, action: "Scan QR code to authenticate"},
	AuthFailure:             {needsQR: true, action: "Restart service and scan new QR"},
	DisconnectedRecoverable: {recoverable: true, action: "Auto-reconnecting - wait"},
	DisconnectedLogout:      {needsQR: true, action: "User logged out - restart and scan QR"},
	DisconnectedBanned:      {action: "Number banned - contact WhatsApp support"},
	Error:                   {action: "Technical error - check logs"},
}

// onItsWay says whether a state passes by itself soon.
func onItsWay(s State) bool {
	return s == Initializing || s == Reconnecting || s == DisconnectedRecoverable
}
