package api

import (
	"encoding/base64"
	"sync"

	qrcode "github.com/skip2/go-qrcode"
)

// pictures draws QR codes, and keeps those that are polled for. The zero value is ready.
type pictures struct {
	mu    sync.Mutex // guards drawn
	drawn map[string]string
}

// pictureSize is the side of a picture in pixels: enough for a camera at arm's length.
const pictureSize = 320

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
	png, err := qrcode.Encode(code, qrcode.Medium, pictureSize)
	if err != nil {
		return "", err
	}
	url = "data:image/png;base64," + base64.StdEncoding.EncodeToString(png)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drawn == nil || len(p.drawn) >= maxPictures {
		p.drawn = make(map[string]string)
	}
	p.drawn[code] = url
	return url, nil
}
