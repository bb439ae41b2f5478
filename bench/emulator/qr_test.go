package emulator

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/skip2/go-qrcode"
)

// Every code must be read, at every size and redundancy that a screen shows it in: one in a
// thousand that is not would be a pairing that fails for no reason.
func TestPicturesAreReadAtEverySize(t *testing.T) {
	base64Key := func() string { return base64.StdEncoding.EncodeToString(random(32)) }
	rounds := 5
	if raceEnabled {
		rounds = 1
	}
	for _, level := range []qrcode.RecoveryLevel{qrcode.Low, qrcode.Medium, qrcode.High} {
		for _, size := range []int{200, 256, 300, 320, 400, 512, -3, -8} {
			for range rounds {
				text := qrURL + "2@" + base64.RawStdEncoding.EncodeToString(random(48)) + "," + strings.Join([]string{base64Key(), base64Key(), base64Key(), "1"}, ",")
				png, err := qrcode.Encode(text, level, size)
				if err != nil {
					t.Fatal(err)
				}
				got, err := readPicture(png)
				if err != nil || got != text {
					t.Fatalf("level %d, size %d: %v", level, size, err)
				}
				if _, err := readCode(base64.StdEncoding.EncodeToString(png)); err == nil {
					continue
				}
				t.Fatalf("bare base64 was not taken")
			}
		}
	}
}
