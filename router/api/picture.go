package api

import (
	"encoding/base64"
	"sync"

	"rsc.io/qr"
)

// pictures draws QR codes, and keeps those that are polled for. The zero value is ready.
type pictures struct {
	mu    sync.Mutex // guards drawn
	drawn map[string]string
}

const (
	// pictureSize is the least side of a picture in pixels: enough for a camera at arm's length.
	pictureSize = 320
	// quiet is the width of a picture's margins, in modules (ISO/IEC 18004, section 5.3.8).
	quiet = 4
)

// maxPictures bounds the cache; past it the cache begins anew. A code lives for a minute at most.
const maxPictures = 1024

// URL is the code as a PNG data URL.
func (p *pictures) URL(code string) (string, error) {
	p.mu.Lock()
	url, ok := p.drawn[code]
	p.mu.Unlock()
	if ok {
		return url, nil
	}
	picture, err := qr.Encode(code, qr.M)
	if err != nil {
		return "", err
	}
	picture.Scale = (pictureSize-1)/(picture.Size+2*quiet) + 1
	url = "data:image/png;base64," + base64.StdEncoding.EncodeToString(picture.PNG())
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drawn == nil || len(p.drawn) >= maxPictures {
		p.drawn = make(map[string]string)
	}
	p.drawn[code] = url
	return url, nil
}
