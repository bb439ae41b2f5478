// Package demo is the product's main job in one run, without a phone or an account: three
// nodes, etcd, a credential store and the WhatsApp emulator as processes of this machine, and
// what a cluster is for, shown step by step with its figures.
//
// Every step checks what it claims, by what the emulated phones received and what the
// emulator's referee saw, not by what the nodes say of themselves. The first step that does
// not hold ends the run.
package demo
