package emulator

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/draw"
	_ "image/png" // the pictures are PNGs
	"strings"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
	"github.com/makiuchi-d/gozxing/qrcode/decoder"
)

// qrCode is what a linked-device QR code says.
type qrCode struct {
	ref             string
	noise, identity [32]byte
	advSecret       []byte
}

// qrURL is what the code begins with in current clients; older ones show the bare fields.
const qrURL = "https://wa.me/settings/linked_devices#"

// readCode reads a code from its picture, as a camera would, or from its text.
func readCode(code string) (qrCode, error) {
	code = strings.TrimSpace(code)
	if code == "" {
		return qrCode{}, fmt.Errorf("%w: qr is empty: want a data URL of a PNG, or the code's text", ErrBadInput)
	}
	if data, isURL := strings.CutPrefix(code, "data:image/png;base64,"); isURL || strings.HasPrefix(code, "iVBORw0KGgo") {
		raw, err := base64.StdEncoding.DecodeString(data)
		if err != nil {
			return qrCode{}, fmt.Errorf("%w: qr picture: %w", ErrBadInput, err)
		}
		if code, err = readPicture(raw); err != nil {
			return qrCode{}, fmt.Errorf("%w: qr picture: %w", ErrBadInput, err)
		}
	}
	return parseCode(code)
}

// margin is the quiet zone put around a picture, in pixels: one drawn without it could not
// be read.
const margin = 40

// readPicture decodes the QR code in a PNG.
func readPicture(raw []byte) (string, error) {
	picture, _, err := image.Decode(bytes.NewReader(raw))
	if err != nil {
		return "", err
	}
	b := picture.Bounds()
	const most = 4096
	if b.Dx() > most || b.Dy() > most {
		return "", fmt.Errorf("it is %dx%d pixels, the most is %dx%d", b.Dx(), b.Dy(), most, most)
	}
	canvas := image.NewGray(image.Rect(0, 0, b.Dx()+2*margin, b.Dy()+2*margin))
	draw.Draw(canvas, canvas.Bounds(), image.White, image.Point{}, draw.Src)
	draw.Draw(canvas, image.Rect(margin, margin, margin+b.Dx(), margin+b.Dy()), picture, b.Min, draw.Over)
	// A picture drawn for a screen is exact and is read as such: the detector for photographs
	// misses one in a hundred of them, always the same ones.
	if text, ok := readDrawing(canvas); ok {
		return text, nil
	}
	bitmap, err := gozxing.NewBinaryBitmapFromImage(canvas)
	if err != nil {
		return "", err
	}
	result, err := qrcode.NewQRCodeReader().Decode(bitmap, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_TRY_HARDER: true})
	if err != nil {
		return "", fmt.Errorf("no QR code found in %dx%d pixels: %w", b.Dx(), b.Dy(), err)
	}
	return result.GetText(), nil
}

// readDrawing reads a code that is upright and alone in the picture, whose modules may be
// some a pixel wider than others (a drawing that was stretched to its size). Its corner is the
// first dark pixel; the run from there is the seven modules of the finder pattern's upper edge
// and tells about how many modules there are. Only the right number decodes.
func readDrawing(picture *image.Gray) (string, bool) {
	dark := func(x, y int) bool { return picture.GrayAt(x, y).Y < 128 }
	size := picture.Bounds().Size()
	left, top, right, bottom := size.X, size.Y, -1, -1
	for y := range size.Y {
		for x := range size.X {
			if dark(x, y) {
				left, right = min(left, x), max(right, x)
				top, bottom = min(top, y), max(bottom, y)
			}
		}
	}
	edge := 0
	for left+edge <= right && dark(left+edge, top) {
		edge++
	}
	width := right - left + 1
	if edge < 7 || width < 21 || max(width, bottom-top+1)-min(width, bottom-top+1) > 1 {
		return "", false
	}
	version := (width*7/edge - 17 + 2) / 4 // a code has 4*version+17 modules a side
	for _, v := range []int{version, version + 1, version - 1, version + 2, version - 2} {
		if v < 1 || v > 40 {
			continue
		}
		n := 4*v + 17
		at := func(i int) int { return (2*i + 1) * width / (2 * n) }
		bits, err := gozxing.NewSquareBitMatrix(n)
		if err != nil {
			return "", false
		}
		for y := range n {
			for x := range n {
				if dark(left+at(x), top+at(y)) {
					bits.Set(x, y)
				}
			}
		}
		if result, err := decoder.NewDecoder().Decode(bits, nil); err == nil {
			return result.GetText(), true
		}
	}
	return "", false
}

func parseCode(code string) (qrCode, error) {
	fields := strings.Split(strings.TrimPrefix(code, qrURL), ",")
	if len(fields) < 4 || len(fields) > 5 {
		return qrCode{}, fmt.Errorf("%w: qr has %d fields, want ref, noise key, identity key, secret and maybe client type", ErrBadInput, len(fields))
	}
	out := qrCode{ref: fields[0]}
	for i, into := range []*[32]byte{&out.noise, &out.identity} {
		raw, err := base64.StdEncoding.DecodeString(fields[i+1])
		if err != nil || len(raw) != 32 {
			return qrCode{}, fmt.Errorf("%w: qr field %d is not a key of 32 bytes", ErrBadInput, i+2)
		}
		*into = [32]byte(raw)
	}
	var err error
	if out.advSecret, err = base64.StdEncoding.DecodeString(fields[3]); err != nil || len(out.advSecret) != 32 {
		return qrCode{}, fmt.Errorf("%w: qr field 4 is not a secret of 32 bytes", ErrBadInput)
	}
	return out, nil
}
