// Package cluster runs a whole cluster on this machine out of the real programs: nodes, etcd,
// a credential store and the WhatsApp emulator, each a process of its own. The end-to-end
// tests, the demo and the benchmarks share it.
//
// Every process leads a process group and dies with the process that started it (Pdeathsig),
// so that a test which is killed leaves nothing; Close kills what is left and waits for all of
// it. What a process prints goes to a file of its name in Cluster.Dir, and the end of that
// file into the error of whatever went wrong with it.
//
// Addresses are chosen once and kept over restarts, as a service manager would do it: a node
// that comes back has the name, the addresses and the data directory that it had.
package cluster
