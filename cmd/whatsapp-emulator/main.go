// Command whatsapp-emulator stands in for WhatsApp: its server, its phones and a referee, in
// one process, in memory. It serves the websocket at /ws/chat and the control API on the same
// port, and prints one line when it does:
//
//	ready listen=ADDR root_key=HEX
//
// SIGTERM and SIGINT end it with exit code 0.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"session-manager/bench/emulator"
)

func main() { os.Exit(run()) }

func run() int {
	flags := flag.NewFlagSet("whatsapp-emulator", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:4000", "address to serve on; port 0 is any free one")
	seed := flags.String("root-seed", "", "text that fixes the root key; empty: a new key at each start")
	level := flags.String("log-level", "warn", "debug, info, warn or error; to standard error")
	few := flags.Bool("few-prekeys", false, "let new devices upload 50 one-time keys instead of 812: pairing costs an eighth")
	first := flags.Duration("qr-first", time.Minute, "how long the first QR code of a pairing can be scanned")
	next := flags.Duration("qr-next", 20*time.Second, "how long each further QR code can be scanned")
	if err := flags.Parse(os.Args[1:]); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if *first <= 0 || *next <= 0 {
		fmt.Fprintln(os.Stderr, "whatsapp-emulator: --qr-first and --qr-next: want a time above 0, such as 20s")
		return 2
	}
	var threshold slog.Level
	if err := threshold.UnmarshalText([]byte(*level)); err != nil {
		fmt.Fprintln(os.Stderr, "whatsapp-emulator: --log-level:", err)
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "whatsapp-emulator: unexpected argument:", flags.Arg(0))
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	e, err := emulator.New(emulator.Options{
		Log:         slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: threshold})),
		RootKeySeed: []byte(*seed),
		FewPrekeys:  *few,
		QRFirst:     *first,
		QRNext:      *next,
	})
	if err == nil {
		err = e.Start(*listen)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "whatsapp-emulator: --listen:", err)
		return 1
	}
	fmt.Printf("ready listen=%s root_key=%s\n", e.Addr(), e.About().RootKey)
	<-ctx.Done()
	if err := e.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "whatsapp-emulator:", err)
		return 1
	}
	return 0
}
