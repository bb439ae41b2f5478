package emulator

import (
	"fmt"
	"strings"

	"go.mau.fi/whatsmeow/types"
)

// digits returns the digits of a number as people write it, "+49 1520 000702": a JID holds nothing
// else.
func digits(written string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, written)
}

// writtenLikeANumber reports whether a text holds nothing but digits and what people put between
// them: blanks, signs, and the marks that text copied from an address book brings along.
func writtenLikeANumber(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && !strings.ContainsRune("+-./() \t\u00a0\u2009\u202a\u202b\u202c\u2011", r)
	}) < 0
}

// written returns the digits of a number as people write it, and anything else as it is.
func written(number string) string {
	if writtenLikeANumber(number) {
		return digits(number)
	}
	return number
}

// accountByNumber finds an account by its number as people write it, or by one of its JIDs.
func (e *Emulator) accountByNumber(number string) (*account, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.accountByNumberLocked(number)
}

func (e *Emulator) accountByNumberLocked(number string) (*account, error) {
	j := types.NewJID(number, types.DefaultUserServer)
	if strings.Contains(number, "@") {
		var err error
		if j, err = types.ParseJID(number); err != nil {
			return nil, fmt.Errorf("%w: JID %q: %w", ErrBadInput, number, err)
		}
	}
	if j.Server != types.HiddenUserServer {
		j.User = written(j.User)
	}
	if a := e.accountLocked(j); a != nil {
		return a, nil
	}
	if j.Server == types.DefaultUserServer {
		if err := checkNumber(j.User); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: phone %s", ErrNotFound, number)
}
