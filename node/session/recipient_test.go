package session

import "testing"

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
