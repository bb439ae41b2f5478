package session

import (
	"errors"
	"testing"
)

// An ID stands for one cliente, one key and one body: the same for the same, whoever derives it.
func TestMessageIDs(t *testing.T) {
	body, other := [32]byte{1}, [32]byte{2}
	id := messageID(51, "k", body)
	if id != messageID(51, "k", body) || len(id) != 22 || id[:4] != "3EB0" {
		t.Errorf("%q", id)
	}
	for _, different := range []string{messageID(52, "k", body), messageID(51, "l", body), messageID(51, "k", other)} {
		if different == id {
			t.Errorf("%q twice", id)
		}
	}
}

func TestParseRecipient(t *testing.T) {
	for text, want := range map[string]string{
		"5491100000001":                 "5491100000001@s.whatsapp.net",
		"+54 911 0000-0001":             "5491100000001@s.whatsapp.net",
		"5491100000001@c.us":            "5491100000001@s.whatsapp.net",
		"5491100000001@s.whatsapp.net":  "5491100000001@s.whatsapp.net",
		"120363000000000000@g.us":       "120363000000000000@g.us",
		"5491100000001-1600000000@g.us": "5491100000001-1600000000@g.us",
	} {
		if got, err := ParseRecipient(text); err != nil || got.String() != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "abc", "123", "5491100000001x", "@c.us", "5491100000001@lid", "a@g.us", "54911000000011234567", "++549110000001"} {
		if got, err := ParseRecipient(text); !errors.Is(err, ErrInvalidRecipient) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}
