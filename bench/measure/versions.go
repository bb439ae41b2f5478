package measure

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// versionTimeout bounds how long a program may take to tell its version.
const versionTimeout = 5 * time.Second

// Versions are those of the product, of Go, and of everything that is compared with. What is not
// installed is left out.
func Versions(ctx context.Context, binDir string) map[string]string {
	all := map[string]string{"go": strings.TrimPrefix(runtime.Version(), "go")}
	number := regexp.MustCompile(`\d+(\.\d+)+\S*`)
	word := regexp.MustCompile(`\S+$`)
	postgres, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres") // the pattern is fine
	for _, p := range []struct {
		name   string
		finds  *regexp.Regexp
		places []string
		flag   string
	}{
		{"session-manager", word, []string{filepath.Join(binDir, "session-manager")}, "version"},
		{"nginx", number, []string{"nginx", "/usr/sbin/nginx"}, "-v"},
		{"haproxy", number, []string{"haproxy", "/usr/sbin/haproxy"}, "-v"},
		{"node", number, []string{"node"}, "--version"},
		{"postgres", number, append(postgres, "postgres"), "--version"},
	} {
		for _, place := range p.places {
			if v := ask(ctx, p.finds, place, p.flag); v != "" {
				all[p.name] = v
				break
			}
		}
	}
	if raw, err := os.ReadFile("/usr/share/nodejs/express/package.json"); err == nil {
		var about struct{ Version string }
		if json.Unmarshal(raw, &about) == nil && about.Version != "" {
			all["express"] = about.Version
		}
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			switch m.Path {
			case "go.mau.fi/whatsmeow", "github.com/valyala/fasthttp", "github.com/buraksezer/consistent":
				all[filepath.Base(m.Path)] = m.Version
			}
		}
	}
	return all
}

// ask runs a program for its version; "" where there is none.
func ask(ctx context.Context, finds *regexp.Regexp, program, flag string) string {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, flag).CombinedOutput() // nginx tells on standard error
	if err != nil {
		return ""
	}
	for len(out) > 0 && out[len(out)-1] == '\n' {
		out = out[:len(out)-1]
	}
	return string(finds.Find(out))
}
