/* conf -- the table of keys, and reading and describing by it. */
#include "conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

#include "address.h"
#include "err.h"
#include "ice.h"
#include "log.h"

#define FILE_MAX_BYTES ((size_t)1024 * 1024)
#define SUN_PATH_BYTES (sizeof((struct sockaddr_un *)0)->sun_path - 1)
#define LONGEST_SOCKET "/command.sock"
#define NAME_MAX_BYTES 64

#define KEY(t, m, def, ...)                                                                                                 \
	{                                                                                                                   \
		.name = #m, .type = (t), .value = (def), .offset = offsetof(struct conf, m), __VA_ARGS__                    \
	}
#define INT_KEY(m, def, least, most, text) KEY(CONF_INT, m, def, .min = (least), .max = (most), .help = (text))
#define PATH_KEY(m, def, text)             KEY(CONF_PATH, m, def, .help = (text))
#define STRING_KEY(m, def, text)           KEY(CONF_STRING, m, def, .help = (text))
#define WORD_KEY(m, def, list, text)       KEY(CONF_WORD, m, def, .words = (list), .help = (text))

/* clang-format off */
const struct conf_key conf_keys[] = {
	INT_KEY(access_token_seconds, "600", 10, 86400, "How long an access token is valid. Disabling an account takes effect at once all the same."),
	INT_KEY(argon2_memory_kib, "19456", 8, 4194304, "Memory of one Argon2id password hash. Less than 19456 is for tests only."),
	INT_KEY(argon2_passes, "2", 1, 100, "Passes of Argon2id over its memory."),
	INT_KEY(auth_nice, "10", 0, 19, "Niceness of the workers that hash passwords, so that a flood of logins cannot slow messages down."),
	PATH_KEY(breached_passwords_file, "", "List of passwords that nobody may choose because they were published after break-ins: SHA-1 in hexadecimal, one a line, in order, as Have I Been Pwned offers for download. Empty: no such list."),
	INT_KEY(call_gone_seconds, "60", 1, 3600, "A call is over when fewer than two of its people have been connected for so long."),
	INT_KEY(call_ring_seconds, "90", 1, 3600, "A call that nobody has answered for so long is a missed one."),
	STRING_KEY(call_stun_urls, "", "STUN servers that calls may ask for their own address, separated by blanks: stun:turn.example.org:3478. See calls.md."),
	INT_KEY(call_turn_seconds, "3600", 1, 604800, "How long credentials for the TURN servers are good."),
	PATH_KEY(call_turn_secret_file, "/etc/peal/turn.secret", "File with the secret that the TURN servers know too, in its first line. `pealctl keys turn` makes it. Read when call_turn_urls says something."),
	STRING_KEY(call_turn_urls, "", "TURN servers by which calls get through where nothing else does, separated by blanks: turn:turn.example.org:3478?transport=udp turns:turn.example.org:5349?transport=tcp. Empty: none. See calls.md."),
	STRING_KEY(clamd_address, "", "ClamAV's daemon, asked about files and films before anybody can have them: its socket (/run/clamav/clamd.ctl), or addresses and ports, separated by blanks. Empty: nobody is asked. See media-storage.md."),
	WORD_KEY(clamd_failure, "refuse", "refuse accept", "What becomes of an upload that clamd does not look at: because it is away, has not finished in time, or takes no more than the upload has."),
	INT_KEY(clamd_mib, "200", 1, 4000, "Largest upload that clamd is asked about; not more than its StreamMaxLength."),
	INT_KEY(clamd_timeout_seconds, "20", 1, 600, "How long clamd may take for one upload; a second more for each 8 MiB."),
	STRING_KEY(command_address, "", "Addresses and ports of the doors `command` of REST workers on other hosts (10.0.0.11:9403), separated by blanks, for a host with peal-push and without peal-fcgi. Empty: the socket in run_dir."),
	STRING_KEY(database, "host=/run/postgresql dbname=peal user=peal", "libpq connection string of the role the daemons use."),
	STRING_KEY(database_owner, "host=/run/postgresql dbname=peal user=postgres options='-c role=peal_owner'", "libpq connection string that acts as the owner of the schema; only `pealctl migrate` uses it."),
	INT_KEY(drain_seconds, "20", 0, 3600, "How long REST workers may finish their request after SIGTERM or SIGHUP."),
	PATH_KEY(egress_ca_file, "", "Certificates of the authorities that servers elsewhere are checked by, PEM. Empty: the system's."),
	INT_KEY(egress_concurrency, "64", 1, 256, "Notifications that are on their way at the same time."),
	STRING_KEY(egress_private_hosts, "", "Push services of your own, separated by blanks: push.example:443, 10.0.0.7:8443. These may be in a private network and at any port; all others are public hosts at port 443. Always https."),
	INT_KEY(egress_timeout_ms, "10000", 100, 60000, "How long a push service may take for one notification."),
	INT_KEY(event_retention_days, "30", 1, 3650, "How long events are kept for devices that were away; older ones start afresh."),
	INT_KEY(expiry_seconds, "20", 1, 40, "Pause between two looks for messages whose content has expired; nobody sees it any more anyway."),
	INT_KEY(export_keep_hours, "48", 1, 8760, "How long an archive of everything of somebody's may be downloaded."),
	INT_KEY(export_pause_minutes, "60", 0, 100000, "How long somebody waits after asking for an archive before they may ask for another one."),
	PATH_KEY(factor_key_file, "/etc/peal/factor.key", "File with at least 32 random bytes, by which secrets of second factors are sealed in the database. `pealctl keys factor` makes it; without it nobody's codes are good any more."),
	PATH_KEY(fcm_service_account_file, "", "Service account of the Firebase project that notifications to apps go through: the JSON file that Google gives. Empty: apps get none. See notifications.md."),
	STRING_KEY(fcm_url, "https://fcm.googleapis.com", "Where Firebase Cloud Messaging is asked. Another one is for tests only."),
	STRING_KEY(feed_address, "", "Likewise of the doors `feed` (10.0.0.11:9404)."),
	PATH_KEY(issuers_dir, "/etc/peal/issuers.d", "Folder of the issuers whose tokens are accepted, and of the providers that people may sign in with: a file each, see below."),
	STRING_KEY(keeper_address, "", "Likewise of the doors `keeper` of peal-media, for a host with peal-fcgi and without peal-media."),
	WORD_KEY(log_level, "info", "error warning notice info debug", "The least important kind of line that is logged."),
	INT_KEY(marks_max_members, "32", 2, 10000, "Read and delivered marks are told to others in conversations of at most this many members."),
	INT_KEY(max_access_tokens, "20", 0, 1000, "Most access tokens that one person, or one bot, may have."),
	INT_KEY(max_body_kib, "64", 1, 65536, "Largest JSON body of a request other than sending a message."),
	INT_KEY(max_bots, "5", 0, 1000, "Most bots that one person may have; 0: nobody makes any."),
	INT_KEY(max_content_code_points, "16384", 1, 1048576, "Longest message text, in code points."),
	INT_KEY(max_content_kib, "64", 1, 4096, "Longest message text, in KiB of UTF-8."),
	INT_KEY(max_message_body_kib, "256", 1, 65536, "Largest JSON body of a request that sends a message."),
	INT_KEY(max_open_reports, "20", 1, 10000, "Most reports that one person may have waiting for the moderators."),
	INT_KEY(max_page, "100", 1, 1000, "Most things in one page of a list."),
	INT_KEY(max_push_targets, "20", 1, 1000, "Browsers and apps of one person that get notifications. Another one takes the place of the one registered longest ago."),
	INT_KEY(max_scheduled, "100", 1, 10000, "Most messages that one person may have scheduled, failed ones included."),
	INT_KEY(media_audio_mib, "16", 1, 1024, "Largest recording that may be uploaded."),
	INT_KEY(media_audio_minutes, "15", 1, 600, "Longest recording that may be uploaded."),
	INT_KEY(media_cpu_seconds, "10", 1, 600, "CPU time that decoding one picture may take; two seconds more for each minute of sound."),
	INT_KEY(media_decoders, "2", 1, 64, "Pictures decoded at the same time, and recordings besides; not more than there are processors."),
	PATH_KEY(media_dir, "/var/lib/peal/media", "Folder of uploads and pictures; client_body_temp_path of nginx is its folder incoming."),
	INT_KEY(media_file_mib, "200", 1, 65536, "Largest file that may be uploaded; nginx has a limit of its own, client_max_body_size."),
	INT_KEY(media_image_frames, "150", 1, 10000, "Most frames of an animated picture."),
	INT_KEY(media_image_megapixels, "64", 1, 1000, "Most pixels of a picture, all frames together, in millions."),
	INT_KEY(media_image_mib, "25", 1, 1024, "Largest picture that may be uploaded."),
	INT_KEY(media_inline_audio_kib, "2048", 1, 1048576, "A recording larger than this is answered before it is decoded; it is `processing` until it is ready."),
	INT_KEY(media_inline_mib, "16", 1, 65536, "Likewise of pictures and films."),
	PATH_KEY(media_link_secret_file, "/etc/peal/media-link.conf", "File with the secret by which links to pictures are signed; nginx includes it. `pealctl keys media-link` makes it."),
	INT_KEY(media_memory_mib, "1024", 256, 65536, "Address space of the process that decodes one picture."),
	INT_KEY(media_min_free_mib, "512", 0, 1073741824, "Uploads are refused while less than this is free on the file system of media_dir."),
	INT_KEY(media_queue_most, "64", 1, 1000, "Most uploads that may be `processing`, a quarter of them one person's; more are refused as busy."),
	INT_KEY(media_queue_workers, "1", 1, 64, "Processes that work on them, one each, with as many decoders beside those of media_decoders."),
	WORD_KEY(media_store, "disk", "disk s3", "Where files go: to media_dir, or to an S3-compatible object store, see media-storage.md. What lies in media_dir is served in both cases."),
	INT_KEY(media_transcode_minutes, "10", 1, 600, "Longest film that is transcoded."),
	INT_KEY(media_transcode_most, "16", 1, 1000, "Most films that may wait for it, a quarter of them one person's; more are kept as they came."),
	INT_KEY(media_transcode_workers, "0", 0, 16, "Processes that make H.264 and AAC of films which browsers do not play, one each, at the lowest priority; these are `processing` meanwhile. 0: they are kept as they came, to be downloaded."),
	INT_KEY(media_tus_hours, "24", 1, 8760, "How long an upload in pieces waits for its next piece."),
	INT_KEY(media_tus_per_user, "16", 1, 1000, "Uploads in pieces that one person may have begun and not finished."),
	INT_KEY(media_unattached_hours, "24", 1, 8760, "How long an upload waits for the message that uses it."),
	INT_KEY(media_user_daily_mib, "1024", 1, 1073741824, "What one person may store within one day (UTC)."),
	INT_KEY(media_user_mib, "4096", 1, 1073741824, "What one person may store altogether."),
	INT_KEY(media_video_mib, "200", 1, 1024, "Largest film that may be uploaded; while it is looked at it takes twice its size on disk."),
	INT_KEY(media_wait_seconds, "10", 1, 600, "How long an upload may wait for a decoder before it is refused."),
	INT_KEY(media_wall_seconds, "30", 1, 600, "A decoder that works on one picture for longer is killed."),
	INT_KEY(media_workers, "8", 1, 1024, "Processes that take uploads; each has one at a time."),
	WORD_KEY(notify_content, "text", "text ids", "What notifications say: who wrote what, or only in which conversation something came. Web Push is encrypted for the browser; what goes through FCM, Google can read."),
	INT_KEY(notify_ttl_seconds, "43200", 60, 2419200, "How long a notification is worth delivering, to a push service that is away or by it to a device that is off."),
	STRING_KEY(origins, "", "Origins (such as https://chat.example.org), separated by blanks, whose pages may use the API, cookies and the socket, beside public_url itself."),
	STRING_KEY(passkey_rp_id, "", "Domain that passkeys are for: the host of public_url, or a domain that it lies in. Empty: the host of public_url. Passkeys made for another one are lost when it changes."),
	INT_KEY(password_max_bytes, "256", 64, 4096, "Longest password, in bytes."),
	INT_KEY(password_min_code_points, "15", 1, 64, "Shortest password, in code points."),
	STRING_KEY(public_url, "http://localhost", "What people type to get here: scheme and host, without a path."),
	INT_KEY(push_away_seconds, "300", 1, 86400, "How long after the last sign of the person themself they count as away."),
	INT_KEY(push_cursor_seconds, "60", 1, 86400, "How often a socket is told a newer place to resume from, at most."),
	INT_KEY(push_dead_seconds, "90", 1, 3600, "A socket from which nothing came for this long is closed."),
	INT_KEY(push_devices_per_user, "10", 1, 10000, "Sockets one person may hold open at each peal-push process; the oldest is closed for one more."),
	INT_KEY(push_drain_seconds, "30", 0, 3600, "Over how long peal-push spreads the reconnections of its clients when it stops."),
	INT_KEY(push_frames_per_minute, "100", 1, 1000000, "Frames a socket may send per minute."),
	INT_KEY(push_heartbeat_seconds, "30", 1, 3600, "Seconds between the pings that peal-push sends."),
	INT_KEY(push_hello_seconds, "10", 1, 600, "How long a new socket may take to say who it is."),
	INT_KEY(push_max_connections, "15000", 1, 1000000, "Sockets one peal-push process accepts."),
	INT_KEY(push_max_frame_kib, "320", 1, 65536, "Largest frame a client may send."),
	INT_KEY(push_metrics_port, "0", 0, 65000, "Port on 127.0.0.1 where process 0 of peal-push tells its metrics, process 1 on the next one, and so on; 0: only on the socket stat-<number>.sock in run_dir."),
	INT_KEY(push_offline_seconds, "20", 0, 600, "How long a person without a socket still counts as online."),
	INT_KEY(push_poll_ms, "250", 10, 60000, "Pause between two looks at the event log while Redis is away."),
	INT_KEY(push_queue_events, "256", 1, 100000, "Events that may wait for one slow socket; then they are read from the log instead, as fast as it reads."),
	INT_KEY(push_queue_kib, "256", 1, 65536, "KiB that may wait for one slow socket; then likewise. At four times as much it is closed."),
	INT_KEY(push_watch_check_seconds, "600", 1, 86400,
	        "How often a socket's right to watch the presence of others is looked at again."),
	INT_KEY(push_watch_max, "200", 0, 10000, "People whose presence one socket may watch."),
	INT_KEY(rate_login_per_minute, "5", 1, 1000000, "Attempts to sign in to one account per minute, be there such an account or not; over all hosts."),
	INT_KEY(rate_mark_per_minute, "300", 1, 1000000, "Changes of one's own marks, stars, drafts and settings per person and minute."),
	INT_KEY(rate_read_per_minute, "600", 1, 1000000, "Requests that read, per person and minute."),
	INT_KEY(rate_register_per_minute, "60", 1, 1000000, "Accounts that may be made from one address (IPv6: one network of 64 bits) per minute; over all hosts."),
	INT_KEY(rate_session_per_minute, "600", 1, 1000000, "Renewals of a session and sign-outs from one address per minute."),
	INT_KEY(rate_typing_per_minute, "120", 1, 1000000, "Notices of typing per person and minute."),
	INT_KEY(rate_upload_per_minute, "20", 1, 1000000, "Uploads that one person may begin per minute."),
	INT_KEY(rate_write_per_minute, "100", 1, 1000000, "Messages, reactions and other changes that others see, per person and minute; over all hosts."),
	STRING_KEY(redis_address, "", "Address and port of a Redis on another host (10.0.0.5:6379), instead of redis_socket."),
	STRING_KEY(redis_password_file, "", "File with the password of Redis in its first line. It is read at each connection, so it may be exchanged at any time. Empty: none."),
	PATH_KEY(redis_socket, "/run/redis/redis-server.sock", "Unix socket of Redis."),
	INT_KEY(redis_timeout_ms, "50", 1, 60000, "How long one answer of Redis may take."),
	INT_KEY(refresh_grace_seconds, "20", 0, 600, "How long a refresh token that was just used gets the same successor again."),
	PATH_KEY(refresh_key_file, "/etc/peal/refresh.key", "File with at least 32 random bytes, from which refresh tokens are derived."),
	INT_KEY(refresh_token_days, "30", 1, 3650, "How long a person stays signed in, however often the session is renewed."),
	WORD_KEY(registration, "closed", "open closed", "Whether anybody may make an account."),
	INT_KEY(report_retention_days, "365", 0, 36500, "How long reports are kept after moderators closed them, or last worked on them. 0: for ever."),
	INT_KEY(request_timeout_seconds, "10", 1, 3600, "A REST worker busy with one request for longer is killed."),
	INT_KEY(requests_per_worker, "50000", 1, 1000000000, "Requests after which a REST worker is replaced."),
	PATH_KEY(run_dir, "/run/peal", "Folder of the sockets. Short: a socket's path has at most 107 bytes."),
	STRING_KEY(s3_bucket, "", "Bucket of the object store; empty: the host of s3_endpoint names it."),
	STRING_KEY(s3_endpoint, "", "The object store: scheme and host, with its port if that is another one than the scheme's, without a path."),
	PATH_KEY(s3_key_file, "/etc/peal/s3.key", "File with the access key at the object store: its id in the first line, its secret in the second. Read by peal-media and peal-fcgi."),
	INT_KEY(s3_part_mib, "64", 5, 5120, "Larger files are sent to the object store in parts of this size."),
	STRING_KEY(s3_region, "us-east-1", "Region of the bucket; stores of one's own mostly take any."),
	INT_KEY(s3_timeout_seconds, "10", 1, 600, "An object store that says nothing for this long is given up, and the upload is refused."),
	INT_KEY(schedule_ahead_seconds, "5", 1, 3600, "How far ahead the time of a scheduled message is at least."),
	INT_KEY(search_budget_ms, "250", 1, 60000, "How long a search looks before it answers what it has found, with a cursor to go on."),
	INT_KEY(search_slice_rows, "250000", 100, 10000000, "Messages in one slice of the search index; a search looks at one slice after the other."),
	WORD_KEY(second_factor, "optional", "optional admins", "Who needs a second factor. admins: what moderators and admins may do beyond others is closed to accounts with a password until codes are set up; it opens at once when they are."),
	INT_KEY(session_idle_minutes, "0", 0, 5256000, "A session that was not renewed for this long is over; apps renew it while they are open, with every access token. 0: it ends after refresh_token_days only."),
	INT_KEY(shed_after_ms, "2000", 10, 600000, "A request that waited longer for a worker is answered 503 at once."),
	INT_KEY(statement_timeout_ms, "2000", 10, 600000, "How long one SQL statement may take."),
	INT_KEY(sweep_ms, "1000", 10, 60000, "Pause between two sweeps of peal-jobs for events that nobody published."),
	STRING_KEY(token_audience, "peal", "Claim `aud` of access tokens."),
	STRING_KEY(token_issuer, "peal", "Claim `iss` of access tokens."),
	PATH_KEY(token_private_key_file, "/etc/peal/token.key", "PEM file of the EC P-256 key that signs access tokens; readable by peal-fcgi only."),
	PATH_KEY(token_public_key_file, "/etc/peal/token.pub", "PEM file of its public half."),
	INT_KEY(typing_max_members, "64", 2, 10000, "Typing is told to others in conversations of at most this many members."),
	STRING_KEY(upload_address, "", "Likewise of the doors `upload` (10.0.0.11:9405), for a host with peal-media and without peal-fcgi."),
	PATH_KEY(vapid_key_file, "", "Key by which push services of browsers know this server. `pealctl keys vapid` makes it. Empty: browsers get no notifications. See notifications.md."),
	STRING_KEY(vapid_subject, "", "Whom push services may write to when notifications of this server trouble them: mailto:admin@example.org, or an https address. Needed with vapid_key_file."),
	INT_KEY(workers_auth, "2", 1, 1024, "REST workers for registering, signing in and changing passwords."),
	INT_KEY(workers_fast, "16", 1, 1024, "REST workers for everything that is quick."),
	INT_KEY(workers_feed, "4", 1, 1024, "REST workers for what peal-push asks."),
	INT_KEY(workers_slow, "4", 1, 1024, "REST workers for searches and exports."),
	{ 0 }
};
/* clang-format on */

/* What reading one file carries along. */
struct conf_reader {
	struct arena *arena;
	const struct conf_key *keys;
	void *to; /* the struct that the keys fill */
	struct buf *errors;
	const char *path;
	int line;
	int *set_on; /* by key: the line that set it, 0 when none did */
	bool failed;
};

static void complain(struct conf_reader *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

__attribute__((format(printf, 2, 0))) static void
complain_ap(struct conf_reader *r, const char *fmt, va_list ap)
{
	char text[512];

	vsnprintf(text, sizeof text, fmt, ap);
	r->failed = true;
	if (r->line)
		buf_printf(r->errors, "%s:%d: %s\n", r->path, r->line, text);
	else
		buf_printf(r->errors, "%s: %s\n", r->path, text);
}

static void
complain(struct conf_reader *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain_ap(r, fmt, ap);
	va_end(ap);
}

static const struct conf_key *
find_key(const struct conf_reader *r, struct str name)
{
	for (const struct conf_key *k = r->keys; k->name; k++)
		if (str_eq(name, str_c(k->name)))
			return k;
	return NULL;
}

/* Levenshtein's distance, one row at a time. */
static size_t
distance(struct str a, struct str b)
{
	size_t row[NAME_MAX_BYTES + 1];

	for (size_t j = 0; j <= b.n; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			size_t best = diagonal + (a.p[i - 1] != b.p[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[b.n];
}

/* The key somebody meant by a misspelt name: at most a third of it may differ. */
static const struct conf_key *
nearest_key(const struct conf_reader *r, struct str name)
{
	const struct conf_key *nearest = NULL;
	size_t least = name.n / 3 + 1;

	if (name.n > NAME_MAX_BYTES)
		return NULL;
	for (const struct conf_key *k = r->keys; k->name; k++) {
		size_t d = distance(name, str_c(k->name));

		if (d < least) {
			least = d;
			nearest = k;
		}
	}
	return nearest;
}

static bool
word_in(struct str word, const char *words)
{
	struct str rest = str_c(words);

	while (rest.p)
		if (str_eq(str_cut(&rest, ' '), word))
			return true;
	return false;
}

static void
set_int(struct conf_reader *r, const struct conf_key *k, struct str value)
{
	int64_t v;

	if (!str_int64(value, &v))
		complain(r, "%s must be a whole number, not \"%.*s\"", k->name, STR_ARG(value));
	else if (v < k->min || v > k->max)
		complain(r, "%s must be between %lld and %lld", k->name, (long long)k->min, (long long)k->max);
	else
		*(int64_t *)((char *)r->to + k->offset) = v;
}

static void
set_text(struct conf_reader *r, const struct conf_key *k, struct str value)
{
	bool none = !value.n && k->value && !*k->value; /* a file that need not be */

	if (k->type == CONF_PATH && !none && !str_has_prefix(value, STR("/")))
		complain(r, "%s must be an absolute path", k->name);
	else if (k->type == CONF_WORD && !word_in(value, k->words))
		complain(r, "%s must be one of: %s", k->name, k->words);
	else
		*(const char **)((char *)r->to + k->offset) = arena_cstr(r->arena, value);
}

static void
set_value(struct conf_reader *r, const struct conf_key *k, struct str value)
{
	if (k->type == CONF_INT)
		set_int(r, k, value);
	else
		set_text(r, k, value);
}

static void
unknown_key(struct conf_reader *r, struct str name)
{
	const struct conf_key *k = nearest_key(r, name);

	if (k)
		complain(r, "unknown key \"%.*s\"; did you mean \"%s\"?", STR_ARG(name), k->name);
	else
		complain(r, "unknown key \"%.*s\"", STR_ARG(name));
}

static void
read_line(struct conf_reader *r, struct str line)
{
	struct str name = str_trim(line), value;
	const struct conf_key *k;

	if (!name.n || name.p[0] == '#')
		return;
	if (!str_utf8_valid(name) || memchr(name.p, '\0', name.n)) {
		complain(r, "not a line of text");
		return;
	}
	value = name;
	name = str_trim(str_cut(&value, '='));
	k = find_key(r, name);
	if (!value.p) {
		complain(r, "expected \"key = value\"");
	} else if (!k) {
		unknown_key(r, name);
	} else if (r->set_on[k - r->keys]) {
		complain(r, "%s was set already on line %d", k->name, r->set_on[k - r->keys]);
	} else {
		r->set_on[k - r->keys] = r->line;
		set_value(r, k, str_trim(value));
	}
}

static void
read_text(struct conf_reader *r, struct str text)
{
	while (text.n) {
		r->line++;
		read_line(r, str_cut(&text, '\n'));
	}
	r->line = 0;
}

static int
read_file(struct conf_reader *r, struct buf *text)
{
	char *to = buf_reserve(text, FILE_MAX_BYTES + 1);
	FILE *f = fopen(r->path, "re");
	bool bad;

	if (!f) {
		complain(r, "%s", strerrordesc_np(errno));
		return INVALID;
	}
	errno = 0;
	buf_commit(text, fread(to, 1, FILE_MAX_BYTES + 1, f));
	bad = ferror(f);
	if (bad)
		complain(r, "%s", strerrordesc_np(errno));
	else if (text->n > FILE_MAX_BYTES)
		complain(r, "is larger than 1 MiB");
	fclose(f);
	return bad || text->n > FILE_MAX_BYTES ? INVALID : 0;
}

static void
set_defaults(struct conf_reader *r)
{
	for (const struct conf_key *k = r->keys; k->name; k++)
		if (k->value)
			set_value(r, k, str_c(k->value));
}

/* Errors beyond one line name the line that set the key, when one did. */
static void
at_key(struct conf_reader *r, const char *name)
{
	r->line = r->set_on[find_key(r, str_c(name)) - r->keys];
}

static bool
is_origin(struct str s)
{
	struct str host = s;

	if (str_has_prefix(s, STR("https://")))
		host = str_n(s.p + 8, s.n - 8);
	else if (str_has_prefix(s, STR("http://")))
		host = str_n(s.p + 7, s.n - 7);
	else
		return false;
	for (size_t i = 0; i < host.n; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789.-:[]", host.p[i]))
			return false;
	return host.n > 0;
}

static void
check_origins(struct conf_reader *r)
{
	const struct conf *conf = r->to;
	struct str rest = str_trim(str_c(conf->origins));

	at_key(r, "public_url");
	if (!is_origin(str_c(conf->public_url)))
		complain(r, "public_url must be http:// or https:// and a host in lower case, without a path");
	at_key(r, "origins");
	while (rest.n) {
		struct str origin = str_cut(&rest, ' ');

		if (origin.n && !is_origin(origin))
			complain(r, "origins: \"%.*s\" is not http:// or https:// and a host in lower case",
			         STR_ARG(origin));
	}
}

/* The host of an origin, without its port. */
static struct str
origin_host(struct str origin)
{
	str_cut(&origin, '/');
	str_cut(&origin, '/');
	return str_cut(&origin, ':');
}

static bool
lies_in(struct str host, struct str domain)
{
	size_t more = host.n - domain.n;

	return host.n >= domain.n && str_eq(str_n(host.p + more, domain.n), domain) && (!more || host.p[more - 1] == '.');
}

/* Browsers refuse passkeys for a domain that their page is not in: at least one page must be. */
static void
check_passkeys(struct conf_reader *r)
{
	const struct conf *conf = r->to;
	struct str domain = str_c(conf->passkey_rp_id), rest = str_c(conf->origins);
	bool found = lies_in(origin_host(str_c(conf->public_url)), domain);

	at_key(r, "passkey_rp_id");
	while (rest.n && !found)
		found = lies_in(origin_host(str_cut(&rest, ' ')), domain);
	if (domain.n && !found)
		complain(r, "passkey_rp_id: neither public_url nor one of the origins lies in \"%.*s\"", STR_ARG(domain));
}

static void
check_addresses(struct conf_reader *r, const char *key, const char *value, size_t most)
{
	struct address list[ADDRESSES_MAX];
	size_t n = address_list(str_c(value), list);

	at_key(r, key);
	if (*value && !n)
		complain(r, "%s: not an address with a port, such as 10.0.0.5:6379 or [fd00::5]:6379: \"%s\"", key, value);
	else if (n > most)
		complain(r, "%s: one address only", key);
}

static void
check_remote(struct conf_reader *r)
{
	const struct conf *conf = r->to;

	check_addresses(r, "command_address", conf->command_address, ADDRESSES_MAX);
	check_addresses(r, "feed_address", conf->feed_address, ADDRESSES_MAX);
	check_addresses(r, "upload_address", conf->upload_address, ADDRESSES_MAX);
	check_addresses(r, "keeper_address", conf->keeper_address, 1);
	check_addresses(r, "redis_address", conf->redis_address, 1);
	at_key(r, "redis_password_file");
	if (*conf->redis_password_file && *conf->redis_password_file != '/')
		complain(r, "redis_password_file must be an absolute path: \"%s\"", conf->redis_password_file);
}

static void
check_sockets(struct conf_reader *r)
{
	const struct conf *conf = r->to;
	at_key(r, "run_dir");
	if (strlen(conf->run_dir) + strlen(LONGEST_SOCKET) > SUN_PATH_BYTES)
		complain(r, "run_dir is too long: with \"%s\" it must have at most %zu bytes", LONGEST_SOCKET,
		         SUN_PATH_BYTES);
	at_key(r, "redis_socket");
	if (strlen(conf->redis_socket) > SUN_PATH_BYTES)
		complain(r, "redis_socket is too long: it must have at most %zu bytes", SUN_PATH_BYTES);
}

static bool
made_of(const char *s, const char *allowed)
{
	return s[strspn(s, allowed)] == '\0';
}

static void
check_object_store(struct conf_reader *r)
{
	const struct conf *conf = r->to;

	at_key(r, "s3_endpoint");
	if ((*conf->s3_endpoint || !strcmp(conf->media_store, "s3")) && !is_origin(str_c(conf->s3_endpoint)))
		complain(r, "s3_endpoint must be http:// or https:// and a host in lower case, without a path");
	at_key(r, "s3_bucket");
	if (!made_of(conf->s3_bucket, "abcdefghijklmnopqrstuvwxyz0123456789.-"))
		complain(r, "s3_bucket: a bucket's name has small letters, digits, dots and hyphens");
	at_key(r, "s3_region");
	if (!*conf->s3_region || !made_of(conf->s3_region, "abcdefghijklmnopqrstuvwxyz0123456789-"))
		complain(r, "s3_region: a region's name has small letters, digits and hyphens");
}

/* What is too large to be asked about could only be refused, for ever. */
static void
check_scanner(struct conf_reader *r)
{
	const struct conf *conf = r->to;

	check_addresses(r, "clamd_address", conf->clamd_address, ADDRESSES_MAX);
	at_key(r, "clamd_mib");
	if (*conf->clamd_address && !strcmp(conf->clamd_failure, "refuse") &&
	    (conf->clamd_mib < conf->media_file_mib || conf->clamd_mib < conf->media_video_mib))
		complain(r,
		         "clamd_mib must not be less than media_file_mib and media_video_mib while clamd_failure is refuse");
}

static void
check_ice(struct conf_reader *r, const char *key, const char *value, enum ice_kind kind)
{
	struct str rest = str_trim(str_c(value));
	size_t n = 0;

	at_key(r, key);
	while (rest.n) {
		struct str url = str_cut(&rest, ' ');

		if (!url.n)
			continue;
		if (ice_kind(url) != kind)
			complain(r, "%s: \"%.*s\" is not an address such as %s", key, STR_ARG(url),
			         kind == ICE_STUN ? "stun:turn.example.org:3478"
			                          : "turn:turn.example.org:3478?transport=udp");
		else if (++n > ICE_URLS_MOST)
			complain(r, "%s: %d addresses at most", key, ICE_URLS_MOST);
	}
}

/* It is written into a JSON string as it is. */
static void
check_notifications(struct conf_reader *r)
{
	const struct conf *conf = r->to;
	struct str subject = str_c(conf->vapid_subject);

	at_key(r, "vapid_subject");
	if (*conf->vapid_key_file && !str_has_prefix(subject, STR("mailto:")) && !str_has_prefix(subject, STR("https://")))
		complain(r, "vapid_subject must begin with mailto: or https:// while vapid_key_file is set");
	for (size_t i = 0; i < subject.n; i++)
		if (subject.p[i] <= ' ' || subject.p[i] >= 0x7f || strchr("\"\\", subject.p[i])) {
			complain(r, "vapid_subject: plain letters, digits and signs, without blanks and quotes");
			break;
		}
	at_key(r, "fcm_url");
	if (!str_has_prefix(str_c(conf->fcm_url), STR("https://")) || !is_origin(str_c(conf->fcm_url)))
		complain(r, "fcm_url must be https:// and a host in lower case, without a path");
}

static void
check_numbers(struct conf_reader *r)
{
	const struct conf *conf = r->to;
	at_key(r, "session_idle_minutes");
	if (conf->session_idle_minutes && conf->session_idle_minutes * 60 <= conf->access_token_seconds)
		complain(r, "session_idle_minutes must be longer than access_token_seconds, or sessions end while they are "
		            "used");
	at_key(r, "push_dead_seconds");
	if (conf->push_dead_seconds <= conf->push_heartbeat_seconds)
		complain(r, "push_dead_seconds must be greater than push_heartbeat_seconds, or healthy sockets are closed");
	at_key(r, "max_message_body_kib");
	if (conf->max_message_body_kib < conf->max_content_kib)
		complain(r, "max_message_body_kib must not be less than max_content_kib");
	at_key(r, "push_max_frame_kib");
	if (conf->push_max_frame_kib < conf->max_message_body_kib)
		complain(r, "push_max_frame_kib must not be less than max_message_body_kib");
}

static void
check_needed(struct conf_reader *r)
{
	r->line = 0;
	for (const struct conf_key *k = r->keys; k->name; k++)
		if (!k->value && !r->set_on[k - r->keys])
			complain(r, "%s must be set", k->name);
}

static void
check_all(struct conf_reader *r, void *out)
{
	(void)out;
	check_origins(r);
	check_passkeys(r);
	check_sockets(r);
	check_remote(r);
	check_object_store(r);
	check_scanner(r);
	check_ice(r, "call_stun_urls", ((const struct conf *)r->to)->call_stun_urls, ICE_STUN);
	check_ice(r, "call_turn_urls", ((const struct conf *)r->to)->call_turn_urls, ICE_TURN);
	check_notifications(r);
	check_numbers(r);
}

void
conf_complain(struct conf_reader *r, const char *key, const char *fmt, ...)
{
	va_list ap;

	r->line = 0;
	if (key)
		at_key(r, key);
	va_start(ap, fmt);
	complain_ap(r, fmt, ap);
	va_end(ap);
}

static size_t
count_keys(const struct conf_key *keys)
{
	size_t n = 0;

	while (keys[n].name)
		n++;
	return n;
}

int
conf_read(struct arena *a, const char *path, const struct conf_key *keys, void *out,
          void (*check)(struct conf_reader *, void *out), struct buf *errors)
{
	struct conf_reader r = { .arena = a,
		                 .keys = keys,
		                 .to = out,
		                 .errors = errors,
		                 .path = path ? path : "defaults",
		                 .set_on = arena_alloc_array(a, count_keys(keys), sizeof(int)) };
	struct buf text;

	set_defaults(&r);
	buf_init(&text, FILE_MAX_BYTES + 1);
	if (!path || !read_file(&r, &text)) {
		read_text(&r, buf_view(&text));
		check_needed(&r);
		if (!r.failed)
			check(&r, out);
	}
	buf_deinit(&text);
	return r.failed ? INVALID : 0;
}

int
conf_load(struct arena *a, const char *path, struct conf *ret, struct buf *errors)
{
	struct conf conf = { 0 };
	int r = conf_read(a, path, conf_keys, &conf, check_all, errors);

	if (!r)
		*ret = conf;
	return r;
}

static void
write_accepted(struct buf *b, const struct conf_key *k)
{
	switch (k->type) {
	case CONF_INT:
		buf_printf(b, "%lld to %lld", (long long)k->min, (long long)k->max);
		break;
	case CONF_WORD:
		for (struct str rest = str_c(k->words); rest.p; buf_str(b, rest.p ? STR(", ") : STR("")))
			buf_str(b, str_cut(&rest, ' '));
		break;
	case CONF_PATH:
		buf_str(b, STR("absolute path"));
		break;
	case CONF_STRING:
		buf_str(b, STR("text"));
		break;
	}
}

void
conf_write_sample(struct buf *b)
{
	buf_str(b, STR("# Configuration of Peal: `key = value` per line. What is commented out here is the default.\n"
	               "# `pealctl config check` names every mistake; docs/configuration.md is this list as a page.\n"));
	for (const struct conf_key *k = conf_keys; k->name; k++) {
		buf_printf(b, "\n# %s\n# Accepted: ", k->help);
		write_accepted(b, k);
		buf_printf(b, k->value ? ".\n#%s = %s\n" : ".\n%s = %s\n", k->name, k->value ? k->value : "");
	}
}

void
conf_write_reference(struct buf *b)
{
	buf_str(b,
	        STR("# Configuration\n\n"
	            "All daemons and `pealctl` read one file, `/etc/peal/peal.conf`: `key = value` per line, `#` begins a\n"
	            "comment line, no quoting, no sections. Unknown keys and bad values are errors; `pealctl config check`\n"
	            "lists all of them with their lines. Units are part of a key's name. Secrets come by file path only.\n"
	            "\n"));
	conf_write_table(b, conf_keys);
}

void
conf_write_table(struct buf *b, const struct conf_key *keys)
{
	buf_str(b, STR("| key | accepted | default | meaning |\n|---|---|---|---|\n"));
	for (const struct conf_key *k = keys; k->name; k++) {
		buf_printf(b, "| `%s` | ", k->name);
		write_accepted(b, k);
		if (!k->value)
			buf_str(b, STR(" | must be set"));
		else if (!*k->value)
			buf_str(b, STR(" | empty"));
		else
			buf_printf(b, " | `%s`", k->value);
		buf_printf(b, " | %s |\n", k->help);
	}
}

const char *
conf_socket(struct arena *a, const struct conf *conf, const char *name)
{
	struct str path = arena_printf(a, "%s/%s.sock", conf->run_dir, name);

	if (path.n > SUN_PATH_BYTES) {
		LOG(ERROR, "socket_path_too_long", L_STR("path", path));
		abort();
	}
	return path.p;
}

const char *
conf_door(struct arena *a, const struct conf *conf, const char *name)
{
	const struct {
		const char *name, *address;
	} doors[] = { { "command", conf->command_address },
		      { "feed", conf->feed_address },
		      { "upload", conf->upload_address },
		      { "keeper", conf->keeper_address } };

	for (size_t i = 0; i < sizeof(doors) / sizeof(*doors); i++)
		if (!strcmp(name, doors[i].name) && *doors[i].address)
			return doors[i].address;
	return conf_socket(a, conf, name);
}
