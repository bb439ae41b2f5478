CREATE TABLE goose_db_version (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
CREATE TABLE birth (
	id         INTEGER PRIMARY KEY CHECK (id = 1),
	uuid       TEXT    NOT NULL,
	generation BIGINT  NOT NULL,
	born       BOOLEAN NOT NULL,
	revision   BIGINT  NOT NULL -- the highest of etcd's revisions that was seen
, system_id TEXT NOT NULL DEFAULT '', timeline BIGINT NOT NULL DEFAULT 0);
CREATE TABLE clientes (
	cliente    BIGINT PRIMARY KEY,
	jid        TEXT,
	created_at BIGINT NOT NULL -- microseconds since 1970, as all moments here
);
CREATE TABLE fences (
	cliente     BIGINT PRIMARY KEY,
	generation  BIGINT NOT NULL,
	revision    BIGINT NOT NULL,
	node        TEXT   NOT NULL,
	incarnation TEXT   NOT NULL
, settled BOOLEAN NOT NULL DEFAULT true, former_generation BIGINT NOT NULL DEFAULT 0, former_revision BIGINT NOT NULL DEFAULT 0, former_node TEXT NOT NULL DEFAULT '', former_incarnation TEXT NOT NULL DEFAULT '', stopped_generation BIGINT NOT NULL DEFAULT 0, stopped_revision BIGINT NOT NULL DEFAULT 0);
CREATE TABLE sends (
	cliente    BIGINT  NOT NULL,
	key        TEXT    NOT NULL,
	message_id TEXT    NOT NULL,
	body_hash  BLOB      NOT NULL,
	done       BOOLEAN NOT NULL, -- WhatsApp has acknowledged it
	sent_at    BIGINT  NOT NULL,
	created_at BIGINT  NOT NULL,
	PRIMARY KEY (cliente, key)
);
CREATE TABLE outbox (
	cliente    BIGINT NOT NULL,
	message_id TEXT   NOT NULL,
	chat       TEXT   NOT NULL,
	sender     TEXT   NOT NULL,
	sent_at    BIGINT NOT NULL,
	kind       TEXT   NOT NULL,
	payload    BLOB     NOT NULL,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (cliente, message_id)
);
CREATE TABLE notes (
	incarnation        TEXT   PRIMARY KEY,
	node               TEXT   NOT NULL,
	noted_at           BIGINT NOT NULL, -- by the database's clock; 0: it does not ride
	stopped_generation BIGINT NOT NULL, -- none of its sessions runs under a token up to this one
	stopped_revision   BIGINT NOT NULL
, touched_at BIGINT NOT NULL DEFAULT 0);
CREATE TABLE whatsmeow_version (version INTEGER, compat INTEGER);
CREATE TABLE whatsmeow_device (
	jid TEXT PRIMARY KEY,
	lid TEXT,

	facebook_uuid uuid,

	registration_id BIGINT NOT NULL CHECK ( registration_id >= 0 AND registration_id < 4294967296 ),

	noise_key    bytea NOT NULL CHECK ( length(noise_key) = 32 ),
	identity_key bytea NOT NULL CHECK ( length(identity_key) = 32 ),

	signed_pre_key     bytea   NOT NULL CHECK ( length(signed_pre_key) = 32 ),
	signed_pre_key_id  INTEGER NOT NULL CHECK ( signed_pre_key_id >= 0 AND signed_pre_key_id < 16777216 ),
	signed_pre_key_sig bytea   NOT NULL CHECK ( length(signed_pre_key_sig) = 64 ),

	adv_key             bytea NOT NULL,
	adv_details         bytea NOT NULL,
	adv_account_sig     bytea NOT NULL CHECK ( length(adv_account_sig) = 64 ),
	adv_account_sig_key bytea NOT NULL CHECK ( length(adv_account_sig_key) = 32 ),
	adv_device_sig      bytea NOT NULL CHECK ( length(adv_device_sig) = 64 ),

	platform      TEXT NOT NULL DEFAULT '',
	business_name TEXT NOT NULL DEFAULT '',
	push_name     TEXT NOT NULL DEFAULT '',

	lid_migration_ts BIGINT NOT NULL DEFAULT 0,

	companion_meta_nonce TEXT NOT NULL DEFAULT ''
);
CREATE TABLE whatsmeow_identity_keys (
	our_jid  TEXT,
	their_id TEXT,
	identity bytea NOT NULL CHECK ( length(identity) = 32 ),

	PRIMARY KEY (our_jid, their_id),
	FOREIGN KEY (our_jid) REFERENCES whatsmeow_device(jid) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE TABLE whatsmeow_pre_keys (
	jid      TEXT,
	key_id   INTEGER          CHECK ( key_id >= 0 AND key_id < 16777216 ),
	key      bytea   NOT NULL CHECK ( length(key) = 32 ),
	uploaded BOOLEAN NOT NULL,

	PRIMARY KEY (jid, key_id),
	FOREIGN KEY (jid) REFERENCES whatsmeow_device(jid) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE TABLE whatsmeow_sessions (
	our_jid  TEXT,
	their_id TEXT,
	session  bytea,

	PRIMARY KEY (our_jid, their_id),
	FOREIGN KEY (our_jid) REFERENCES whatsmeow_device(jid) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE TABLE whatsmeow_sender_keys (
	our_jid    TEXT,
	chat_id    TEXT,
	sender_id  TEXT,
	sender_key bytea NOT NULL,

	PRIMARY KEY (our_jid, chat_id, sender_id),
	FOREIGN KEY (our_jid) REFERENCES whatsmeow_device(jid) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE TABLE whatsmeow_app_state_sync_keys (
	jid         TEXT,
	key_id      bytea,
	key_data    bytea  NOT NULL,
	timestamp   BIGINT NOT NULL,
	fingerprint bytea  NOT NULL,

	PRIMARY KEY (jid, key_id),
	FOREIGN KEY (jid) REFERENCES whatsmeow_device(jid) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE TABLE whatsmeow_app_state_version (
	jid     TEXT,
	name    TEXT,
	version BIGINT NOT NULL,
	hash    bytea  NOT NULL CHECK ( length(hash) = 128 ),

	PRIMARY KEY (jid, name),
	FOREIGN KEY (jid) REFERENCES whatsmeow_device(jid) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE TABLE whatsmeow_app_state_mutation_macs (
	jid       TEXT,
	name      TEXT,
	version   BIGINT,
	index_mac bytea          CHECK ( length(index_mac) = 32 ),
	value_mac bytea NOT NULL CHECK ( length(value_mac) = 32 ),

	PRIMARY KEY (jid, name, version, index_mac),
	FOREIGN KEY (jid, name) REFERENCES whatsmeow_app_state_version(jid, name) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE TABLE whatsmeow_contacts (
	our_jid        TEXT,
	their_jid      TEXT,
	first_name     TEXT,
	full_name      TEXT,
	push_name      TEXT,
	business_name  TEXT,
	redacted_phone TEXT,

	PRIMARY KEY (our_jid, their_jid),
	FOREIGN KEY (our_jid) REFERENCES whatsmeow_device(jid) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE TABLE whatsmeow_chat_settings (
	our_jid       TEXT,
	chat_jid      TEXT,
	muted_until   BIGINT  NOT NULL DEFAULT 0,
	pinned        BOOLEAN NOT NULL DEFAULT false,
	archived      BOOLEAN NOT NULL DEFAULT false,

	PRIMARY KEY (our_jid, chat_jid),
	FOREIGN KEY (our_jid) REFERENCES whatsmeow_device(jid) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE TABLE whatsmeow_message_secrets (
	our_jid    TEXT,
	chat_jid   TEXT,
	sender_jid TEXT,
	message_id TEXT,
	key        bytea NOT NULL,

	PRIMARY KEY (our_jid, chat_jid, sender_jid, message_id),
	FOREIGN KEY (our_jid) REFERENCES whatsmeow_device(jid) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE TABLE whatsmeow_privacy_tokens (
	our_jid          TEXT,
	their_jid        TEXT,
	token            bytea  NOT NULL,
	timestamp        BIGINT NOT NULL,
	sender_timestamp BIGINT,
	PRIMARY KEY (our_jid, their_jid)
);
CREATE TABLE whatsmeow_nct_salt (
	our_jid TEXT PRIMARY KEY,
	salt    bytea NOT NULL,
	FOREIGN KEY (our_jid) REFERENCES whatsmeow_device(jid) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE TABLE whatsmeow_lid_map (
	lid TEXT PRIMARY KEY,
	pn  TEXT UNIQUE NOT NULL
);
CREATE TABLE whatsmeow_event_buffer (
	our_jid          TEXT   NOT NULL,
	ciphertext_hash  bytea  NOT NULL CHECK ( length(ciphertext_hash) = 32 ),
	plaintext        bytea,
	server_timestamp BIGINT NOT NULL,
	insert_timestamp BIGINT NOT NULL,
	PRIMARY KEY (our_jid, ciphertext_hash),
	FOREIGN KEY (our_jid) REFERENCES whatsmeow_device(jid) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE TABLE whatsmeow_retry_buffer (
	our_jid    TEXT   NOT NULL,
	chat_jid   TEXT   NOT NULL,
	message_id TEXT   NOT NULL,
	format     TEXT   NOT NULL,
	plaintext  bytea  NOT NULL,
	timestamp  BIGINT NOT NULL,

	PRIMARY KEY (our_jid, chat_jid, message_id),
	FOREIGN KEY (our_jid) REFERENCES whatsmeow_device(jid) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE INDEX fences_incarnation ON fences (incarnation);
CREATE INDEX sends_created ON sends (created_at);
CREATE INDEX idx_whatsmeow_privacy_tokens_our_jid_timestamp
ON whatsmeow_privacy_tokens (our_jid, timestamp);
CREATE INDEX whatsmeow_retry_buffer_timestamp_idx ON whatsmeow_retry_buffer (our_jid, timestamp);
INSERT INTO goose_db_version VALUES (1, 0, 1, '2026-11-29 03:53:14');
INSERT INTO goose_db_version VALUES (2, 1, 1, '2026-11-29 03:53:14');
INSERT INTO goose_db_version VALUES (3, 2, 1, '2026-11-29 03:53:14');
INSERT INTO goose_db_version VALUES (4, 3, 1, '2026-11-29 03:53:14');
INSERT INTO goose_db_version VALUES (5, 4, 1, '2026-11-29 03:53:14');
INSERT INTO birth VALUES (1, '0b1c7e2e-6b0c-4a4c-9d0a-3f0d6f1f1f11', 1, 1, 9, '', 0);
INSERT INTO clientes VALUES (5, '5491100000001:1@s.whatsapp.net', 1795924394748167);
INSERT INTO clientes VALUES (6, NULL, 1795924394772920);
INSERT INTO fences VALUES (5, 1, 10, 'n1', 'of-n1', 0, 0, 0, '', '', 0, 0);
INSERT INTO fences VALUES (6, 1, 11, 'n1', 'of-n1', 0, 0, 0, '', '', 0, 0);
INSERT INTO sends VALUES (5, 'before', 'B', X'0000000000000000000000000000000000000000000000000000000000000000', 0, 0, 1795924394751648);
INSERT INTO sends VALUES (5, 'done', '3EB0DONE', X'0100000000000000000000000000000000000000000000000000000000000000', 1, 1764000000000000, 1795924394758142);
INSERT INTO sends VALUES (5, 'pending', '3EB0PENDING', X'0200000000000000000000000000000000000000000000000000000000000000', 0, 0, 1795924394758930);
INSERT INTO outbox VALUES (5, 'IN', '', '', 0, '', X'70', 1795924394756249);
INSERT INTO outbox VALUES (5, 'IN1', '5491100000002@s.whatsapp.net', '5491100000002:3@s.whatsapp.net', 1764000000000000, 'text', X'0A04686F6C61', 1795924394771692);
INSERT INTO outbox VALUES (5, 'IN2', '1203@g.us', '900000000002@lid', 1764000000000000, 'imageMessage', X'010203', 1795924394772090);
INSERT INTO outbox VALUES (5, 'IN3', '5491100000007@s.whatsapp.net', '5491100000007@s.whatsapp.net', 1764000000000000, 'text', X'0A0178', 1795924394772496);
INSERT INTO notes VALUES ('of-n1', 'n1', 1795924394773000, 0, 0, 1795924394773000);
INSERT INTO whatsmeow_version VALUES (15, 8);
INSERT INTO whatsmeow_device VALUES ('5491100000001:1@s.whatsapp.net', NULL, NULL, 4048970538, X'C0A3EB52659B59B7271DC47E35E4A54C7483EE8A944E74D4BED6627A63A6D349', X'682F583628F9FB531222A18FDA47AA8B051D07E03C89D48204B636FCBBAF4669', X'A8D146B593666C106209C839B17A2CF9662C90D3CB8104CF165C8A2A9E4C4A59', 1, X'DE66564084ED56F3B1C250963945965D85FC912BDF18954F36A598829802366703895F0EAF4F1C0CD1D2137CAD818E095DD6BCE0DD332357EFECEEB85CE2D487', X'205989B48D4C634ADAEADE61A39E7231F34B0359149A14E9C707D7B27A4F9F79', X'01', X'00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000', X'0000000000000000000000000000000000000000000000000000000000000000', X'00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000', '', '', '', 0, '');
INSERT INTO whatsmeow_identity_keys VALUES ('5491100000001:1@s.whatsapp.net', 'them:1', X'0100000000000000000000000000000000000000000000000000000000000000');
INSERT INTO whatsmeow_pre_keys VALUES ('5491100000001:1@s.whatsapp.net', 1, X'E802500094165881344FC3F9900C2E1AD4A469D5B1A5B081A854DF078DC28E7B', 0);
INSERT INTO whatsmeow_pre_keys VALUES ('5491100000001:1@s.whatsapp.net', 2, X'1815F5FD8430B411541A5E99485B6F4E9BC41755046565CE134438B901B30143', 0);
INSERT INTO whatsmeow_pre_keys VALUES ('5491100000001:1@s.whatsapp.net', 3, X'A8A427F3DC5F9AA9C8775E8A3AFD3C2BE65FC169D34F21BC630691330419B846', 0);
INSERT INTO whatsmeow_pre_keys VALUES ('5491100000001:1@s.whatsapp.net', 4, X'9875756400A05C138F0395F828BA38C06BCC76D735BB7A12048AC13BC84C5879', 0);
INSERT INTO whatsmeow_pre_keys VALUES ('5491100000001:1@s.whatsapp.net', 5, X'C0508702D38268FD3ECF4C4CFADD41E047CD889F43A1B970E84696021AF1E174', 0);
INSERT INTO whatsmeow_sessions VALUES ('5491100000001:1@s.whatsapp.net', 'them:1', X'6F66203345423050454E44494E47');
INSERT INTO whatsmeow_sessions VALUES ('5491100000001:1@s.whatsapp.net', '5491100000009:0', X'74776F');
INSERT INTO whatsmeow_sender_keys VALUES ('5491100000001:1@s.whatsapp.net', '1203@g.us', 'them:1', X'73656E646572206B6579');
INSERT INTO whatsmeow_app_state_version VALUES ('5491100000001:1@s.whatsapp.net', 'old', 3, X'0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000');
INSERT INTO whatsmeow_app_state_version VALUES ('5491100000001:1@s.whatsapp.net', 'doomed', 3, X'0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000');
INSERT INTO whatsmeow_app_state_mutation_macs VALUES ('5491100000001:1@s.whatsapp.net', 'old', 3, X'0101010101010101010101010101010101010101010101010101010101010101', X'0000000000000000000000000000000000000000000000000000000000000000');
INSERT INTO whatsmeow_contacts VALUES ('5491100000001:1@s.whatsapp.net', '5491100000002@s.whatsapp.net', NULL, NULL, 'Ana', NULL, NULL);
INSERT INTO whatsmeow_message_secrets VALUES ('5491100000001:1@s.whatsapp.net', '5491100000002@s.whatsapp.net', '5491100000002@s.whatsapp.net', 'SECRET', X'0000000000000000000000000000000000000000000000000000000000000000');
INSERT INTO whatsmeow_privacy_tokens VALUES ('5491100000001:1@s.whatsapp.net', '5491100000009@s.whatsapp.net', X'74', 1, NULL);
INSERT INTO whatsmeow_nct_salt VALUES ('5491100000001:1@s.whatsapp.net', X'73616C74');
INSERT INTO whatsmeow_lid_map VALUES ('900000000002', '5491100000002');
INSERT INTO whatsmeow_event_buffer VALUES ('5491100000001:1@s.whatsapp.net', X'0100000000000000000000000000000000000000000000000000000000000000', X'706C61696E', 1795924394, 1795924394755);
INSERT INTO whatsmeow_retry_buffer VALUES ('5491100000001:1@s.whatsapp.net', 'them@lid', 'B', 'f', X'70', 1795924394751);
INSERT INTO whatsmeow_retry_buffer VALUES ('5491100000001:1@s.whatsapp.net', 'them@lid', '3EB0DONE', 'f', X'70', 1795924394758);
INSERT INTO whatsmeow_retry_buffer VALUES ('5491100000001:1@s.whatsapp.net', 'them@lid', '3EB0PENDING', 'f', X'70', 1795924394759);
