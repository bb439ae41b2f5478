package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
	"rsc.io/qr"
)

// scanned reads a drawn code as a camera would.
func scanned(t *testing.T, drawn string) string {
	t.Helper()
	lines := strings.Split(drawn, "\n")
	const size = 4
	wide := len([]rune(lines[0]))
	picture := image.NewGray(image.Rect(0, 0, wide*size, 2*len(lines)*size))
	for y, line := range lines {
		for x, r := range []rune(line) {
			for half, lit := range []bool{r == '█' || r == '▀', r == '█' || r == '▄'} {
				for i := range size * size {
					if lit {
						picture.SetGray(x*size+i%size, (2*y+half)*size+i/size, color.Gray{Y: 255})
					}
				}
			}
		}
	}
	bitmap, err := gozxing.NewBinaryBitmapFromImage(picture)
	if err != nil {
		t.Fatal(err)
	}
	result, err := qrcode.NewQRCodeReader().Decode(bitmap, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, drawn)
	}
	return result.GetText()
}

func pngURL(t *testing.T, text string, scale int) string {
	t.Helper()
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		t.Fatal(err)
	}
	code.Scale = scale
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(code.PNG())
}

// pair draws each code once, in a form that a camera reads, and ends when the cliente is READY.
func TestFaultD1PairInTerminal(t *testing.T) {
	first, second := strings.Repeat("2@first,", 25), strings.Repeat("2@second,", 25)
	var asked atomic.Int32
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Cliente-Id") != "51" || r.Header.Get("X-API-Key") != "smk_x" {
			t.Errorf("%s: %v", r.URL, r.Header)
		}
		state, code := "READY", "null"
		switch n := asked.Add(1); n {
		case 1:
			state = "INITIALIZING"
		case 2:
			state, code = "QR_REQUIRED", fmt.Sprintf("%q", pngURL(t, first, 3))
		case 3:
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		case 4:
			state, code = "QR_REQUIRED", fmt.Sprintf("%q", pngURL(t, second, 5))
		}
		fmt.Fprintf(w, `{"cliente_id":51,"state":%q,"qr_code_base64":%s,"recommended_action":"x"}`, state, code)
	}))
	defer node.Close()
	t.Setenv("SESSION_MANAGER_API_KEY", "smk_x")
	var out, errOut bytes.Buffer
	if code := run([]string{"pair", "51", "--url", node.URL}, &out, &errOut); code != 0 {
		t.Fatalf("exit %d, %s", code, errOut.String())
	}
	var codes, block []string
	for line := range strings.Lines(out.String() + "\n") {
		if line = strings.TrimSuffix(line, "\n"); strings.ContainsAny(line, "█▀▄") {
			block = append(block, line)
		} else if len(block) > 0 {
			codes, block = append(codes, scanned(t, strings.Join(block, "\n"))), nil
		}
	}
	if len(codes) != 2 || codes[0] != first || codes[1] != second || !strings.Contains(out.String(), "cliente 51 is READY") {
		t.Errorf("codes %q in\n%s", codes, out.String())
	}
}

func TestFaultD1PairThatCannotBe(t *testing.T) {
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/status" {
			fmt.Fprint(w, `{"state":"DISCONNECTED_BANNED","recommended_action":"Number banned","qr_code_base64":null}`)
			return
		}
		fmt.Fprint(w, `{"last_error_message":"the account is locked"}`)
	}))
	defer node.Close()
	for says, args := range map[string][]string{
		"the account is locked": {"pair", "51", "--url", node.URL},
		"connection refused":    {"pair", "51", "--url", "http://127.0.0.1:1"},
		"want a cliente":        {"pair", "0"},
	} {
		var out, errOut bytes.Buffer
		if code := run(args, &out, &errOut); code == 0 || strings.Count(errOut.String(), "\n") != 1 || !strings.Contains(errOut.String(), says) {
			t.Errorf("%v: exit %d, %q", args, code, errOut.String())
		}
	}
}
