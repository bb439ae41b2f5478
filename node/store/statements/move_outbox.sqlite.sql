-- Copies the oldest $2 rows of cliente $1's outbox into its events, numbered from $3 on. $4: node; $5, $6: its
-- token; $7: now. The identity is that of incoming.go; what is there already is left as it is.
INSERT INTO events (cliente, sequence, id, event, identity, happened_at, payload, message, node, generation, revision, created_at)
WITH old AS (
	SELECT message_id, chat, sent_at, kind, payload, created_at, sender,
		row_number() OVER (ORDER BY created_at, message_id) AS n,
		substr(sender, 1, min(instr(sender || '@', '@'), instr(sender || ':', ':'), instr(sender || '.', '.')) - 1) AS name,
		substr(sender, instr(sender || '@', '@') + 1) AS server
	FROM outbox WHERE cliente = $1 ORDER BY created_at, message_id LIMIT $2
), addressed AS (
	SELECT old.*,
		CASE WHEN server IN ('lid', 'hosted.lid') THEN name
			WHEN server IN ('s.whatsapp.net', 'hosted', 'c.us') THEN (SELECT m.lid FROM whatsmeow_lid_map m WHERE m.pn = name) END AS lid,
		CASE WHEN server IN ('s.whatsapp.net', 'hosted', 'c.us') THEN name
			WHEN server IN ('lid', 'hosted.lid') THEN (SELECT m.pn FROM whatsmeow_lid_map m WHERE m.lid = name) END AS pn
	FROM old
)
SELECT $1, $3 + n, 'evt_' || lower(hex(randomblob(16))), 'message',
	CASE WHEN lid IS NOT NULL THEN lid || '@lid/' WHEN pn IS NOT NULL THEN pn || '@pn/' ELSE name || '@' || server || '/' END || message_id,
	sent_at,
	json_object('id', message_id, 'chat', chat, 'from', sender, 'phone', pn, 'lid', lid || '@lid', 'is_group', json(iif(chat LIKE '%@g.us', 'true', 'false')),
		'type', kind, 'timestamp', strftime('%Y-%m-%dT%H:%M:%fZ', sent_at / 1000000.0, 'unixepoch')),
	payload, $4, $5, $6, $7
FROM addressed
WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.cliente = $1 AND lid IS NOT NULL AND e.identity = pn || '@pn/' || message_id)
ON CONFLICT (cliente, identity) DO NOTHING
