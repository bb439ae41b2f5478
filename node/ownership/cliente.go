package ownership

import (
	"fmt"
	"strconv"
	"strings"
)

// Cliente names a tenant: one WhatsApp account. Valid values are 1 to MaxCliente.
type Cliente int64

// MaxCliente is 2^53-1, the largest integer that JSON callers hold exactly
// (ECMAScript Number.MAX_SAFE_INTEGER).
const MaxCliente Cliente = 1<<53 - 1

// ParseCliente reads a decimal positive integer of digits only, 1 to MaxCliente, as
// callers write it in X-Cliente-Id. "+5", " 5", "1e3", "51abc" and "0" are
// ErrInvalidCliente; leading zeros are accepted.
func ParseCliente(s string) (Cliente, error) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, invalid(s)
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 || Cliente(n) > MaxCliente {
		return 0, invalid(s)
	}
	return Cliente(n), nil
}

// invalid copies s, which is otherwise looked at and no more: a valid one costs no allocation.
func invalid(s string) error {
	return fmt.Errorf("cliente %q: %w", strings.Clone(s), ErrInvalidCliente)
}

// String is the decimal form that ParseCliente reads.
func (c Cliente) String() string { return strconv.FormatInt(int64(c), 10) }
