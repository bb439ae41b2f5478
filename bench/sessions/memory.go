package sessions

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"time"

	"session-manager/bench/cluster"
	"session-manager/bench/measure"
)

// A process at rest gives memory back for some seconds after a collection, as Go's scavenger is
// told to go easy on the CPU.
const (
	restEvery  = time.Second
	restHasty  = 200 * time.Millisecond // where figures are for orientation
	restTimes  = 4                      // looks in a row that see no change
	restShare  = 0.01                   // of the memory: what counts as none
	restAtMost = 60 * time.Second
)

// settled has a process collect its garbage and returns its memory, in bytes, once that does not
// shrink any more. Both sides are treated alike: nothing is forced out of them but the garbage.
func (a *arena) settled(ctx context.Context, pid int, collect func(context.Context) error) (int64, error) {
	if err := collect(ctx); err != nil {
		return 0, err
	}
	every := restEvery
	if a.env.Quick {
		every = restHasty
	}
	last, same := int64(0), 0
	for end := time.Now().Add(restAtMost); ; {
		now, err := measure.Resident(pid)
		if err != nil {
			return 0, err
		}
		if change := float64(now-last) / float64(now); change > -restShare && change < restShare {
			same++
		} else {
			same = 0
		}
		if last = now; same >= restTimes || time.Now().After(end) {
			return now, nil
		}
		if err := wait(ctx, every); err != nil {
			return 0, err
		}
	}
}

// profiling finds the line by which a node says where its profiles are.
var profiling = regexp.MustCompile(`msg="listening for requests of profiles" listen=(\S+)`)

// profiles is the base URL of a node's profiles.
func profiles(n *cluster.Node) (string, error) {
	all := profiling.FindAllStringSubmatch(n.Log(), -1)
	if all == nil {
		return "", errors.New("the node's log does not say where its profiles are")
	}
	return "http://" + all[len(all)-1][1] + "/debug/pprof/", nil // the last start's
}

// collectNode has a node collect its garbage, twice as the rival: finalizers run between.
func collectNode(n *cluster.Node) func(context.Context) error {
	return func(ctx context.Context) error {
		base, err := profiles(n)
		if err != nil {
			return err
		}
		transport := &http.Transport{DisableKeepAlives: true}
		for range 2 {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"heap?gc=1", nil)
			if err != nil {
				return err
			}
			resp, err := transport.RoundTrip(req)
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, resp.Body)
			if err := errors.Join(err, resp.Body.Close()); err != nil {
				return err
			}
			if resp.StatusCode != http.StatusOK {
				return fmt.Errorf("profile: %s", resp.Status)
			}
		}
		return nil
	}
}
