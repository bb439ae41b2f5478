// Package growth measures a cluster as its nodes come and go, and as it grows: what an account's
// users notice of a node's death and of a planned move, and what a request costs with more nodes.
// Deaths and moves are those of package faults, at sizes of their own.
package growth
