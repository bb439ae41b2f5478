package router

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"html/template"

	"github.com/valyala/fasthttp"

	"session-manager/router/api"
)

//go:embed qrpage.html
var qrPageText string

var qrPage = template.Must(template.New("qrpage").Parse(qrPageText))

// qrRefresh is how often the page looks again, in seconds: a code is shown for 20 s at least.
const qrRefresh = 5

// wantsPage says whether a browser asks for the QR to look at it, and not a program. The page is made
// by the node that the browser asked; between nodes the answer is JSON as ever.
func wantsPage(ctx *fasthttp.RequestCtx, t target) bool {
	return t.route == api.QRCode && bytes.Contains(ctx.Request.Header.Peek(fasthttp.HeaderAccept), []byte("text/html"))
}

// showPage turns the answer to GET /qr-code into a page that renews itself. What a wait does not cure
// stays as it is.
func showPage(ctx *fasthttp.RequestCtx) {
	switch ctx.Response.StatusCode() {
	case fasthttp.StatusOK, fasthttp.StatusNotFound, fasthttp.StatusConflict, fasthttp.StatusServiceUnavailable:
	default:
		return
	}
	var body struct {
		QR           template.URL `json:"qr"` // our own picture, as a data URL
		CurrentState api.State    `json:"current_state"`
		Message      string       `json:"message"`
	}
	if json.Unmarshal(ctx.Response.Body(), &body) != nil {
		return
	}
	view := struct {
		QR          template.URL
		Title, Text string
		Refresh     int
	}{QR: body.QR, Title: "Scan this code", Text: body.Message, Refresh: qrRefresh}
	switch {
	case body.QR != "":
	case body.CurrentState == api.Ready:
		view.Title, view.Text = "Connected", "This account is linked and ready."
	default:
		view.Title = "Please wait"
	}
	var page bytes.Buffer
	if err := qrPage.Execute(&page, view); err != nil {
		return // the JSON stays
	}
	ctx.Response.Header.SetContentType("text/html; charset=utf-8")
	ctx.Response.Header.Set("Content-Security-Policy", "default-src 'none'; img-src data:; frame-ancestors 'none'")
	ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "no-store")
	ctx.SetStatusCode(fasthttp.StatusOK)
	ctx.SetBody(page.Bytes())
}
