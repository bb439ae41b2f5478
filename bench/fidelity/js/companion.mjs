// A companion is one device that Baileys runs, unmodified: its state in memory, its events in a log
// that a check can wait on.
import './strict.mjs'
import {
  default as makeWASocket, BufferJSON, Curve, DisconnectReason, initAuthCreds, WA_CERT_DETAILS
} from '@whiskeysockets/baileys'
import { LIMIT, world } from './world.mjs'

export { Curve, DisconnectReason, WA_CERT_DETAILS }

// The version that the emulator calls the current one.
const VERSION = [2, 3000, 1023456789]

const silent = { level: 'silent', child: () => silent, trace() {}, debug() {}, info() {}, warn() {}, error() {}, fatal() {} }

// A key store that gives out copies, as one on disk does.
class Keys {
  constructor() { this.kept = new Map() }
  async get(type, ids) {
    const out = {}
    for (const id of ids) {
      const raw = this.kept.get(`${type}/${id}`)
      if (raw !== undefined) out[id] = JSON.parse(raw, BufferJSON.reviver)
    }
    return out
  }
  async set(data) {
    for (const [type, entries] of Object.entries(data)) {
      for (const [id, value] of Object.entries(entries)) {
        if (value === null || value === undefined) this.kept.delete(`${type}/${id}`)
        else this.kept.set(`${type}/${id}`, JSON.stringify(value, BufferJSON.replacer))
      }
    }
  }
  // forget drops what is kept of a type, such as the sessions with everybody.
  forget(type) {
    for (const key of [...this.kept.keys()]) if (key.startsWith(`${type}/`)) this.kept.delete(key)
  }
}

export class Companion {
  // copy of another companion's state: a second process that believes to be the same device.
  constructor(number, copy) {
    this.number = number
    this.keys = copy ? copy.keys : new Keys()
    this.creds = copy ? JSON.parse(JSON.stringify(copy.creds, BufferJSON.replacer), BufferJSON.reviver) : initAuthCreds()
    this.log = []
    this.sent = new Map()
    this.waiting = new Set()
    this.sockets = 0
    this.stanzas = [] // messages and receipts as they came
  }

  get device() { return this.creds.me?.id }

  // connect opens a socket; a server that wants a restart gets one, as Baileys leaves to its user.
  connect() {
    const turn = ++this.sockets
    const sock = makeWASocket({
      auth: { creds: this.creds, keys: this.keys },
      version: this.version ?? VERSION,
      waWebSocketUrl: world.socket,
      logger: silent,
      shouldSyncHistoryMessage: () => false,
      getMessage: async key => this.sent.get(key.id),
      markOnlineOnConnect: false,
      appStateMacVerification: { patch: true, snapshot: true }, // Baileys can look, and does not by itself
      retryRequestDelayMs: 10,
      transactionOpts: { maxCommitRetries: 10, delayBetweenTriesMs: 10 }
    })
    this.sock = sock
    for (const tag of ['message', 'receipt']) {
      sock.ws.on(`CB:${tag}`, stanza => { this.stanzas.push(stanza); this.wake() })
    }
    sock.ev.process(events => {
      if (events['creds.update']) Object.assign(this.creds, events['creds.update'])
      for (const [name, data] of Object.entries(events)) this.log.push({ name, data, turn })
      const closed = events['connection.update']?.connection === 'close' && events['connection.update'].lastDisconnect
      if (closed && closed.error?.output?.statusCode === DisconnectReason.restartRequired) this.connect()
      this.wake()
    })
    return this
  }

  wake() { for (const look of this.waiting) look() }

  // until waits for what find returns of the log from a place on, unless it is falsy.
  until(what, find, from = 0) {
    return new Promise((resolve, reject) => {
      const look = () => {
        let found
        try { found = find(this.log.slice(from)) } catch (error) { done(); return reject(error) }
        if (found) { done(); resolve(found) }
      }
      const timer = setTimeout(() => { done(); reject(new Error(`${this.number}: not in ${LIMIT / 1000} s: ${what}; ${this.seen()}`)) }, LIMIT)
      const done = () => { clearTimeout(timer); this.waiting.delete(look) }
      this.waiting.add(look)
      look()
    })
  }

  // update waits for a connection.update that fits.
  update(what, fits, from = 0) {
    return this.until(what, log => log.find(e => e.name === 'connection.update' && fits(e.data))?.data, from)
  }

  opened(from = 0) { return this.update('an open connection', u => u.connection === 'open', from) }

  // closed waits for the end of the connection and returns its code.
  async closed(from = 0) {
    const end = await this.update('the end of the connection', u => u.connection === 'close', from)
    return end.lastDisconnect?.error?.output?.statusCode
  }

  qr() { return this.update('a QR code', u => u.qr).then(u => u.qr) }

  // messages are all that arrived and could be read, by what a person sees of them.
  messages(from = 0) {
    return this.log.slice(from).filter(e => e.name === 'messages.upsert').flatMap(e => e.data.messages)
      .filter(m => m.message && !m.messageStubType)
  }

  stanza(id) { return this.stanzas.find(n => n.tag === 'message' && n.attrs.id === id) }

  received(id, from = 0) {
    return this.until(`message ${id}`, () => this.messages(from).find(m => m.key.id === id))
  }

  // delivered waits until somebody has told that a message of ours has arrived. Baileys' own event of it cannot
  // be waited for: of two receipts that come close together it may tell the lesser, the own phone's.
  delivered(id) {
    return this.until(`a receipt of ${id}`, () => this.stanzas.some(n =>
      n.tag === 'receipt' && n.attrs.id === id && (n.attrs.type === undefined || n.attrs.type === 'inactive')))
  }

  async send(to, content) {
    const m = await this.sock.sendMessage(to, content)
    this.sent.set(m.key.id, m.message)
    return m.key.id
  }

  text(to, text) { return this.send(to, { text }) }

  async end() {
    const sock = this.sock
    this.sock = undefined
    if (sock) await sock.end(undefined)
  }

  seen() {
    return 'its last events: ' + (this.log.slice(-12).map(e => e.name === 'connection.update'
      ? `${e.name} ${JSON.stringify({ ...e.data, qr: undefined, lastDisconnect: e.data.lastDisconnect?.error?.message })}`
      : e.name).join('; ') || 'none')
  }
}

// paired links a new companion to a phone and waits until it is in.
export async function paired(number) {
  const c = new Companion(number).connect()
  const device = (await world.phone(number).scan(await c.qr())).device
  await c.opened()
  if (c.device !== device) throw new Error(`it calls itself ${c.device}, the phone linked ${device}`)
  return c
}
