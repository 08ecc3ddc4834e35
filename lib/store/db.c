/*
 * db -- prepared statements over one libpq connection: signatures to binary values and back, SQLSTATEs to outcomes.
 */
#include <endian.h>
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdlib.h>

#include "../base/bytes.h"
#include "../base/fail.h"
#include "../base/log.h"
#include "db.h"

#define PARAMS_MAX        20
#define COLUMNS_MAX       80
#define POSTGRES_EPOCH_US INT64_C(946684800000000) /* 2000-01-01T00:00:00Z */
#define CONNECT_US        INT64_C(1000000)
#define ANSWER_GRACE_US   INT64_C(1500000) /* past statement_timeout the server itself must have stopped */
#define SPACING_FIRST_US  INT64_C(50000)
#define SPACING_MOST_US   INT64_C(2000000)
#define CALLER_UNKNOWN    INT64_MIN

struct db {
	char *conninfo, *application_name;
	int64_t statement_timeout_ms;
	bool bare;
	PGconn *conn;
	int64_t next_attempt, spacing; /* monotonic microseconds */
	int64_t statements, generation;
	bool in_transaction;
#ifdef PEAL_FAILPOINTS
	int64_t caller, named; /* who the statements are for, and who the session was told */
	bool oracle;
#endif
	bool away_logged;
	char error[240];
};

struct rows {
	PGresult *result;
	struct arena *arena;
	char letters[COLUMNS_MAX];
};

/* ---- signatures ---- */

struct type {
	char letter;
	Oid oid, other; /* other: also accepted in results */
};

static const struct type types[] = {
	{ 'i', 20, 0 },   { 'n', 23, 0 }, { 'h', 21, 0 },     { 's', 25, 1043 }, { 'b', 16, 0 },
	{ 't', 1184, 0 }, { 'y', 17, 0 }, { 'j', 3802, 114 }, { 'u', 2950, 0 },  { 'I', 1016, 0 },
};

static const struct type *
type_of(char letter)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (types[i].letter == letter)
			return &types[i];
	abort(); /* a statement's signature is wrong */
}

/* The letters of a signature without the N marks; nullable[i] tells about those. */
static size_t
letters_of(const char *signature, char *letters, bool *nullable, size_t most)
{
	bool null = false;
	size_t n = 0;

	for (const char *s = signature; *s; s++) {
		if (*s == 'N') {
			null = true;
			continue;
		}
		if (n == most)
			abort();
		if (nullable)
			nullable[n] = null;
		letters[n++] = *s;
		null = false;
	}
	return n;
}

/* ---- making, losing and finding a connection ---- */

struct db *
db_new(const char *conninfo, const char *application_name, int64_t statement_timeout_ms)
{
	struct db *db = calloc(1, sizeof(*db));

	if (!db)
		abort();
	db->conninfo = strdup(conninfo);
	db->application_name = strdup(application_name);
	if (!db->conninfo || !db->application_name)
		abort();
	db->statement_timeout_ms = statement_timeout_ms;
	db->spacing = SPACING_FIRST_US;
	db_caller(db, DB_CALLER_SYSTEM);
	return db;
}

struct db *
db_new_bare(const char *conninfo, const char *application_name)
{
	struct db *db = db_new(conninfo, application_name, 0);

	db->bare = true;
	return db;
}

struct db *
db_free(struct db *db)
{
	if (!db)
		return NULL;
	PQfinish(db->conn);
	free(db->conninfo);
	free(db->application_name);
	free(db);
	return NULL;
}

/* libpq's messages end in newlines and span several lines; the first says what happened. */
static void
keep_error(struct db *db, const char *text)
{
	struct str rest = str_c(text ? text : "");
	struct str line = str_trim(str_cut(&rest, '\n'));
	size_t n = line.n < sizeof(db->error) - 1 ? line.n : sizeof(db->error) - 1;

	if (n)
		memcpy(db->error, line.p, n);
	db->error[n] = '\0';
}

static void
drop(struct db *db)
{
	PQfinish(db->conn);
	db->conn = NULL;
}

static int64_t
jittered(int64_t us)
{
	uint32_t random;

	bytes_random(&random, sizeof(random));
	return us / 2 + us * (int64_t)(random % 1024) / 1024;
}

/* Gives the connection up and says when the next attempt may be made. */
static int
away(struct db *db)
{
	drop(db);
	db->next_attempt = clock_mono_us() + jittered(db->spacing);
	db->spacing = db->spacing * 2 < SPACING_MOST_US ? db->spacing * 2 : SPACING_MOST_US;
	if (!db->away_logged)
		LOG(WARNING, "database-away", L_CSTR("why", db->error));
	db->away_logged = true;
	return UNAVAILABLE;
}

/* Waits until the socket is ready for `events`; false when the deadline (monotonic, 0: none) passes first. */
static bool
wait_socket(PGconn *conn, short events, int64_t deadline)
{
	struct pollfd p = { .fd = PQsocket(conn), .events = events };
	int n;

	do {
		int64_t left = deadline ? deadline - clock_mono_us() : -1;

		if (deadline && left <= 0)
			return false;
		n = poll(&p, 1, deadline ? (int)(left / 1000 + 1) : -1);
	} while (n == 0 || (n < 0 && errno == EINTR));
	return n > 0;
}

static bool
handshake(struct db *db)
{
	int64_t deadline = clock_mono_us() + CONNECT_US;
	PostgresPollingStatusType state = PGRES_POLLING_WRITING;

	while (state != PGRES_POLLING_OK && state != PGRES_POLLING_FAILED) {
		if (!wait_socket(db->conn, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline)) {
			keep_error(db, "timeout while connecting");
			return false;
		}
		state = PQconnectPoll(db->conn);
	}
	if (state == PGRES_POLLING_FAILED)
		keep_error(db, PQerrorMessage(db->conn));
	return state == PGRES_POLLING_OK;
}

/* The next result, NULL after the last. False when the server did not answer in time or is gone. */
static bool
next_result(struct db *db, int64_t deadline, PGresult **ret)
{
	while (PQisBusy(db->conn)) {
		if (!wait_socket(db->conn, POLLIN, deadline)) {
			keep_error(db, "no answer in time");
			return false;
		}
		if (!PQconsumeInput(db->conn)) {
			keep_error(db, PQerrorMessage(db->conn));
			return false;
		}
	}
	*ret = PQgetResult(db->conn);
	return true;
}

static int
send_prepare(struct db *db, const struct stmt *stmt)
{
	char letters[PARAMS_MAX];
	Oid oids[PARAMS_MAX];
	size_t n = letters_of(stmt->params, letters, NULL, PARAMS_MAX);

	for (size_t i = 0; i < n; i++)
		oids[i] = type_of(letters[i])->oid;
	return PQsendPrepare(db->conn, stmt->name, stmt->text, (int)n, oids);
}

static bool
prepared(struct db *db, PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_PIPELINE_SYNC) {
		if (status != PGRES_PIPELINE_ABORTED)
			keep_error(db, PQresultErrorMessage(result));
		return false;
	}
	return true;
}

/*
 * All statements in one round trip: a reconnecting worker is back within milliseconds. Nothing is prepared in a database that was
 * restored from a dump before pealctl migrate has made it fit (sql/0034_home.sql).
 */
static bool
prepare_all(struct db *db)
{
	int64_t deadline = clock_mono_us() + CONNECT_US * 3;
	size_t expected = 1, ok = 0;
	PGresult *result;

	if (!PQenterPipelineMode(db->conn) ||
	    !PQsendQueryParams(db->conn, "SELECT home_confirm()", 0, NULL, NULL, NULL, NULL, 0))
		return false;
	for (const struct stmt *const *const *file = store_statements; *file; file++) {
		for (const struct stmt *const *stmt = *file; *stmt; stmt++, expected++)
			if (!send_prepare(db, *stmt))
				return false;
	}
	if (!PQpipelineSync(db->conn))
		return false;
	for (bool synced = false; !synced;) {
		if (!next_result(db, deadline, &result))
			return false;
		synced = PQresultStatus(result) == PGRES_PIPELINE_SYNC;
		if (result && !synced)
			ok += prepared(db, result);
		if (!result && PQstatus(db->conn) != CONNECTION_OK)
			return false;
		PQclear(result);
	}
	return ok == expected && PQexitPipelineMode(db->conn);
}

static PGconn *
start(const struct db *db)
{
	char options[512];
	const char *const keys[] = { "client_encoding", "connect_timeout", "dbname", "application_name", "options", NULL };
	const char *const values[] = { "UTF8", "2", db->conninfo, db->application_name, options, NULL };

	snprintf(options, sizeof(options),
	         "-c statement_timeout=%lld -c lock_timeout=%d -c idle_in_transaction_session_timeout=5000 "
	         "-c plan_cache_mode=force_generic_plan -c jit=off -c synchronous_commit=on -c TimeZone=UTC "
	         "-c client_min_messages=warning -c search_path=public "
	         /* plans are kept, and some were made while their tables held nothing */
	         "-c enable_seqscan=off "
	         /* of a host that is cut off, the server lets go: locks are held by its sessions, and who leads peal-jobs */
	         "-c tcp_keepalives_idle=3 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3 -c tcp_user_timeout=8000",
	         (long long)db->statement_timeout_ms, db->bare ? 2000 : 1000);
	return PQconnectStartParams(keys, values, 1);
}

static void
ignore_notice(void *arg, const PGresult *result)
{
	(void)arg;
	(void)result;
}

/* An idle connection that the server has closed is readable: notice it before a statement is sent, not after. */
static void
notice_closed(struct db *db)
{
	struct pollfd p = { .fd = db->conn ? PQsocket(db->conn) : -1, .events = POLLIN };

	if (p.fd < 0 || poll(&p, 1, 0) <= 0)
		return;
	if (PQconsumeInput(db->conn) && PQstatus(db->conn) == CONNECTION_OK) {
		PQisBusy(db->conn); /* parses: an asynchronous FATAL shows here */
		if (PQstatus(db->conn) == CONNECTION_OK && poll(&p, 1, 0) <= 0)
			return;
	}
	keep_error(db, PQerrorMessage(db->conn));
	drop(db);
}

#ifdef PEAL_FAILPOINTS
/* Does this database have the policies of tests/oracle? They ask who calls. */
static void
find_oracle(struct db *db)
{
	PGresult *result = PQexec(db->conn, "SELECT coalesce(current_setting('peal.oracle', true), '')");

	db->oracle = PQresultStatus(result) == PGRES_TUPLES_OK && !strcmp(PQgetvalue(result, 0, 0), "on");
	db->named = DB_CALLER_SYSTEM;
	PQclear(result);
}

static void
name_caller(struct db *db)
{
	char text[64];

	if (!db->oracle || db->caller == db->named)
		return;
	snprintf(text, sizeof(text), "SET peal.caller = '%lld'", (long long)db->caller);
	PQclear(PQexec(db->conn, text));
	db->named = db->caller;
}

void
db_caller(struct db *db, int64_t user_id)
{
	db->caller = user_id;
}

/* What was said within a transaction is taken back with it. */
static void
forget_caller(struct db *db)
{
	db->named = CALLER_UNKNOWN;
}
#else
#define find_oracle(db)   ((void)0)
#define forget_caller(db) ((void)0)
#define name_caller(db)   ((void)0)
#endif

int
db_connect(struct db *db)
{
	notice_closed(db);
	if (db->conn && PQstatus(db->conn) == CONNECTION_OK)
		return 0;
	drop(db);
	if (clock_mono_us() < db->next_attempt)
		return UNAVAILABLE;
	db->conn = start(db);
	if (!db->conn || PQstatus(db->conn) == CONNECTION_BAD) {
		keep_error(db, PQerrorMessage(db->conn));
		return away(db);
	}
	PQsetNoticeReceiver(db->conn, ignore_notice, NULL);
	if (!handshake(db) || (!db->bare && !prepare_all(db)))
		return away(db);
	find_oracle(db);
	db->spacing = SPACING_FIRST_US;
	db->generation++;
	if (db->away_logged)
		LOG(NOTICE, "database-back", L_INT("generation", db->generation));
	db->away_logged = false;
	return 0;
}

bool
db_connected(const struct db *db)
{
	return db->conn && PQstatus(db->conn) == CONNECTION_OK;
}

int64_t
db_generation(const struct db *db)
{
	return db->generation;
}

const char *
db_last_error(const struct db *db)
{
	return db->error;
}

int64_t
db_statements(const struct db *db)
{
	return db->statements;
}

/* ---- parameters ---- */

struct params {
	int n;
	Oid oids[PARAMS_MAX];
	const char *values[PARAMS_MAX];
	int lengths[PARAMS_MAX], formats[PARAMS_MAX];
};

static char *
put64(char *p, int64_t v)
{
	uint64_t be = htobe64((uint64_t)v);

	memcpy(p, &be, 8);
	return p + 8;
}

static char *
put32(char *p, int32_t v)
{
	uint32_t be = htobe32((uint32_t)v);

	memcpy(p, &be, 4);
	return p + 4;
}

/* array_recv: dimensions, has nulls, element type, then per dimension size and lower bound, then length and bytes each. */
static struct str
encode_ids(struct arena *arena, const int64_t *ids, size_t n)
{
	char *start = arena_alloc(arena, 20 + n * 12), *p = start;

	p = put32(p, n ? 1 : 0);
	p = put32(p, 0);
	p = put32(p, 20);
	if (n) {
		p = put32(p, (int32_t)n);
		p = put32(p, 1);
	}
	for (size_t i = 0; i < n; i++)
		p = put64(put32(p, 8), ids[i]);
	return str_n(start, (size_t)(p - start));
}

static struct str
encode_int(struct arena *arena, char letter, int64_t v)
{
	char *p = arena_alloc(arena, 8);

	switch (letter) {
	case 'n':
		put32(p, (int32_t)v);
		return str_n(p, 4);
	case 'h':
		p[0] = (char)((uint16_t)v >> 8);
		p[1] = (char)v;
		return str_n(p, 2);
	case 'b':
		p[0] = v != 0;
		return str_n(p, 1);
	case 't':
		put64(p, v - POSTGRES_EPOCH_US);
		return str_n(p, 8);
	default:
		put64(p, v);
		return str_n(p, 8);
	}
}

/* uuid and json travel as text (`*format` 0, NUL-terminated), everything else binary. */
static struct str
encode(struct arena *arena, char letter, const struct arg *arg, int *format)
{
	*format = 1;
	switch (letter) {
	case 'u':
	case 'j':
		*format = 0;
		return arena_str(arena, arg->s);
	case 's':
	case 'y':
		return arg->s.n ? arg->s : STR("");
	case 'I':
		return encode_ids(arena, arg->ids, arg->n);
	default:
		return encode_int(arena, letter, arg->i);
	}
}

static int
encode_all(struct arena *arena, const struct stmt *stmt, const struct arg *args, struct params *p)
{
	char letters[PARAMS_MAX];
	bool nullable[PARAMS_MAX];

	p->n = (int)letters_of(stmt->params, letters, nullable, PARAMS_MAX);
	for (int i = 0; i < p->n; i++) {
		struct str v = STR_NONE;

		p->oids[i] = type_of(letters[i])->oid;
		p->formats[i] = 1;
		if (!args[i].null && !(letters[i] == 't' && !args[i].i))
			v = encode(arena, letters[i], &args[i], &p->formats[i]);
		else if (!nullable[i])
			return fault(-EINVAL);
		p->values[i] = v.p;
		p->lengths[i] = (int)v.n;
	}
	return 0;
}

/* ---- running ---- */

static const struct {
	const char *sqlstate; /* a prefix */
	enum outcome outcome;
} outcomes[] = {
	{ "40001", RETRY },        { "40P01", RETRY },       { "55P03", RETRY },      { "PE400", INVALID },
	{ "PE404", NOT_FOUND },    { "PE403", FORBIDDEN },   { "PE409", CONFLICT },   { "PE422", IDEMPOTENCY_CONFLICT },
	{ "PE429", RATE_LIMITED }, { "PE507", NO_SPACE },    { "PE4A1", LAST_ADMIN }, { "PE4B1", BLOCKED },
	{ "PE4D1", DELETED },      { "PE4G1", GROUP_FULL },  { "PE4K1", WRONG_KIND }, { "PE4L1", LAST_OWNER },
	{ "PE4M1", TOO_MANY },     { "PE4P1", POLL_CLOSED }, { "PE4S1", SLOW_MODE },  { "PE4V1", STALE_VERSION },
	{ "PE4W1", LAST_WAY_IN },  { "23505", CONFLICT },    { "23503", NOT_FOUND },  { "23514", INVALID },
	{ "22", INVALID },         { "57014", UNAVAILABLE }, { "53", UNAVAILABLE },   { "57P", UNAVAILABLE },
	{ "08", UNAVAILABLE },
};

/* The connection is good, but not for us: a standby after a failover, or a pooler that forgot our statements. */
static bool
useless(const char *sqlstate)
{
	return !strcmp(sqlstate, "25006") || !strcmp(sqlstate, "26000");
}

static int
outcome_of(struct db *db, const struct stmt *stmt, const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	keep_error(db, message ? message : PQresultErrorMessage(result));
	if (!sqlstate)
		return fault(-EPROTO);
	for (size_t i = 0; i < sizeof(outcomes) / sizeof(*outcomes); i++)
		if (!strncmp(sqlstate, outcomes[i].sqlstate, strlen(outcomes[i].sqlstate)))
			return outcomes[i].outcome;
	if (useless(sqlstate))
		return away(db);
	LOG(ERROR, "statement-failed", L_CSTR("statement", stmt->name), L_CSTR("sqlstate", sqlstate),
	    L_CSTR("message", db->error));
	return fault(-EIO);
}

/* clang-format off */
static const struct stmt begin = { .name = "db_begin", .params = "", .results = "", .text = "BEGIN" };
static const struct stmt commit = { .name = "db_commit", .params = "", .results = "", .text = "COMMIT", .writes = true };
static const struct stmt rollback = { .name = "db_rollback", .params = "", .results = "", .text = "ROLLBACK" };
/* clang-format on */

const struct stmt *const db_statements_own[] = { &begin, &commit, &rollback, NULL };

static int
lost(struct db *db, const struct stmt *stmt)
{
	if (!db->error[0])
		keep_error(db, "connection lost");
	away(db);
	db->next_attempt = 0; /* it worked a moment ago: only failing to come back begins the waiting */
	if (db->in_transaction && stmt != &commit)
		return UNAVAILABLE; /* whatever it did, it did not commit */
	return stmt->writes ? UNCERTAIN : UNAVAILABLE;
}

/*
 * Collects what one statement answers. In the extended protocol the transaction commits at Sync, after CommandComplete: only
 * the end of all results (ReadyForQuery) says that it did, and an error that comes after rows replaces them.
 */
static int
collect(struct db *db, const struct stmt *stmt, PGresult **ret)
{
	int64_t deadline = db->bare ? 0 : clock_mono_us() + db->statement_timeout_ms * 1000 + ANSWER_GRACE_US;
	PGresult *result = NULL, *last = NULL;

	for (;;) {
		if (!next_result(db, deadline, &result)) {
			PQclear(last);
			return lost(db, stmt);
		}
		if (!result)
			break;
		PQclear(last);
		last = result;
	}
	if (PQstatus(db->conn) != CONNECTION_OK || !last) {
		keep_error(db, last ? PQresultErrorMessage(last) : PQerrorMessage(db->conn));
		PQclear(last);
		return lost(db, stmt);
	}
	*ret = last;
	return 0;
}

static int
send_statement(struct db *db, const struct stmt *stmt, const struct params *p)
{
	if (db->bare)
		return PQsendQueryParams(db->conn, stmt->text, p->n, p->oids, p->values, p->lengths, p->formats, 1);
	return PQsendQueryPrepared(db->conn, stmt->name, p->n, p->values, p->lengths, p->formats, 1);
}

/* A new connection would know nothing of the transaction. */
static int
still_connected(const struct db *db)
{
	return db_connected(db) ? 0 : UNAVAILABLE;
}

static int
run_once(struct db *db, const struct stmt *stmt, const struct params *p, PGresult **ret)
{
	PGresult *result;
	int r;

	r = db->in_transaction ? still_connected(db) : db_connect(db);
	if (r)
		return trace(r);
	name_caller(db);
	db->error[0] = '\0';
	db->statements++;
	if (!send_statement(db, stmt, p)) {
		keep_error(db, PQerrorMessage(db->conn));
		return lost(db, stmt);
	}
#ifdef PEAL_FAILPOINTS
	if (!strcmp(stmt->name, "message_send"))
		FAILPOINT("send.sent");
#endif
	r = collect(db, stmt, &result);
	if (r)
		return r;
	if (PQresultStatus(result) == PGRES_TUPLES_OK || PQresultStatus(result) == PGRES_COMMAND_OK) {
		*ret = result;
		return 0;
	}
	r = outcome_of(db, stmt, result);
	PQclear(result);
	return r;
}

static void
clear_result(void *arg)
{
	PQclear(arg);
}

int
db_run(struct db *db, struct arena *arena, const struct stmt *stmt, const struct arg *args, struct rows **ret)
{
	struct params params;
	struct rows *rows;
	PGresult *result;
	int r;

	r = encode_all(arena, stmt, args, &params);
	if (r)
		return trace(r);
	r = run_once(db, stmt, &params, &result);
	if (r == RETRY && !db->in_transaction)
		r = run_once(db, stmt, &params, &result);
	if (r)
		return trace(r);
	arena_defer(arena, clear_result, result);
	rows = arena_new_of(arena, struct rows);
	rows->result = result;
	rows->arena = arena;
	if (letters_of(stmt->results, rows->letters, NULL, COLUMNS_MAX) != (size_t)PQnfields(result))
		return fault(-EPROTO);
	*ret = rows;
	return 0;
}

int
db_begin(struct db *db, struct arena *arena)
{
	struct rows *rows;
	int r = db_run(db, arena, &begin, NULL, &rows);

	db->in_transaction = !r;
	return r ? trace(r) : 0;
}

/* A statement that failed has ended the transaction, even if nobody passed its outcome up: PostgreSQL then answers ROLLBACK. */
int
db_commit(struct db *db, struct arena *arena)
{
	struct rows *rows;
	int r = db_run(db, arena, &commit, NULL, &rows);

	db->in_transaction = false;
	if (r)
		return trace(r);
	return strcmp(PQcmdStatus(rows->result), "COMMIT") ? fault(-EPROTO) : 0;
}

void
db_rollback(struct db *db, struct arena *arena)
{
	struct rows *rows;

	if (db->in_transaction && db_run(db, arena, &rollback, NULL, &rows))
		drop(db); /* whatever state it is in, nobody uses it again */
	db->in_transaction = false;
	forget_caller(db);
}

int
db_exec_text(struct db *db, const char *sql, struct buf *error)
{
	PGresult *result;
	ExecStatusType status;
	int r = db_connect(db);

	if (r) {
		buf_printf(error, "%s", db->error);
		return r;
	}
	result = PQexec(db->conn, sql);
	status = PQresultStatus(result);
	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY) {
		buf_str(error, str_trim(str_c(PQerrorMessage(db->conn))));
		r = PQstatus(db->conn) == CONNECTION_OK ? INVALID : UNAVAILABLE;
	}
	PQclear(result);
	return r;
}

/* ---- rows ---- */

size_t
rows_n(const struct rows *rows)
{
	return (size_t)PQntuples(rows->result);
}

bool
rows_null(const struct rows *rows, size_t row, size_t column)
{
	return PQgetisnull(rows->result, (int)row, (int)column);
}

static int64_t
get64(const char *p)
{
	uint64_t be;

	memcpy(&be, p, 8);
	return (int64_t)be64toh(be);
}

static int32_t
get32(const char *p)
{
	uint32_t be;

	memcpy(&be, p, 4);
	return (int32_t)be32toh(be);
}

int64_t
rows_int(const struct rows *rows, size_t row, size_t column)
{
	const char *p = PQgetvalue(rows->result, (int)row, (int)column);

	if (rows_null(rows, row, column))
		return 0;
	switch (rows->letters[column]) {
	case 'i':
		return get64(p);
	case 'n':
		return get32(p);
	case 'h':
		return (int16_t)((unsigned char)p[0] << 8 | (unsigned char)p[1]);
	case 'b':
		return p[0] != 0;
	case 't':
		return get64(p) + POSTGRES_EPOCH_US;
	default:
		abort(); /* not a number */
	}
}

/* uuid_send gives 16 bytes; everybody else wants the text form. */
static struct str
uuid_text(struct arena *arena, const char *p)
{
	struct str h = hex(arena, p, 16);

	return arena_printf(arena, "%.8s-%.4s-%.4s-%.4s-%.12s", h.p, h.p + 8, h.p + 12, h.p + 16, h.p + 20);
}

struct str
rows_str(const struct rows *rows, size_t row, size_t column)
{
	struct str v = str_n(PQgetvalue(rows->result, (int)row, (int)column),
	                     (size_t)PQgetlength(rows->result, (int)row, (int)column));

	if (rows_null(rows, row, column))
		return STR_NONE;
	switch (rows->letters[column]) {
	case 's':
	case 'y':
		return v;
	case 'j': /* jsonb_send puts its version, 1, in front */
		return PQftype(rows->result, (int)column) == 3802 ? str_n(v.p + 1, v.n - 1) : v;
	case 'u':
		return uuid_text(rows->arena, v.p);
	default:
		abort(); /* not a string */
	}
}

const int64_t *
rows_ids(const struct rows *rows, struct arena *arena, size_t row, size_t column, size_t *ret_n)
{
	const char *p = PQgetvalue(rows->result, (int)row, (int)column);
	int64_t *ids;
	size_t n;

	if (rows->letters[column] != 'I')
		abort();
	if (rows_null(rows, row, column) || get32(p) == 0) {
		*ret_n = 0;
		return NULL;
	}
	n = (size_t)get32(p + 12);
	p += 20;
	ids = arena_alloc_array(arena, n, sizeof(*ids));
	for (size_t i = 0; i < n; i++, p += 12)
		ids[i] = get64(p + 4);
	*ret_n = n;
	return ids;
}

/* ---- checking ---- */

static void
check_statement(struct db *db, const struct stmt *stmt, struct buf *report)
{
	PGresult *d = PQdescribePrepared(db->conn, stmt->name);
	char letters[COLUMNS_MAX];
	size_t n = letters_of(stmt->results, letters, NULL, COLUMNS_MAX);

	if (PQresultStatus(d) != PGRES_COMMAND_OK)
		buf_printf(report, "%s: %s\n", stmt->name, PQresultErrorMessage(d));
	else if ((size_t)PQnfields(d) != n)
		buf_printf(report, "%s: %d columns, the signature says %zu\n", stmt->name, PQnfields(d), n);
	else {
		for (size_t i = 0; i < n; i++) {
			const struct type *t = type_of(letters[i]);
			Oid oid = PQftype(d, (int)i);

			if (oid != t->oid && !(t->other && oid == t->other))
				buf_printf(report, "%s: column %zu (%s) has type %u, the signature says '%c'\n", stmt->name,
				           i + 1, PQfname(d, (int)i), oid, letters[i]);
		}
	}
	PQclear(d);
}

int
db_check(struct db *db, struct buf *report, size_t *ret_n)
{
	size_t before = report->n, n = 0;
	int r = db_connect(db);

	if (r) {
		buf_printf(report, "%s\n", db->error);
		return r;
	}
	for (const struct stmt *const *const *file = store_statements; *file; file++)
		for (const struct stmt *const *stmt = *file; *stmt; stmt++, n++)
			check_statement(db, *stmt, report);
	*ret_n = n;
	return report->n == before ? 0 : INVALID;
}
