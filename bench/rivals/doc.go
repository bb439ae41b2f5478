// Package rivals runs what a user would pick instead of the product, or of a part of it, each as
// processes of its own on loopback, configured as a good operator would: nginx and HAProxy
// that forward by the cliente's header, the Express server that the product replaces, and two of
// fasthttp for orientation, a server that does nothing but answer and a proxy of a few lines.
//
// nginx, HAProxy and Express are Debian's (deploy/install.sh); those of fasthttp are commands of
// the bench program itself.
package rivals
