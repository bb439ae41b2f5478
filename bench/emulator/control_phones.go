package emulator

import "net/http"

// routePhones adds the calls of phones to the control API.
func (e *Emulator) routePhones(mux *http.ServeMux) {
	mux.HandleFunc("POST /phones", control(http.StatusCreated, func(r *http.Request) (any, error) {
		var in struct {
			Number, Name string
			Forms        []string
		}
		if err := decode(r, &in); err != nil {
			return nil, err
		}
		jid, err := e.AddPhone(in.Number, in.Name, in.Forms...)
		return map[string]string{"jid": jid}, err
	}))
	mux.HandleFunc("POST /phones/{number}/scan", control(http.StatusOK, func(r *http.Request) (any, error) {
		var in struct{ QR string }
		if err := decode(r, &in); err != nil {
			return nil, err
		}
		device, err := e.Scan(r.Context(), r.PathValue("number"), in.QR)
		return map[string]string{"device": device}, err
	}))
	mux.HandleFunc("POST /phones/{number}/unlink", control(http.StatusOK, func(r *http.Request) (any, error) {
		var in struct{ Device string }
		if err := decode(r, &in); err != nil {
			return nil, err
		}
		return struct{}{}, e.Unlink(r.PathValue("number"), in.Device)
	}))
	mux.HandleFunc("POST /phones/{number}/forget", control(http.StatusOK, func(r *http.Request) (any, error) {
		return struct{}{}, e.ForgetSessions(r.PathValue("number"))
	}))
	for what, write := range map[string]func(string, Writing) (string, error){
		"messages": e.Write, "react": e.React, "edit": e.Edit, "revoke": e.Revoke,
	} {
		mux.HandleFunc("POST /phones/{number}/"+what, control(http.StatusOK, func(r *http.Request) (any, error) {
			var in Writing
			if err := decode(r, &in); err != nil {
				return nil, err
			}
			id, err := write(r.PathValue("number"), in)
			return map[string]string{"id": id}, err
		}))
	}
	mux.HandleFunc("POST /phones/{number}/reinstall", control(http.StatusOK, func(r *http.Request) (any, error) {
		var in struct{ Tell bool }
		if r.ContentLength != 0 { // nobody is told unless it is said
			if err := decode(r, &in); err != nil {
				return nil, err
			}
		}
		return struct{}{}, e.Reinstall(r.PathValue("number"), in.Tell)
	}))
	mux.HandleFunc("GET /phones/{number}/inbox", control(http.StatusOK, func(r *http.Request) (any, error) {
		return e.Inbox(r.PathValue("number"))
	}))
	mux.HandleFunc("GET /phones/{number}/sent", control(http.StatusOK, func(r *http.Request) (any, error) {
		return e.Sent(r.PathValue("number"))
	}))
}
