package api

import (
	"regexp"
	"strings"
)

// revealing are the parts of an error's text that say how a node is built: where its store, etcd and other
// nodes are, and what they are called. Callers are told what is wrong; operators read the rest in the
// log and at /cluster.
var revealing = regexp.MustCompile(strings.Join([]string{
	`[A-Za-z][A-Za-z0-9+.-]*://[^\s"'` + "`" + `,;)]+`,                                  // URLs
	`\b(?:user|username|database|dbname|host|hostaddr|password)=[^\s"'` + "`" + `,;)]*`, // as pgx says it
	`\b(?:user|role|database|host|schema|server|table|relation) "[^"]*"`,                // as Postgres says it
	`\blookup [^\s:]+`, // of a name
	`\[[0-9A-Fa-f:.]+(?:%\w+)?\](?::\d{1,5})?(?: \([^)\s]*\))?`, // IPv6 addresses
	`\b[0-9A-Fa-f]{0,4}(?:::?[0-9A-Fa-f]{1,4}){3,7}\b`,          // the same, bare
	`\b\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?\b(?: \([^)\s]*\))?`, // IPv4 addresses
	`\b[A-Za-z][A-Za-z0-9.-]*:\d{2,5}\b`,                        // names with ports
	`(?:/[\w.@-]+){2,}/?`,                                       // files
}, "|"))

// Discreet is an error's text for callers.
func Discreet(text string) string {
	if !strings.ContainsAny(text, `:=/".`) {
		return text
	}
	return revealing.ReplaceAllStringFunc(text, func(part string) string {
		word, _, named := strings.Cut(part, " ")
		named = named && !strings.HasSuffix(part, ")") // an address, and the name that it was looked up by
		name, _, isSetting := strings.Cut(part, "=")
		switch {
		case strings.HasSuffix(part, "whatsapp.com"), strings.HasSuffix(part, "whatsapp.net"):
			return part // everybody's
		case strings.Contains(part, "://"):
			return "…"
		case named:
			return word + " …"
		case isSetting:
			return name + "=…"
		}
		return "…"
	})
}
