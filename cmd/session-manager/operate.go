package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/alecthomas/kong"

	"session-manager/router/keys"
)

type statusCmd struct{ remote }

// Run prints the cluster as a table.
func (c *statusCmd) Run(ctx context.Context, s streams) error {
	var cluster struct {
		Nodes []struct {
			Name      string `json:"name"`
			State     string `json:"state"`
			Address   string `json:"address"`
			Alive     bool   `json:"alive"`
			Sessions  int    `json:"sessions"`
			Owned     int    `json:"owned"`
			VouchedBy string `json:"vouched_by"`
		} `json:"nodes"`
		Troubles []string `json:"troubles"`
	}
	if err := c.get(ctx, "/cluster", &cluster); err != nil {
		return err
	}
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NODE\tSTATE\tALIVE\tADDRESS\tSESSIONS\tOWNED\tVOUCHED BY")
	sessions, owned := 0, 0
	for _, n := range cluster.Nodes {
		fmt.Fprintf(table, "%s\t%s\t%v\t%s\t%d\t%d\t%s\n", n.Name, n.State, n.Alive, n.Address, n.Sessions, n.Owned, n.VouchedBy)
		sessions, owned = sessions+n.Sessions, owned+n.Owned
	}
	fmt.Fprintf(table, "%d nodes\t\t\t\t%d\t%d\t\n", len(cluster.Nodes), sessions, owned)
	if err := table.Flush(); err != nil {
		return err
	}
	for _, trouble := range cluster.Troubles {
		fmt.Fprintln(s.out, "TROUBLE at the node that answers:", trouble)
	}
	return nil
}

type healthCmd struct{ remote }

// Run exits 0 when the node is ready.
func (c *healthCmd) Run(ctx context.Context) error { return c.get(ctx, "/readyz", nil) }

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(s streams) error {
	_, err := fmt.Fprintln(s.out, "session-manager", version)
	return err
}

type keysCmd struct {
	Make struct {
		keysFile
		Name     string `required:"" help:"Name of the key: letters, digits, dots, dashes, underscores."`
		Clientes string `required:"" help:"Whom it is for: numbers separated by commas; * for all clientes; *,operator for all and the operator's routes: whoever has it moves clientes and drains nodes."`
	} `cmd:"" help:"Make a key, and print it: it is shown nowhere else."`
	List struct {
		keysFile
	} `cmd:"" help:"List names and what they are for."`
	Revoke struct {
		keysFile
		Name string `required:"" help:"Name of the key."`
	} `cmd:"" help:"Take a key away. Running nodes notice within seconds."`
}

type keysFile struct {
	File string `required:"" type:"path" help:"The file that --api-keys-file names."`
}

// Run does what the subcommand says.
func (c *keysCmd) Run(ctx *kong.Context, s streams) error {
	switch ctx.Command() {
	case "keys make":
		text, operator := strings.CutSuffix(c.Make.Clientes, ",operator")
		all, clientes, err := keys.ParseClientes(text)
		if err == nil && operator && !all {
			err = fmt.Errorf("operator is for a key of all clientes: *,operator")
		}
		if err != nil {
			return usageError{fmt.Errorf("--clientes: %w", err)}
		}
		key, err := keys.MakeFor(c.Make.File, keys.Grant{Name: c.Make.Name, All: all, Operator: operator, Clientes: clientes})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(s.out, key)
		return err
	case "keys revoke":
		return keys.Revoke(c.Revoke.File, c.Revoke.Name)
	}
	set, err := keys.List(c.List.File)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tCLIENTES")
	for _, g := range set {
		scope := g.Scope()
		if g.Operator {
			scope += ",operator"
		}
		fmt.Fprintf(table, "%s\t%s\n", g.Name, scope)
	}
	return table.Flush()
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "node"
	}
	return name
}
