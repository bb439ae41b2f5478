// GET /status as the product's ancestor answers it: one process, a Map of sessions.
'use strict';
const express = require('express');

const [host, port] = process.argv[2].split(':');
const sessions = new Map();
for (const id of process.argv[3].split(',')) {
  sessions.set(Number(id), { state: 'READY', reconnectionAttempts: 0, qr: null });
}

const STATES = {
  READY: {
    connected: true, can_send_messages: true, needs_qr: false, is_recoverable: false,
    recommended_action: 'Session operational - can send messages',
  },
};

function requireClienteId(req, res, next) {
  const header = req.headers['x-cliente-id'];
  if (!header) {
    return res.status(400).json({ error: true, code: 'MISSING_HEADER', message: 'Header X-Cliente-Id es requerido' });
  }
  const id = Number(header);
  if (!Number.isInteger(id) || id <= 0) {
    return res.status(400).json({ error: true, code: 'INVALID_HEADER', message: 'X-Cliente-Id debe ser un número positivo' });
  }
  req.clienteId = id;
  next();
}

const app = express();
app.use(express.json());

app.get('/status', requireClienteId, (req, res) => {
  const session = sessions.get(req.clienteId);
  if (!session) {
    return res.status(404).json({ error: true, code: 'NOT_FOUND', message: 'Endpoint not found' });
  }
  const info = STATES[session.state];
  res.json({
    cliente_id: req.clienteId,
    connected: info.connected,
    state: session.state,
    status: session.state,
    reconnection_attempts: session.reconnectionAttempts,
    max_reconnection_attempts: 3,
    can_send_messages: info.can_send_messages,
    needs_qr: info.needs_qr,
    is_recoverable: info.is_recoverable,
    recommended_action: info.recommended_action,
    qr_code_base64: session.qr,
  });
});

app.listen(Number(port), host);
