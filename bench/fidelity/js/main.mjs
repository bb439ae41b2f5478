// Runs all checks, and ends with 1 if one has failed.
import './strict.mjs'
import { WA_CERT_DETAILS } from './companion.mjs'
import { checks } from './checks.mjs'
import { world } from './world.mjs'

WA_CERT_DETAILS.PUBLIC_KEY = world.rootKey // instead of WhatsApp's own

let failed = 0
// Baileys leaves promises alone where its socket has ended; a failure that matters is a check's.
process.on('unhandledRejection', () => {})
for (const [title, check] of checks) {
  const begun = performance.now()
  let why
  try { await check() } catch (error) { why = error }
  const took = `${Math.round(performance.now() - begun)} ms`
  if (why) failed++
  process.stdout.write(why ? `failed  ${title} (${took})\n        ${String(why.stack ?? why).split('\n').slice(0, 6).join('\n        ')}\n` : `ok      ${title} (${took})\n`)
}
process.stdout.write(failed ? `${failed} of ${checks.length} checks failed\n` : `all ${checks.length} checks hold\n`)
process.exit(failed ? 1 : 0)
