package main

import (
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"session-manager/node"
)

// exposed returns why others than this user can read or change what a path names; "": they cannot. A file of
// another user's is left to that one, as are secrets that a container is given.
func exposed(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	about, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(about.Uid) != os.Geteuid() {
		return ""
	}
	const readByAll, writtenByOthers = 0o004, 0o022
	mode := info.Mode().Perm()
	switch {
	case mode&writtenByOthers != 0:
		return fmt.Sprintf("%s can be changed by other users of this machine (mode %04o)", path, mode)
	case mode&readByAll == 0:
		return ""
	case info.IsDir():
		return fmt.Sprintf("%s can be read by other users of this machine (mode %04o)", path, mode)
	}
	// Nobody reads a file in a directory that he does not get into.
	if dir, err := os.Stat(filepath.Dir(path)); err == nil && dir.Mode().Perm()&0o001 == 0 {
		return ""
	}
	return fmt.Sprintf("%s can be read by other users of this machine (mode %04o)", path, mode)
}

// secretPaths are the files and directories of a node that are nobody else's business.
func (c *serveCmd) secretPaths(o node.Options) []string {
	paths := []string{
		c.ClusterSecretFile, c.ClusterSecretAlso, c.EtcdPasswordFile, c.StorePasswordFile, c.EtcdKey, c.TLS.Key, c.TLS.PeerKey, c.APIKeysFile,
		o.Data, filepath.Join(o.Data, "secret"), filepath.Join(o.Data, "store.db"),
	}
	if file, ok := strings.CutPrefix(o.Store, "sqlite:"); ok {
		paths = append(paths, strings.TrimPrefix(file, "//"))
	}
	if u, err := url.Parse(o.Store); err == nil && u.Scheme != "sqlite" {
		paths = append(paths, u.Query().Get("passfile"), u.Query().Get("sslkey"))
	}
	paths = slices.DeleteFunc(paths, func(p string) bool { return p == "" })
	slices.Sort(paths)
	return slices.Compact(paths)
}

// warnExposed says which secrets of a node lie open.
func (c *serveCmd) warnExposed(o node.Options, args []string, log *slog.Logger) {
	for _, path := range c.secretPaths(o) {
		if why := exposed(path); why != "" {
			log.Warn("a secret lies open: chmod it, 0600 for a file and 0700 for a directory", "why", why)
		}
	}
	if u, err := url.Parse(c.Store); err == nil && u.User != nil {
		if _, has := u.User.Password(); has && slices.ContainsFunc(args, func(a string) bool { return strings.Contains(a, c.Store) }) {
			log.Warn("--store holds a password, which everybody on this machine reads who lists its processes: " +
				"use ?passfile=FILE in it, SESSION_MANAGER_STORE, or --config")
		}
	}
}
