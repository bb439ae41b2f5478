// What Baileys must find at the emulator, as it would at WhatsApp: one check after the other, each of which
// may build on what those before it have left.
import { Companion, Curve, DisconnectReason, paired } from './companion.mjs'
import { until, world } from './world.mjs'

const ANA = '5491100000001' // whose companion most checks are about
const BETO = '5491100000002' // a phone alone
const CARO = '5491100000003' // another one

const OLD = [2, 3000, 1] // a version that the fault "outdated" is about

let ana, beto, caro, own // phones
let companion, second // of Ana's number, and of the product's
let everybody // a group

function must(holds, what) {
  if (!holds) throw new Error(what)
}

const textOf = m => m.message.conversation ?? m.message.extendedTextMessage?.text

async function shown(phone, id, text) {
  const m = await phone.shows(id)
  must(m.text === text, `phone ${phone.number} shows ${JSON.stringify(m.text)} for ${id}, not ${JSON.stringify(text)}`)
  return m
}

async function got(c, id, text, from = 0) {
  const m = await c.received(id, from)
  must(textOf(m) === text, `${c.number} read ${JSON.stringify(m.message)} for ${id}, not ${JSON.stringify(text)}`)
  return m
}

// between runs work and returns the events of it, as the referee saw them.
async function between(work) {
  const before = (await world.stats()).last_event
  await work()
  return world.events(before)
}

export const checks = [
  ['the judge looks at signatures', async () => {
    const { public: key, private: secret } = Curve.generateKeyPair()
    const said = Buffer.from('this')
    const signature = Curve.sign(secret, said)
    must(Curve.verify(key, said, signature), 'a good one does not verify')
    must(!Curve.verify(key, Buffer.from('that'), signature), 'a bad one verifies: strict.mjs was loaded too late')
  }],

  ['an unpaired socket is answered: pings, and queries that nothing here knows', async () => {
    const c = new Companion('unpaired').connect()
    await c.qr()
    const iq = (xmlns, type, content) => c.sock.query({ tag: 'iq', attrs: { to: '@s.whatsapp.net', type, xmlns }, content })
    must((await iq('w:p', 'get')).attrs.type === 'result', 'a ping')
    const seen = await between(async () => {
      const refused = await iq('md', 'set', [{ tag: 'nothing_known', attrs: {} }]).catch(error => error)
      must(refused instanceof Error, 'an unknown query was not refused')
    })
    must(seen.some(e => e.kind === 'unknown'), 'no event tells of it')
    await c.end()
  }],

  ['what refuses a login refuses a registration: no QR code, but its code', async () => {
    for (const [fault, code] of [[{ kind: 'outdated' }, 405], [{ kind: 'fail', code: 503 }, 503]]) {
      await world.fault({ ...fault, number: '*' })
      const c = new Companion('refused')
      c.version = OLD
      c.connect()
      const ended = await c.closed()
      must(ended === code, `${fault.kind}: ended with ${ended}, not ${code}`)
      must(!c.log.some(e => e.data.qr), `${fault.kind}: it was shown a code`)
      await world.noFaults()
      await c.end()
    }
  }],

  ['a companion pairs by QR code, is restarted and comes back', async () => {
    ana = await world.newPhone(ANA, 'Ana')
    beto = await world.newPhone(BETO, 'Beto')
    caro = await world.newPhone(CARO, 'Caro')
    own = world.phone(world.number)
    companion = await paired(ANA)
    must(companion.log.some(e => e.data.isNewLogin), 'it was not told that it is new')
    must(/^\d+:1@lid$/.test(companion.creds.me.lid), `LID ${companion.creds.me.lid}`)
  }],

  ['its phone gives it the key of the settings, and its name', async () => {
    await companion.until('key and name', () => companion.creds.myAppStateKeyId && companion.creds.me.name === 'Ana')
  }],

  ['texts with a phone, both ways, delivered, and shown at the own phone', async () => {
    const id = await companion.text(beto.jid, 'hola Beto')
    await shown(beto, id, 'hola Beto')
    await companion.delivered(id)
    must((await ana.copies(id)).text === 'hola Beto', 'the own phone has another copy')
    const back = await beto.write(ANA, 'hola Ana')
    const m = await got(companion, back, 'hola Ana')
    must(m.pushName === 'Beto', `from ${m.pushName}`)
  }],

  ['texts with the product, both ways, delivered', async () => {
    const id = await companion.text(own.jid, 'hola producto')
    await world.product.received(id)
    await shown(own, id, 'hola producto')
    await companion.delivered(id)
    const back = await world.product.send(ANA, 'hola compañera')
    await got(companion, back, 'hola compañera')
    await shown(ana, back, 'hola compañera')
  }],

  ['a group of companion, product and phones: each writes, all others show it', async () => {
    everybody = await world.group('todos', [ANA, world.number, BETO, CARO])
    const everywhere = async (id, text, by) => {
      for (const phone of [ana, own, beto, caro]) if (phone !== by.phone) await shown(phone, id, text)
      if (!by.companion) await got(companion, id, text)
      if (!by.product) await world.product.received(id)
    }
    await everywhere(await companion.text(everybody, 'a todos'), 'a todos', { companion: true, phone: ana })
    await everywhere(await companion.text(everybody, 'otra vez'), 'otra vez', { companion: true, phone: ana })
    await everywhere(await world.product.send(everybody, 'del producto'), 'del producto', { product: true, phone: own })
    await everywhere(await beto.write(everybody, 'del teléfono'), 'del teléfono', { phone: beto })
  }],

  ['what a companion sends to a group, its own phone shows as sent', async () => {
    const id = await companion.text(everybody, 'lo mío')
    const copy = await ana.copies(id)
    must(copy.text === 'lo mío', `as ${JSON.stringify(copy)}`)
    must(!(await ana.inbox()).some(m => m.id === id), 'it is among the received, too')
  }],

  ['a phone shows what a companion sends as what it is, and what it does to it', async () => {
    const id = await companion.text(beto.jid, 'a corregir')
    const key = { remoteJid: beto.jid, fromMe: true, id }
    const becomes = (what, fits) => until(`phone ${BETO} shows ${what}`, async () => (await beto.inbox()).some(m => m.id === id && fits(m)))
    await shown(beto, id, 'a corregir')
    await companion.send(beto.jid, { react: { text: '👍', key } })
    await becomes('a reaction', m => m.reactions?.some(r => r.from === ANA && r.emoji === '👍'))
    await companion.send(beto.jid, { react: { text: '', key } })
    await becomes('no reaction', m => m.reactions?.length === 0)
    await companion.send(beto.jid, { text: 'corregido', edit: key })
    await becomes('the edit', m => m.edited && m.text === 'corregido')
    await companion.send(beto.jid, { delete: key })
    await becomes('that it is gone', m => m.revoked && m.text === '')

    const place = await beto.shows(await companion.send(beto.jid, { location: { degreesLatitude: -34.5, degreesLongitude: -58.25, name: 'acá' } }))
    must(place.type === 'location' && place.location.latitude === -34.5 && place.location.name === 'acá', JSON.stringify(place))
    const vcard = 'BEGIN:VCARD\nVERSION:3.0\nFN:Caro\nTEL;type=CELL;waid=5491100000003:+5491100000003\nEND:VCARD'
    const card = await beto.shows(await companion.send(beto.jid, { contacts: { displayName: 'Caro', contacts: [{ vcard, displayName: 'Caro' }] } }))
    must(card.type === 'contact' && card.contacts[0].name === 'Caro', JSON.stringify(card))
    const poll = await beto.shows(await companion.send(beto.jid, { poll: { name: 'cuál', values: ['una', 'otra'], selectableCount: 1 } }))
    must(poll.type === 'poll' && poll.poll.name === 'cuál' && poll.poll.options.join() === 'una,otra', JSON.stringify(poll))
    const answer = await beto.write(ANA, 'a citar')
    const quoted = await got(companion, answer, 'a citar')
    const m = await companion.sock.sendMessage(beto.jid, { text: 'citado' }, { quoted })
    must((await beto.shows(m.key.id)).reply_to?.id === answer, 'the quotation')
  }],

  ['a companion reads what a phone does to its messages', async () => {
    const id = await beto.write(ANA, 'del teléfono')
    const m = await got(companion, id, 'del teléfono')
    const about = async (what, body, fits) => {
      const done = (await beto.do(what, { chat: ANA, id, ...body })).id
      const read = await companion.received(done)
      must(fits(read.message), `${what}: ${JSON.stringify(read.message)}`)
    }
    const names = key => key?.id === m.key.id
    await about('react', { emoji: '🎉' }, r => r.reactionMessage?.text === '🎉' && names(r.reactionMessage.key))
    await about('edit', { text: 'mejor así' }, e => {
      const edit = (e.editedMessage?.message ?? e).protocolMessage
      return names(edit?.key) && (edit.editedMessage.conversation ?? edit.editedMessage.extendedTextMessage?.text) === 'mejor así'
    })
    await about('revoke', {}, r => names(r.protocolMessage?.key) && !r.protocolMessage.editedMessage)
  }],

  ['numbers are found as people write them', async () => {
    for (const written of ['+54 9 11 0000-0002', '54 (911) 0000.0002', BETO]) {
      const [found] = await companion.sock.onWhatsApp(written)
      must(found?.exists && found.jid === beto.jid, `${written}: ${JSON.stringify(found)}`)
    }
    const nobody = await companion.sock.onWhatsApp('+54 9 11 9999-9999')
    must(!nobody.some(a => a.exists), 'a number that nobody has')
  }],

  ['a phone that lost its sessions asks, and gets the text again: no duplicate', async () => {
    const seen = await between(async () => {
      await beto.do('forget')
      const id = await companion.text(beto.jid, 'otra clave')
      await shown(beto, id, 'otra clave')
    })
    must(seen.some(e => e.kind === 'retry' && e.number === BETO), 'the request is no event')
    must(!seen.some(e => e.kind === 'duplicate' || e.kind === 'empty_participants'), 'the resend was booked as a fault')
  }],

  ['a phone that lost a group\'s keys asks, and gets the text again', async () => {
    const seen = await between(async () => {
      await beto.do('reinstall', { tell: true })
      const id = await companion.text(everybody, 'a todos, de nuevo')
      await shown(beto, id, 'a todos, de nuevo')
    })
    must(seen.some(e => e.kind === 'retry' && e.number === BETO), 'nothing was asked for: the check checks nothing')
    must(!seen.some(e => e.kind === 'duplicate'), 'the resend was booked as a duplicate')
  }],

  ['a companion that lost its sessions asks, and gets the texts again: of a phone, the product, in a group', async () => {
    const forget = () => { companion.keys.forget('session'); companion.keys.forget('sender-key') }
    for (const [text, write] of [
      ['de un teléfono', () => caro.write(ANA, 'de un teléfono')],
      ['del producto', () => world.product.send(ANA, 'del producto')],
      ['de un teléfono, en el grupo', () => caro.write(everybody, 'de un teléfono, en el grupo')],
      ['del producto, en el grupo', () => world.product.send(everybody, 'del producto, en el grupo')]
    ]) {
      // What answers a message that has begun a session begins none, so the loss is felt.
      await beto.shows(await companion.text(beto.jid, 'antes'))
      const first = await caro.write(ANA, 'antes')
      await got(companion, first, 'antes')
      const answer = await companion.text(caro.jid, 'antes')
      await caro.shows(answer)
      forget()
      const seen = await between(async () => { await got(companion, await write(), text) })
      must(!seen.some(e => e.kind === 'ratchet_fork'), `${text}: a fork`)
    }
  }],

  ['a second companion of the product\'s number: contacts that know it learn of it, and both receive', async () => {
    second = await paired(world.number)
    // Ana's companion addresses the product by number, and has its devices in its cache.
    await until('the news to be taken', async () => (await world.queued(companion.device)) === 0)
    const seen = await between(async () => {
      const id = await companion.text(own.jid, 'a los tres')
      await got(second, id, 'a los tres')
      await world.product.received(id)
      await shown(own, id, 'a los tres')
      const phones = await beto.write(world.number, 'del teléfono a los tres')
      await got(second, phones, 'del teléfono a los tres')
      await world.product.received(phones)
    })
    must(!seen.some(e => e.kind === 'missed_devices'), 'a device was left out')
    const id = await world.product.send(BETO, 'lo que manda el producto')
    await got(second, id, 'lo que manda el producto')
    const mine = await second.text(beto.jid, 'lo que manda la segunda')
    await shown(beto, mine, 'lo que manda la segunda')
    must((await own.copies(mine)).text === 'lo que manda la segunda', 'the own phone has no copy')
  }],

  ['what stands beside a ciphertext arrives with it', async () => {
    const poll = await companion.send(own.jid, { poll: { name: 'cuál', values: ['una', 'otra'], selectableCount: 1 } })
    await second.received(poll)
    await world.product.received(poll)
    const meta = second.stanza(poll).content.find(n => n.tag === 'meta')
    must(meta?.attrs.polltype === 'creation', `beside a poll stands ${second.stanza(poll).content.map(n => n.tag)}`)
    // Baileys adds a reporting token of its own to some messages only, by chance.
    const token = Buffer.from('sixteen bytes it')
    const reporting = { tag: 'reporting', attrs: {}, content: [{ tag: 'reporting_token', attrs: { v: '2' }, content: token }] }
    const id = await companion.sock.relayMessage(own.jid, { conversation: 'con constancia' }, { additionalNodes: [reporting] })
    await got(second, id, 'con constancia')
    await world.product.received(id)
    const beside = second.stanza(id).content.find(n => n.tag === 'reporting')
    must(beside && token.equals(beside.content[0].content), `beside a text stands ${second.stanza(id).content.map(n => n.tag)}`)
  }],

  ['what waited comes at the login, then the end mark, then what is new', async () => {
    await companion.end()
    await until('the socket to be gone', async () => !(await world.devices()).find(d => d.device === companion.device).connected)
    const ids = []
    for (let i = 1; i <= 12; i++) ids.push(await beto.write(ANA, `esperó ${i}`))
    ids.push(await world.product.send(ANA, 'esperó 13'))
    const from = companion.log.length
    companion.connect()
    await companion.update('the end of what waited', u => u.receivedPendingNotifications === true, from)
    for (const [i, id] of ids.entries()) await got(companion, id, `esperó ${i + 1}`, from)
    await got(companion, await beto.write(ANA, 'nuevo'), 'nuevo', from)
    await until('the queue to be empty', async () => (await world.queued(companion.device)) === 0)
  }],

  ['of two sockets of one device the first is told that it was replaced', async () => {
    const from = companion.log.length
    const copy = new Companion(ANA, companion).connect()
    await copy.opened()
    const code = await companion.closed(from)
    must(code === DisconnectReason.connectionReplaced, `ended with ${code}`)
    await copy.end()
    const again = companion.log.length
    companion.connect()
    await companion.opened(again)
    const id = await beto.write(ANA, 'sigue')
    await got(companion, id, 'sigue', again)
  }],

  ['a socket that is dropped comes back, and goes on', async () => {
    const from = companion.log.length
    await world.fault({ kind: 'drop', number: ANA })
    await companion.closed(from)
    const again = companion.log.length
    companion.connect()
    await companion.opened(again)
    const id = await companion.text(beto.jid, 'de vuelta')
    await shown(beto, id, 'de vuelta')
  }],

  ['a login that is refused ends with the reason', async () => {
    for (const [fault, code] of [[{ kind: 'fail', code: 403 }, 403], [{ kind: 'ban' }, 402], [{ kind: 'outdated' }, 405]]) {
      await companion.end()
      companion.version = OLD
      await world.fault({ ...fault, number: ANA })
      const turn = companion.log.length
      companion.connect()
      const ended = await companion.closed(turn)
      must(ended === code, `${fault.kind}: ended with ${ended}, not ${code}`)
      await world.noFaults()
      companion.version = undefined
    }
    const again = companion.log.length
    companion.connect()
    await companion.opened(again)
  }],

  ['a companion that is unlinked is told, and not let in again', async () => {
    const from = second.log.length
    await own.unlink(second.device)
    must((await second.closed(from)) === DisconnectReason.loggedOut, 'it was not told that it is logged out')
    await second.end()
    const again = second.log.length
    second.connect()
    must((await second.closed(again)) === DisconnectReason.loggedOut, 'it was let in again')
    await second.end()
    const seen = await between(async () => {
      const id = await companion.text(own.jid, 'a los que quedan')
      await shown(own, id, 'a los que quedan')
      await world.product.received(id)
    })
    must(!seen.some(e => e.kind === 'missed_devices'), 'a device was left out')
  }],

  ['the referee: nothing is left unacknowledged, unknown, used twice or broken', async () => {
    await until('all queues to be empty', async () => (await world.devices()).every(d => d.queued === 0))
    const stats = await world.stats()
    const bad = {}
    for (const key of ['ratchet_forks', 'duplicates', 'empty_participants']) if (stats[key]) bad[key] = stats[key]
    const faults = (await world.events()).filter(e => ['client_error', 'ratchet_fork'].includes(e.kind) ||
      (e.kind === 'unknown' && !e.detail.startsWith('unpaired')))
    must((await world.product.status()).state === 'READY', 'the product is not READY')
    must(Object.keys(bad).length === 0 && faults.length === 0, JSON.stringify({ ...bad, faults: faults.slice(0, 8) }))
  }]
]
