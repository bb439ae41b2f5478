// The world that the checks act in, as the driver (../run.go) made it: the emulator's control API and the
// product's nodes, both by HTTP alone.

// LIMIT is how long anything may take that merely has to happen, in ms: the machine may be busy.
export const LIMIT = 45_000

const given = JSON.parse(process.env.FIDELITY)

async function call(method, url, body, headers = {}) {
  const answer = await fetch(url, {
    method,
    headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(LIMIT)
  })
  const text = await answer.text()
  if (!answer.ok) throw Object.assign(new Error(`${method} ${url}: ${answer.status} ${text.slice(0, 300)}`), { status: answer.status })
  return text ? JSON.parse(text) : undefined
}

const control = (method, path, body) => call(method, given.emulator + path, body)

// until asks again and again, for what has no events to wait on.
export async function until(what, ask) {
  const deadline = Date.now() + LIMIT
  for (;;) {
    const found = await ask()
    if (found) return found
    if (Date.now() > deadline) throw new Error(`not in ${LIMIT / 1000} s: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 25))
  }
}

class Phone {
  constructor(number) { this.number = number }
  get jid() { return `${this.number}@s.whatsapp.net` }
  do(what, body = {}) { return control('POST', `/phones/${this.number}/${what}`, body) }
  scan(qr) { return this.do('scan', { qr }) }
  unlink(device) { return this.do('unlink', { device }) }
  write(to, text) { return this.do('messages', { to, text }).then(a => a.id) }
  inbox() { return control('GET', `/phones/${this.number}/inbox`) }
  sent() { return control('GET', `/phones/${this.number}/sent`) }
  shows(id) { return until(`phone ${this.number} shows ${id}`, async () => (await this.inbox()).find(m => m.id === id)) }
  copies(id) { return until(`phone ${this.number} knows that ${id} was sent`, async () => (await this.sent()).find(m => m.id === id)) }
}

export const world = {
  socket: given.socket,
  rootKey: Buffer.from(given.root_key, 'hex'),
  cliente: given.cliente,
  number: given.number, // of the cliente's phone

  phone: number => new Phone(number),
  async newPhone(number, name = `phone ${number}`) {
    await control('POST', '/phones', { number, name })
    return new Phone(number)
  },
  group: (subject, members) => control('POST', '/groups', { subject, members }).then(a => a.jid),
  devices: () => control('GET', '/devices'),
  stats: () => control('GET', '/stats'),
  events: (since = 0) => control('GET', `/events?since=${since}`),
  fault: fault => control('POST', '/faults', fault),
  noFaults: () => control('DELETE', '/faults'),

  // event waits for an event of the referee that fits, after number since.
  event: (what, fits, since = 0) => until(what, async () => (await world.events(since)).find(fits)),
  // queued is how many stanzas wait to be acknowledged by a device.
  async queued(device) { return (await world.devices()).find(d => d.device === device)?.queued },

  // product is the cliente's session: a send goes through the nodes in turn, and what it has received is
  // what it has acknowledged.
  product: {
    turn: 0,
    call(method, path, body) {
      const node = given.nodes[world.product.turn++ % given.nodes.length]
      return call(method, node + path, body, { 'x-cliente-id': String(given.cliente) })
    },
    send: (to, message) => world.product.call('POST', '/send', { to, message }).then(a => a.message_id),
    status: () => world.product.call('GET', '/status'),
    received: (id, since = 0) => world.event(`the product has ${id}`,
      e => e.kind === 'receipt' && e.id === id && e.number === given.number && e.detail !== 'retry', since)
  }
}
