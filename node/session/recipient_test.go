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

// Numbers come as people paste them: from address books, web pages and other programs.
func TestFaultD2NumbersAsPasted(t *testing.T) {
	const want = "5491100000001@s.whatsapp.net"
	for _, text := range []string{
		"+54 (9) 11.0000.0001", "\u202a+54 9 11 0000-0001\u202c", "\u202b5491100000001\u202c", "\u00a05491100000001\u00a0", "54\u00a09\u00a011\u00a000000001",
		"+54\u202f911\u20070000\u20090001", "\u2068+5491100000001\u2069", "\ufeff5491100000001", "54\u200b91100000001", "+54 9 11 0000\u20130001", "+54\u20119\u221211 0000 0001",
		"+54/911/00000001", "5491100000001 @c.us", "+54 9 11 0000-0001 @c.us", "5491100000001@C.US", " 5491100000001@s.whatsapp.net\u202c", "\t5491100000001\n",
	} {
		if got, err := ParseRecipient(text); err != nil || got.String() != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	if got, err := ParseRecipient(" 5491100000001-1600000000 @g.us "); err != nil || got.String() != "5491100000001-1600000000@g.us" {
		t.Errorf("a group: %v, %v", got, err)
	}
	for _, text := range []string{"005491100000001", "01155550001", "+0049301234567", "0@c.us", "005491100000001@c.us", "+54+911", "5491100000001,5491100000002", "5491100000001;", "٥٤٩١١٠٠٠٠٠٠٠١",
		"5491100000001@evil", "5491100000001@c.us@g.us", "(+)", "+"} {
		if got, err := ParseRecipient(text); !errors.Is(err, ErrInvalidRecipient) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}
