/*
 * db -- PostgreSQL, by prepared statements over one blocking libpq connection. The only file that sees libpq.
 *
 * A statement is a row {name, parameter signature, result signature, text}; each lib/store file lists its own in a
 * NULL-terminated array, and db_connect() prepares all of them. Parameters and results are binary. Signatures:
 * i bigint, n integer, h smallint, s text, b boolean, t timestamptz (microseconds since 1970, 0 is NULL), y bytea, j
 * jsonb or json, u uuid (text form in C), I bigint[]. Upper-case N anywhere in front of a letter: that parameter or
 * column may be NULL.
 *
 * SQLSTATE is mapped here, once: 40001 40P01 55P03 -> RETRY (db_one and friends run a statement once more by
 * themselves), PE400 -> INVALID (db_last_error() says where), PE403 -> FORBIDDEN, PE404 -> NOT_FOUND, PE409 -> CONFLICT,
 * PE422 -> IDEMPOTENCY_CONFLICT, PE429 -> RATE_LIMITED, PE507 -> NO_SPACE, PE4B1 -> BLOCKED, PE4A1 -> LAST_ADMIN, PE4D1 -> DELETED,
 * PE4G1 -> GROUP_FULL, PE4K1 -> WRONG_KIND, PE4L1 -> LAST_OWNER, PE4M1 -> TOO_MANY, PE4P1 -> POLL_CLOSED,
 * PE4S1 -> SLOW_MODE, PE4V1 -> STALE_VERSION, PE4W1 -> LAST_WAY_IN, 23505 -> CONFLICT, 23503 -> NOT_FOUND, 23514 and 22xxx -> INVALID,
 * 57014 53xxx 57Pxx and a lost connection -> UNAVAILABLE, but UNCERTAIN when a writing statement was sent and its
 * result never came. Anything else is a fault.
 */
#ifndef PEAL_STORE_DB_H
#define PEAL_STORE_DB_H

#include "../base/arena.h"
#include "../base/buf.h"
#include "../base/clock.h"
#include "../base/err.h"
#include "../base/str.h"

struct db;
struct rows; /* a result; lives as the arena */

struct stmt {
	const char *name, *params, *results, *text;
	bool writes; /* a lost answer leaves it UNCERTAIN */
};

struct arg {
	int64_t i;
	struct str s;
	const int64_t *ids;
	size_t n;
	bool null;
};

#define A_INT(v)        ((struct arg){ .i = (v) })
#define A_ID_OR_NULL(v) ((struct arg){ .i = (v), .null = !(v) })
#define A_STR(v)        ((struct arg){ .s = (v), .null = !str_present(v) })
#define A_IDS(v, count) ((struct arg){ .ids = (v), .n = (count) })
#define ARGS(...)       ((const struct arg[]){ __VA_ARGS__ })

/* Not connected yet; `statement_timeout_ms` becomes the session's. application_name as given. */
struct db *db_new(const char *conninfo, const char *application_name, int64_t statement_timeout_ms);
/* The same with nothing prepared: statements are parsed each time they run. For pealctl, before there is a schema. */
struct db *db_new_bare(const char *conninfo, const char *application_name);
struct db *db_free(struct db *);
/* Connects when needed: 0, or UNAVAILABLE within milliseconds (attempts are spaced by 50 ms doubling to 2 s, with
 * jitter). */
int db_connect(struct db *);
bool db_connected(const struct db *);
/* Connections made so far: what belonged to a connection (advisory locks) is gone when this has changed. */
int64_t db_generation(const struct db *);
/* What PostgreSQL or libpq said last, one line; "" when nothing failed yet. */
const char *db_last_error(const struct db *);
/* Statements run on this connection since db_new(): tests count them. */
int64_t db_statements(const struct db *);

/*
 * Test builds: who the statements from here on are for, told to a database that has the row-level policies of tests/oracle.
 * A connection begins as the system, which sees everything; peal-fcgi names somebody for every request.
 */
#define DB_CALLER_SYSTEM (-1)
#define DB_CALLER_NOBODY 0
#ifdef PEAL_FAILPOINTS
void db_caller(struct db *, int64_t user_id);
#else
#define db_caller(db, user_id) ((void)(db), (void)(user_id))
#endif

/* Runs one statement. *ret lives as the arena. */
int db_run(struct db *, struct arena *, const struct stmt *, const struct arg *args, struct rows **ret);
/*
 * A transaction around what db_run() does between them. Inside, nothing is tried again by itself, and a lost connection loses all of
 * it: UNAVAILABLE, not UNCERTAIN. After any outcome but 0, and after that of db_commit(), it is over: db_rollback() is harmless then.
 * db_commit: UNCERTAIN when its answer never came.
 */
int db_begin(struct db *, struct arena *);
int db_commit(struct db *, struct arena *);
void db_rollback(struct db *, struct arena *);
/* Several statements of plain SQL in one simple query; for migrations and tests. */
int db_exec_text(struct db *, const char *sql, struct buf *error);

size_t rows_n(const struct rows *);
bool rows_null(const struct rows *, size_t row, size_t column);
int64_t rows_int(const struct rows *, size_t row, size_t column);    /* i n h b t; 0 for NULL */
struct str rows_str(const struct rows *, size_t row, size_t column); /* s y j u; STR_NONE for NULL */
/* I: copies the ids into the arena. */
const int64_t *rows_ids(const struct rows *, struct arena *, size_t row, size_t column, size_t *ret_n);

/* Compares every statement of lib/store, as the server understood it, with its signatures; says each difference on a line of
 * `report`. 0, or INVALID. *ret_n is the number of statements looked at. */
int db_check(struct db *, struct buf *report, size_t *ret_n);

/* All statements of lib/store, for db_connect() and `make check-sql`. */
extern const struct stmt *const *const store_statements[];

#endif
