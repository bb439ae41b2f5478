// Package placement measures the ring by itself: how much of a cluster a join or a leave moves,
// how evenly clientes are spread over 1 to 1,000 nodes, and what the ring costs to build and to
// ask. It is simulated: clientes are numbers, and no process is started.
package placement
