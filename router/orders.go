package router

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/valyala/fasthttp"

	"session-manager/node/ownership"
	"session-manager/router/api"
)

// ErrUnknownNode: an order names a node that is not in the cluster.
var ErrUnknownNode = errors.New("no such node in the cluster")

// Orders takes the operator's orders. They stand until they are taken back.
type Orders interface {
	// SetTarget wants the cliente to be at a node, "": wherever the ring places it. ErrUnknownNode.
	SetTarget(ctx context.Context, c ownership.Cliente, node string) error
	// SetDrain wants the node to have no clientes, or takes that back. ErrUnknownNode.
	SetDrain(ctx context.Context, node string, drain bool) error
}

// serveOrder serves the operator's orders:
//
//	PUT, DELETE /owners/<cliente>/target   {"node":"NAME"}
//	PUT, DELETE /drains/<node>
//
// Neither method is one that a page in a browser may call elsewhere without being asked first,
// which counts on a port where no key is needed.
func (r *Router) serveOrder(ctx *fasthttp.RequestCtx, who caller) bool {
	put := ctx.IsPut()
	if !put && !ctx.IsDelete() {
		return false
	}
	path := string(ctx.Path())
	number, isTarget := strings.CutPrefix(path, "/owners/")
	if isTarget {
		number, isTarget = strings.CutSuffix(number, "/target")
	}
	node, isDrain := strings.CutPrefix(path, "/drains/")
	if !isTarget && !isDrain {
		return false
	}
	ctx.SetUserValue(kindKey, order)
	if !who.operates() {
		r.forbid(ctx, who, "API key is not valid for the operator's routes")
		return true
	}
	if !r.enter(ctx) {
		return true
	}
	defer r.operates.Add(-1)
	life, cancel := context.WithTimeout(r.life, r.cfg.Limits.Look)
	defer cancel()
	if isDrain {
		r.ordered(ctx, who, map[bool]string{true: "drain ", false: "undo the drain of "}[put]+node, r.cfg.Orders.SetDrain(life, node, put))
		return true
	}
	c, err := ownership.ParseCliente(number)
	if err != nil {
		api.Refuse(ctx, fasthttp.StatusBadRequest, "INVALID_CLIENT_ID", "clienteId debe ser un número positivo")
		return true
	}
	var body struct {
		Node string `json:"node"`
	}
	b := r.readBody(ctx)
	if b == nil {
		return true
	}
	defer b.release()
	if put && (json.Unmarshal(ctx.PostBody(), &body) != nil || body.Node == "") {
		api.Refuse(ctx, fasthttp.StatusBadRequest, "INVALID_REQUEST", `Body must be {"node":"NAME"}`)
		return true
	}
	what := "move cliente " + c.String() + " to " + body.Node
	if !put {
		what = "leave cliente " + c.String() + " to the ring"
	}
	r.ordered(ctx, who, what, r.cfg.Orders.SetTarget(life, c, body.Node))
	return true
}

// ordered answers an order, and says whose it was.
func (r *Router) ordered(ctx *fasthttp.RequestCtx, who caller, what string, err error) {
	r.audit.ordered(ctx, who, what, err)
	switch {
	case err == nil:
		api.JSON(ctx, fasthttp.StatusOK, struct {
			OK bool `json:"ok"`
		}{true})
	case errors.Is(err, ErrUnknownNode):
		api.Refuse(ctx, fasthttp.StatusNotFound, "NODE_NOT_FOUND", err.Error())
	default:
		api.Refuse(ctx, fasthttp.StatusServiceUnavailable, "ORDER_NOT_TAKEN", "etcd did not take the order: "+err.Error())
	}
}
