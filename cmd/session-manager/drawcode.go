package main

import (
	"encoding/base64"
	"errors"
	"image"
	"image/png"
	"strings"
)

// finder is the width of the squares in a QR code's corners, in modules (ISO/IEC 18004, section 5.3.2).
const finder = 7

var errPicture = errors.New("the node's picture is no QR code")

// drawCode draws the picture of a QR code in characters, two rows of modules a line: what is light is drawn,
// what is dark is left blank, so that it is right on a terminal with light letters on dark ground.
func drawCode(url string) (string, error) {
	text, ok := strings.CutPrefix(url, "data:image/png;base64,")
	if !ok {
		return "", errPicture
	}
	picture, err := png.Decode(base64.NewDecoder(base64.StdEncoding, strings.NewReader(text)))
	if err != nil {
		return "", errors.Join(errPicture, err)
	}
	side := picture.Bounds().Dx()
	margin, width := firstSquare(picture)
	scale := width / finder
	if scale == 0 || side != picture.Bounds().Dy() || (side-2*margin)%scale != 0 {
		return "", errPicture
	}
	modules, quiet := (side-2*margin)/scale, min(margin/scale, 4)
	light := func(x, y int) bool {
		if x < 0 || y < 0 || x >= modules || y >= modules {
			return true
		}
		return !dark(picture, margin+x*scale+scale/2, margin+y*scale+scale/2)
	}
	var b strings.Builder
	for y := -quiet; y < modules+quiet; y += 2 {
		for x := -quiet; x < modules+quiet; x++ {
			b.WriteString([]string{" ", "▄", "▀", "█"}[index(light(x, y))*2+index(light(x, y+1))])
		}
		b.WriteByte('\n')
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// firstSquare finds the square in the top left corner: how far it is from the edges, and how wide.
func firstSquare(picture image.Image) (margin, width int) {
	side := picture.Bounds().Dx()
	for margin < side && !dark(picture, margin, margin) {
		margin++
	}
	for margin+width < side && dark(picture, margin+width, margin) {
		width++
	}
	return margin, width
}

func dark(picture image.Image, x, y int) bool {
	at := picture.Bounds().Min
	r, g, b, _ := picture.At(at.X+x, at.Y+y).RGBA()
	return r+g+b < 3*0x8000
}

func index(b bool) int {
	if b {
		return 1
	}
	return 0
}
