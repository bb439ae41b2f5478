package api

import (
	"strings"
	"testing"
)

// Callers learn what is wrong, and not how a node is built.
func TestFaultC10Discreet(t *testing.T) {
	for text, want := range map[string]string{
		"failed to connect to `user=sm database=prod`: 10.1.2.3:5432 (pg.internal): dial error: dial tcp 10.1.2.3:5432: connect: connection refused": "connection refused",
		"failed to connect to `host=pg.internal user=sm database=prod`: hostname resolving error: lookup pg.internal on 10.0.0.2:53: no such host":   "no such host",
		`FATAL: password authentication failed for user "sm" (SQLSTATE 28P01)`:                                                                       "password authentication failed for user … (SQLSTATE 28P01)",
		`FATAL: database "prod" does not exist (SQLSTATE 3D000)`:                                                                                     "does not exist (SQLSTATE 3D000)",
		`no pg_hba.conf entry for host "fd00::2", user "sm", database "prod", no encryption`:                                                         "no pg_hba.conf entry for host …",
		"cannot open postgres://sm:secret@pg.internal:5432/prod?sslmode=disable: timeout":                                                            "cannot open … timeout",
		"etcd http://etcd1.internal:2379,http://10.9.8.7:2379: context deadline exceeded":                                                            "context deadline exceeded",
		"dial tcp [fd00::2]:5432: i/o timeout":                                                                                                       "dial tcp …: i/o timeout",
		"dial tcp fd00:1:2:3::4: i/o timeout":                                                                                                        "dial tcp …",
		"node at node7.internal:7001: it does not own the cliente, or not yet":                                                                       "node at …: it does not own the cliente, or not yet",
		"open /var/lib/sm/store.db: disk full":                                                                                                       "open …: disk full",
	} {
		got := Discreet(text)
		if !strings.Contains(got, want) {
			t.Errorf("%q becomes %q, want %q in it", text, got, want)
		}
		for _, secret := range []string{"internal", "sm", "prod", "secret", "10.", "fd00", "7001", "5432", "/var", "2379"} {
			if strings.Contains(strings.ReplaceAll(got, "i/o", ""), secret) {
				t.Errorf("%q becomes %q, which tells %q", text, got, secret)
			}
		}
	}
	for _, text := range []string{
		"this node holds no lease yet", "WhatsApp session not ready. Current state: QR_REQUIRED", "etcd's space quota is used up: raise --quota-backend-bytes, then compact (NOSPACE)",
		"check this machine's way to https://web.whatsapp.com", "raise the limit (ulimit -n, LimitNOFILE) or add nodes: 46", "No owner for this session yet: no owner in time",
		"CODE: what went wrong at 2026-11-29T03:20:52Z",
	} {
		if got := Discreet(text); got != text {
			t.Errorf("%q becomes %q", text, got)
		}
	}
}
