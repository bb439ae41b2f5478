package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	wastore "go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
)

// fencedLIDs is the map of phone numbers and LIDs, which all accounts share, with its writes
// fenced. It is not whatsmeow's CachedLIDMap: that holds its lock while it waits for a
// connection, and a fenced write holds a connection while it would wait for that lock.
type fencedLIDs struct {
	*guard
	lids known[string, string] // by phone number
	pns  known[string, string] // by LID
}

var _ wastore.LIDStore = (*fencedLIDs)(nil)

func (s *fencedLIDs) forget() {
	s.lids.forget()
	s.pns.forget()
}

func (s *fencedLIDs) remember(lid, pn string) {
	s.lids.put(pn, lid)
	s.pns.put(lid, pn)
}

// GetLIDForPN returns the zero JID where the map has none.
func (s *fencedLIDs) GetLIDForPN(ctx context.Context, pn types.JID) (types.JID, error) {
	if pn.Server != types.DefaultUserServer {
		return types.JID{}, fmt.Errorf("%s is no phone number", pn)
	}
	lid, ok := s.lids.get(pn.User)
	if !ok {
		err := s.store.db.QueryRow(typed(ctx), "SELECT lid FROM whatsmeow_lid_map WHERE pn = $1", pn.User).Scan(&lid)
		if errors.Is(err, sql.ErrNoRows) {
			return types.JID{}, nil
		}
		if err != nil {
			return types.JID{}, s.fail(ctx, err)
		}
		s.remember(lid, pn.User)
	}
	return types.JID{User: lid, Device: pn.Device, Server: types.HiddenUserServer}, nil
}

// GetPNForLID returns the zero JID where the map has none.
func (s *fencedLIDs) GetPNForLID(ctx context.Context, lid types.JID) (types.JID, error) {
	if lid.Server != types.HiddenUserServer {
		return types.JID{}, fmt.Errorf("%s is no LID", lid)
	}
	pn, ok := s.pns.get(lid.User)
	if !ok {
		err := s.store.db.QueryRow(ctx, "SELECT pn FROM whatsmeow_lid_map WHERE lid = $1", lid.User).Scan(&pn)
		if errors.Is(err, sql.ErrNoRows) {
			return types.JID{}, nil
		}
		if err != nil {
			return types.JID{}, s.fail(ctx, err)
		}
		s.remember(lid.User, pn)
	}
	return types.JID{User: pn, Device: lid.Device, Server: types.DefaultUserServer}, nil
}

// lidBatch is how many phone numbers one statement asks for.
const lidBatch = 400

// GetManyLIDsForPNs leaves out those that the map has not.
func (s *fencedLIDs) GetManyLIDsForPNs(ctx context.Context, pns []types.JID) (map[types.JID]types.JID, error) {
	found := make(map[string]string, len(pns))
	var missing []any
	for _, pn := range pns {
		if lid, ok := s.lids.get(pn.User); ok {
			found[pn.User] = lid
		} else if pn.Server == types.DefaultUserServer {
			missing = append(missing, pn.User)
		}
	}
	for batch := range slices.Chunk(missing, lidBatch) {
		if err := s.find(ctx, batch, found); err != nil {
			return nil, s.fail(ctx, err)
		}
	}
	result := make(map[types.JID]types.JID, len(pns))
	for _, pn := range pns {
		if lid, ok := found[pn.User]; ok && pn.Server == types.DefaultUserServer {
			result[pn] = types.JID{User: lid, Device: pn.Device, Server: types.HiddenUserServer}
		}
	}
	return result, nil
}

// find adds the LIDs of phone numbers to found.
func (s *fencedLIDs) find(ctx context.Context, pns []any, found map[string]string) error {
	places := make([]string, len(pns))
	for i := range places {
		places[i] = fmt.Sprintf("$%d", i+1)
	}
	rows, err := s.store.db.Query(ctx, "SELECT lid, pn FROM whatsmeow_lid_map WHERE pn IN ("+strings.Join(places, ",")+")", pns...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var lid, pn string
		if err := rows.Scan(&lid, &pn); err != nil {
			return err
		}
		found[pn] = lid
		s.remember(lid, pn)
	}
	return rows.Err()
}

// pairTries is how often pairs are stored again that others store, too: of several, each may be of others.
const pairTries = 10

// PutLIDMapping stores one pair.
func (s *fencedLIDs) PutLIDMapping(ctx context.Context, lid, pn types.JID) error {
	if lid.Server != types.HiddenUserServer || pn.Server != types.DefaultUserServer {
		return fmt.Errorf("%s and %s are no LID and phone number", lid, pn)
	}
	return s.PutManyLIDMappings(ctx, []wastore.LIDMapping{{LID: lid, PN: pn}})
}

// PutManyLIDMappings stores pairs; entries that are none, or that the database refuses, are left out.
func (s *fencedLIDs) PutManyLIDMappings(ctx context.Context, mappings []wastore.LIDMapping) error {
	return storable(mappings, func(some []wastore.LIDMapping) error { return s.putPairs(ctx, some) })
}

func (s *fencedLIDs) putPairs(ctx context.Context, mappings []wastore.LIDMapping) error {
	var fresh []wastore.LIDMapping
	for _, m := range mappings {
		if m.LID.Server == types.HiddenUserServer && m.PN.Server == types.DefaultUserServer && !s.lids.is(m.PN.User, m.LID.User) {
			fresh = append(fresh, m)
		}
	}
	if len(fresh) == 0 {
		return s.check()
	}
	// Accounts share the rows: in one order, or two of them wait for each other.
	slices.SortFunc(fresh, func(a, b wastore.LIDMapping) int {
		return cmp.Or(cmp.Compare(a.PN.User, b.PN.User), cmp.Compare(a.LID.User, b.LID.User))
	})
	put := func(ctx context.Context) error {
		for _, m := range fresh {
			if _, err := s.store.db.Exec(ctx, "DELETE FROM whatsmeow_lid_map WHERE lid <> $1 AND pn = $2", m.LID.User, m.PN.User); err != nil {
				return err
			}
			if _, err := s.store.db.Exec(ctx, `INSERT INTO whatsmeow_lid_map (lid, pn) VALUES ($1, $2)
				ON CONFLICT (lid) DO UPDATE SET pn = excluded.pn WHERE whatsmeow_lid_map.pn <> excluded.pn`, m.LID.User, m.PN.User); err != nil {
				return err
			}
		}
		return nil
	}
	err := s.transact(ctx, put)
	// Another account stores the same pair at the same moment: a conflict of two keys, of which the
	// statement foresees one. The next time the pair is there.
	for range pairTries {
		if !isCode(err, "23505") || s.trying(ctx) != nil { // unique_violation; a transaction around this one is lost
			break
		}
		err = s.transact(ctx, put)
	}
	if err := s.fail(ctx, err); err != nil {
		return err
	}
	s.forget() // a pair may have taken another's place
	for _, m := range fresh {
		s.remember(m.LID.User, m.PN.User)
	}
	return nil
}
