package gossip

import (
	"context"
	"log/slog"
	"strings"
)

// logWriter turns memberlist's lines, "... [WARN] memberlist: text", into records.
type logWriter struct{ log *slog.Logger }

func (w logWriter) Write(p []byte) (int, error) {
	line := oneLine(string(p))
	level := slog.LevelDebug
	for tag, l := range map[string]slog.Level{"[WARN] ": slog.LevelWarn, "[ERR] ": slog.LevelWarn, "[INFO] ": slog.LevelDebug, "[DEBUG] ": slog.LevelDebug} {
		if _, rest, ok := strings.Cut(line, tag); ok {
			line, level = rest, l
			if strings.Contains(line, "Conflicting address for ") {
				level = slog.LevelDebug // NotifyConflict tells, once
			}
			break
		}
	}
	w.log.Log(context.Background(), level, "gossip", "text", strings.TrimPrefix(line, "memberlist: "))
	return len(p), nil
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
