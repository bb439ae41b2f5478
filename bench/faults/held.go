package faults

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"session-manager/bench/cluster"
)

// heldLock is the advisory lock on which the owner's transaction waits; an arbitrary number.
const heldLock = 0x0fa7

// held pauses an owner while a transaction of its keeps the fence of a cliente locked, and
// measures by how much its takeover is later than those of the owner's other clientes. The
// transaction is the owner's own, of a send: a trigger makes it wait in the database, after it
// has locked the fence, for a lock that the harness has.
func held(ctx context.Context, w *world, r *Result) error {
	victim, its, err := w.busiest(ctx)
	if err != nil {
		return err
	}
	c := its[0]
	lock, err := w.audit.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer lock.Close()
	var process string
	if err := lock.QueryRowContext(ctx, "SELECT incarnation FROM fences WHERE cliente = $1", int64(c)).Scan(&process); err != nil {
		return err
	}
	for _, s := range []string{
		fmt.Sprintf("SELECT pg_advisory_lock(%d)", heldLock),
		fmt.Sprintf(`CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF NEW.cliente = %s AND split_part(current_setting('application_name'), ' ', 2) = '%s' THEN
				PERFORM pg_advisory_xact_lock_shared(%d);
			END IF;
			RETURN NEW;
		END $$`, c, process, heldLock),
		"CREATE TRIGGER hold AFTER INSERT ON sends FOR EACH ROW EXECUTE FUNCTION hold()",
	} {
		if _, err := lock.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	l := w.startLoad(w.o.Rate)
	defer l.end()
	waits := func(ctx context.Context) (bool, string, error) {
		var n int
		err := lock.QueryRowContext(ctx, `SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
			WHERE l.locktype = 'advisory' AND NOT l.granted AND split_part(a.application_name, ' ', 2) = $1`, process).Scan(&n)
		return n > 0, "none waits", err
	}
	waiting, cancel := context.WithTimeoutCause(ctx, returnWait, fmt.Errorf("waited %v", returnWait))
	defer cancel()
	if err := cluster.Await(waiting, "a transaction of the owner that holds the fence", waits); err != nil {
		return err
	}
	paused := time.Now()
	if err := victim.Pause(); err != nil {
		return err
	}
	if ok, _, err := waits(ctx); err != nil || !ok {
		return errors.Join(err, errors.New("the transaction ended before its process was paused"), victim.Resume())
	}
	var takenOver []time.Duration
	var late time.Duration
	for _, other := range its {
		at, err := w.watch.loginAfter(waiting, other, paused)
		if err != nil {
			return errors.Join(fmt.Errorf("cliente %s was not taken over: %w", other, err), victim.Resume())
		}
		if other == c {
			late = at.Sub(paused)
		} else {
			takenOver = append(takenOver, at.Sub(paused))
		}
	}
	if err := victim.Resume(); err != nil {
		return err
	}
	r.spread("takeover of its other clientes", takenOver, 0, 0, 0)
	r.tell("takeover of the held one", ms(late), "ms")
	r.atMost("later by", ms(late)-quantile(takenOver, 1), "ms", 2500)
	for _, n := range w.Nodes() {
		r.noteAll(n.Name()+": %s", linesWith(n, "kept the fence locked"))
	}
	if _, err := lock.ExecContext(ctx, fmt.Sprintf("SELECT pg_advisory_unlock(%d)", heldLock)); err != nil {
		return err
	}
	if err := w.back(ctx, victim, r); err != nil {
		return err
	}
	return w.finish(ctx, r, l, -1, -1, -1)
}

// linesWith are the lines of a node's log that hold a text.
func linesWith(n *cluster.Node, text string) (lines []string) {
	for line := range strings.Lines(n.Log()) {
		if strings.Contains(line, text) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}
