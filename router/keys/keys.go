// Package keys holds the API keys of the public port: who may call, and for which clientes.
//
// A key is 32 random bytes, shown once when it is made. The file keeps its SHA-256 alone: a
// key has the full entropy of the hash, so nothing slower is needed to keep it from being
// guessed, and a request costs one hash. One line a key:
//
//	NAME SHA256HEX CLIENTES [SCOPES]     CLIENTES: "*", or numbers separated by commas
//
// Without SCOPES the key is for all that there is: with "*", for the operator's routes too. The one list of scopes
// that can stand there now is what all but the operator have.
//
// Blank lines and lines that begin with # are skipped.
package keys

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"session-manager/node/ownership"
)

var (
	// ErrMalformed: a line of the file cannot be read. The error names the line.
	ErrMalformed = errors.New("malformed keys file")
	// ErrNameTaken: there is a key of that name already.
	ErrNameTaken = errors.New("a key of that name exists")
	// ErrUnknownName: there is no key of that name.
	ErrUnknownName = errors.New("no key of that name")
	// ErrInvalidName: a name is 1 to 64 letters, digits, dots, dashes and underscores.
	ErrInvalidName = errors.New("a key's name is 1 to 64 letters, digits, dots, dashes and underscores")
)

// scopes are those of every key but the operator's.
const scopes = "read,send,control,webhooks"

// Grant is what one key allows.
type Grant struct {
	Name     string
	All      bool                // every cliente
	Operator bool                // the operator's routes too; only where All
	Clientes []ownership.Cliente // sorted; where not All
	hash     [sha256.Size]byte
}

// Allows says whether the key is bound to the cliente.
func (g *Grant) Allows(c ownership.Cliente) bool {
	if g.All {
		return true
	}
	_, found := slices.BinarySearch(g.Clientes, c)
	return found
}

// Set is the content of a keys file.
type Set []*Grant

// Check finds the grant of a key, nil where there is none. It takes the same time wherever
// in the set the key stands, and for a key that is not in it.
func (s Set) Check(key []byte) *Grant {
	hash := sha256.Sum256(key)
	var found *Grant
	for _, g := range s {
		if subtle.ConstantTimeCompare(hash[:], g.hash[:]) == 1 {
			found = g
		}
	}
	return found
}

// Parse reads the text of a keys file.
func Parse(text string) (Set, error) {
	var s Set
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		g, err := parseLine(line)
		if err == nil && s.find(g.Name) >= 0 {
			err = ErrNameTaken
		}
		if err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrMalformed, number, err)
		}
		s = append(s, g)
	}
	return s, nil
}

func parseLine(line string) (*Grant, error) {
	fields := strings.Fields(line)
	if len(fields) != 3 && len(fields) != 4 {
		return nil, errors.New("want NAME SHA256HEX CLIENTES [SCOPES]")
	}
	if len(fields) == 4 && fields[3] != scopes {
		return nil, fmt.Errorf("scopes %q: this release knows %s alone", fields[3], scopes)
	}
	g := &Grant{Name: fields[0]}
	if !validName(g.Name) {
		return nil, ErrInvalidName
	}
	hash, err := hex.DecodeString(fields[1])
	if err != nil || len(hash) != len(g.hash) {
		return nil, errors.New("the second field is not a SHA-256 in hex")
	}
	copy(g.hash[:], hash)
	g.All, g.Clientes, err = ParseClientes(fields[2])
	g.Operator = g.All && len(fields) == 3
	return g, err
}

// ParseClientes reads "*" (all) or cliente numbers separated by commas.
func ParseClientes(text string) (all bool, clientes []ownership.Cliente, err error) {
	if text == "*" {
		return true, nil, nil
	}
	for field := range strings.SplitSeq(text, ",") {
		c, err := ownership.ParseCliente(field)
		if err != nil {
			return false, nil, err
		}
		clientes = append(clientes, c)
	}
	slices.Sort(clientes)
	return false, slices.Compact(clientes), nil
}

func validName(name string) bool {
	if name == "" || len(name) > 64 {
		return false
	}
	return strings.IndexFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' || r == '_')
	}) < 0
}

func (s Set) find(name string) int {
	return slices.IndexFunc(s, func(g *Grant) bool { return g.Name == name })
}

// String is the text of the file.
func (s Set) String() string {
	var b strings.Builder
	for _, g := range s {
		fmt.Fprintf(&b, "%s %s %s", g.Name, hex.EncodeToString(g.hash[:]), g.Scope())
		if g.All && !g.Operator {
			b.WriteString(" " + scopes) // three fields are what the release before reads
		}
		b.WriteString("\n")
	}
	return b.String()
}

// Scope is "*", or the clientes separated by commas.
func (g *Grant) Scope() string {
	if g.All {
		return "*"
	}
	names := make([]string, len(g.Clientes))
	for i, c := range g.Clientes {
		names[i] = c.String()
	}
	return strings.Join(names, ",")
}
