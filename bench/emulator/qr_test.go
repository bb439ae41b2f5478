package emulator

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/skip2/go-qrcode"
	"rsc.io/qr"
)

// Every code must be read, at every size and redundancy that a screen shows it in and from either
// of two libraries: one in a thousand that is not would be a pairing that fails for no reason.
func TestPicturesAreReadAtEverySize(t *testing.T) {
	rounds := 5
	if raceEnabled {
		rounds = 1
	}
	for range rounds {
		for _, level := range []qrcode.RecoveryLevel{qrcode.Low, qrcode.Medium, qrcode.High} {
			for _, size := range []int{200, 256, 300, 320, 400, 512, -3, -8} {
				text := someCode()
				png, err := qrcode.Encode(text, level, size)
				if err != nil {
					t.Fatal(err)
				}
				wantRead(t, png, text)
			}
		}
		for _, level := range []qr.Level{qr.L, qr.M, qr.Q} {
			for scale := range 8 {
				text := someCode()
				picture, err := qr.Encode(text, level)
				if err != nil {
					t.Fatal(err)
				}
				picture.Scale = scale + 2
				wantRead(t, picture.PNG(), text)
			}
		}
	}
}

func someCode() string {
	key := func() string { return base64.StdEncoding.EncodeToString(random(32)) }
	return qrURL + "2@" + base64.RawStdEncoding.EncodeToString(random(48)) + "," + strings.Join([]string{key(), key(), key(), "1"}, ",")
}

func wantRead(t *testing.T, png []byte, text string) {
	t.Helper()
	if got, err := readPicture(png); err != nil || got != text {
		t.Fatalf("%d bytes of picture: %v", len(png), err)
	}
	if _, err := readCode(base64.StdEncoding.EncodeToString(png)); err != nil {
		t.Fatalf("bare base64 was not taken: %v", err)
	}
}
