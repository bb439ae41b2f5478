-- Copies the oldest $2 rows of cliente $1's outbox into its events, numbered from $3 on. $4: node; $5, $6: its
-- token; $7: now. The identity is that of incoming.go, with what an index would not take made to fit; what is
-- there already is left as it is.
WITH old AS (
	SELECT message_id, chat, sent_at, kind, payload, created_at,
		row_number() OVER (ORDER BY created_at, message_id) AS n,
		split_part(split_part(split_part(sender, '@', 1), ':', 1), '.', 1) AS name,
		split_part(sender, '@', 2) AS server, sender,
		CASE WHEN octet_length(message_id) <= 255 THEN message_id
			ELSE 'sha256:' || encode(sha256(convert_to(message_id, 'UTF8')), 'hex') END AS fitted
	FROM outbox WHERE cliente = $1 ORDER BY created_at, message_id LIMIT $2
), addressed AS (
	SELECT old.*,
		CASE WHEN server IN ('lid', 'hosted.lid') THEN name
			WHEN server IN ('s.whatsapp.net', 'hosted', 'c.us') THEN (SELECT m.lid FROM whatsmeow_lid_map m WHERE m.pn = name) END AS lid,
		CASE WHEN server IN ('s.whatsapp.net', 'hosted', 'c.us') THEN name
			WHEN server IN ('lid', 'hosted.lid') THEN (SELECT m.pn FROM whatsmeow_lid_map m WHERE m.lid = name) END AS pn
	FROM old
)
INSERT INTO events (cliente, sequence, id, event, identity, happened_at, payload, message, node, generation, revision, created_at)
SELECT $1::bigint, $3::bigint + n, 'evt_' || md5($1::bigint || '/' || message_id), 'message',
	CASE WHEN lid IS NOT NULL THEN lid || '@lid/' WHEN pn IS NOT NULL THEN pn || '@pn/' ELSE name || '@' || server || '/' END || fitted,
	sent_at,
	json_build_object('id', message_id, 'chat', chat, 'from', sender, 'phone', pn, 'lid', lid || '@lid', 'is_group', chat LIKE '%@g.us', 'type', kind,
		'timestamp', to_char(to_timestamp(sent_at / 1000000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))::text,
	payload, $4::text, $5::bigint, $6::bigint, $7::bigint
FROM addressed
WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.cliente = $1 AND lid IS NOT NULL AND e.identity = pn || '@pn/' || fitted)
ON CONFLICT (cliente, identity) DO NOTHING
