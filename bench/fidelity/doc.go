// Package fidelity holds the emulator against a client that is not whatsmeow: Baileys, unmodified, beside the
// product and the emulator's own phones. Emulator and product are built on whatsmeow, so what they agree upon may
// be wrong in both; Baileys was written by others against the real WhatsApp, and is stricter in places.
//
// The checks are in js/checks.mjs, in the order in which they run, each on what those before it have left. Node.js
// runs them in a process of its own; this package starts what they act on, and ends it. Baileys and its
// dependencies are pinned by js/package-lock.json, installed by npm, and a judge alone: nothing of them is linked
// into a program of ours or shipped with one. That matters for one of them, libsignal, which is GPL-3.0.
package fidelity
