// Package node is one node of the cluster, put together: all nodes are identical.
//
// Where to look:
//   - Run: the recipe, from listeners to the drain;
//   - keeper: the clientes that this node owns, or is about to; it drives ownership.Machine;
//   - leaser: the node's one lease, its clock and its end;
//   - sweeper: what should run here and does not (protocol rule 10), and strays (rule 6);
//   - witness: sees other processes end, and says so (rule 9);
//   - binding: etcd and the store, and whether they still belong together (rules 1 and 13);
//   - placement: who should try first, from gossip and etcd (rule 8);
//   - directory: what the router asks: where a cliente is, and its session;
//   - cleaner: what is old in the store;
//   - adapters: between the siblings, which do not know one another.
//
// Data flows one way: etcd's view and gossip -> placement -> sweeper, router -> keeper ->
// etcd, store, session.
package node
