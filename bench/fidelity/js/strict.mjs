// As it comes, Baileys believes every signature: libsignal's verifySignature returns false, and
// Baileys waits for an exception. A judge has to look, so here false throws. This module must be
// imported before Baileys, which copies the function.
import { createRequire } from 'node:module'

const curve = createRequire(import.meta.url)('libsignal/src/curve.js')
const verify = curve.verifySignature

curve.verifySignature = (...args) => {
  if (!verify(...args)) throw new Error('a signature does not verify')
  return true
}

// libsignal prints keys; what this program has to say goes to standard output by itself.
for (const level of ['log', 'info', 'warn', 'error', 'debug']) console[level] = () => {}
