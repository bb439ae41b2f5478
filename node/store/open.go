package store

import (
	"encoding/hex"
	"encoding/json"
	"time"

	"session-manager/node/keyless"
)

// A send without a key of the caller's is open while its caller may not know how it ended: nobody has said that
// the answer was written. One that the release before has stored is open until it is done: that release tells nobody.

// maxOpen is how many a session begins with, the newest first.
const maxOpen = 1000

// openSends is a subquery of all that are open of c.cliente, as JSON, by the primary key: minted keys sort by
// time. Its parameters are openSince's.
func (s *Store) openSends() string {
	array, row, hash := "json_agg", "json_build_array", "encode(body_hash, 'hex')"
	if !s.dialect.compound() {
		array, row, hash = "json_group_array", "json_array", "hex(body_hash)"
	}
	return "SELECT " + array + "(" + row + "(key, message_id, " + hash + ", created_at))" +
		" FROM (SELECT key, message_id, body_hash, created_at FROM sends s" +
		" WHERE s.cliente = c.cliente AND s.key BETWEEN $2 AND $3 AND s.created_at > $4 AND (s.told = false OR s.told IS NULL AND NOT s.done)" +
		" ORDER BY s.created_at DESC LIMIT $5) AS o"
}

func openSince(now time.Time) []any {
	from, to := keyless.Since(now.Add(-keyless.Open))
	return []any{from, to, micros(now.Add(-keyless.Open)), maxOpen}
}

// foundOpen keeps what openSends has found.
func (a *Account) foundOpen(found []byte) error {
	var rows [][4]any
	if len(found) > 0 {
		if err := json.Unmarshal(found, &rows); err != nil {
			return err
		}
	}
	list := make([]Send, 0, len(rows))
	for _, row := range rows {
		key, _ := row[0].(string)
		id, _ := row[1].(string)
		text, _ := row[2].(string)
		at, _ := row[3].(float64) // exact up to the year 2255
		hash, err := hex.DecodeString(text)
		if err != nil {
			return err
		}
		if !keyless.Is(key) { // a database may sort others' keys in between
			continue
		}
		send := Send{Key: key, MessageID: id, Begun: fromMicros(int64(at))}
		copy(send.BodyHash[:], hash)
		list = append(list, send)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open = list
	return nil
}

// Open are the sends whose callers may not know how they ended, as the load of the device has found them.
func (a *Account) Open() []Send {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.open
}
