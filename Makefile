# The targets are described in README.md.

GO      ?= go
VERSION ?= $(shell git describe --always --dirty 2>/dev/null || echo dev)
BIN     := bin
# All of staticcheck but the rules on how comments begin (ours say what, not the name first).
CHECKS  := all,-ST1000,-ST1003,-ST1016,-ST1020,-ST1021,-ST1022
LDFLAGS := -s -w -X main.version=$(VERSION)
STATIC  := CGO_ENABLED=0 $(GO) build -trimpath -ldflags "$(LDFLAGS)"

.PHONY: build run demo fidelity test check licenses bench secrets image compose-test clean

# Static binaries. etcd is the stock server, for clusters of processes on one machine.
build:
	@mkdir -p $(BIN)
	$(STATIC) -o $(BIN)/session-manager ./cmd/session-manager
	$(STATIC) -o $(BIN)/whatsapp-emulator ./cmd/whatsapp-emulator
	$(STATIC) -o $(BIN)/bench ./cmd/bench
	$(STATIC) -o $(BIN)/etcd go.etcd.io/etcd/server/v3

# One node against the real WhatsApp.
run: build
	$(BIN)/session-manager serve --data ./data

# The whole product in one command, without a phone. KEEP=1 leaves it running.
demo: build
	$(BIN)/bench demo --bin-dir $(BIN) $(if $(KEEP),--keep)

# Holds the emulator against Baileys, a WhatsApp client that is not whatsmeow: it pairs, writes, loses its
# keys, is kicked and unlinked beside the product. Needs Node.js 20 and npm, which gets what the lock file pins.
fidelity: build
	deploy/install.sh npm
	cd bench/fidelity/js && npm ci --ignore-scripts
	$(BIN)/bench fidelity --bin-dir $(BIN)

# All tests, with the race detector, a real etcd and a real Postgres.
test: build
	deploy/install.sh gcc postgres network nginx haproxy node-express pgbouncer openssl
	$(GO) test -race -p 1 -timeout 20m ./...
	deploy/coverage.sh 95 ./ring ./node/ownership

check:
	@unformatted=$$(gofmt -l bench cmd node ring router); test -z "$$unformatted" || { echo "not formatted: $$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck -checks "$(CHECKS)" ./...
	$(GO) mod verify
	$(GO) mod tidy -diff
	$(GO) test ./cmd/session-manager -run 'TestDependencies'
	$(GO) run ./cmd/licenses --check

# Writes the notices anew, after go.mod has changed.
licenses:
	$(GO) run ./cmd/licenses

# Measures the product beside what a user would pick instead, and writes bench/out/<date>/report.md,
# .json and plots. QUICK=1: minutes, for orientation.
bench: build
	deploy/install.sh postgres nginx haproxy node-express
	$(BIN)/bench measure --bin-dir $(BIN) $(if $(QUICK),--quick)

# What the containers keep secret.
secrets: build
	deploy/secrets.sh

image:
	docker build -f deploy/Dockerfile -t session-manager:local --build-arg VERSION=$(VERSION) .

# The containers, used through their load balancer while they are disturbed. Needs Docker, and
# root on Debian where images cannot be pulled.
compose-test: build
	deploy/compose-test.sh

clean:
	rm -rf $(BIN)
