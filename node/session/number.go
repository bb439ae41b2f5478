package session

import (
	"strings"
	"unicode"
)

// asPasted is a number without what people and programs write between its digits: all kinds of blanks
// and dashes, dots, brackets, slashes, and the marks of text direction that phones' address books copy along
// (U+202A to U+202C and their like). A leading + goes too. Everything else stays, for who refuses it.
func asPasted(number string) string {
	number = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Pd, r) || strings.ContainsRune("./()\u2212", r) { // dashes; the last one is a minus
			return -1
		}
		return r
	}, visible(number))
	return strings.TrimPrefix(number, "+")
}

// visible is a text without what nobody sees.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.Is(unicode.Zs, r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, text)
}
