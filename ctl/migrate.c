/*
 * migrate.c -- brings a database to the schema of this version, and makes one that was restored from a dump fit its cluster.
 *
 * Migrations are files NNNN_name.sql of plain SQL, applied in order, each in one transaction with a lock time-out of 2 s (a
 * migration that would make the product wait is refused instead), under one advisory lock. An applied file is remembered with
 * its SHA-256 and must never change.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../lib/base/bytes.h"
#include "../lib/store/db.h"
#include "ctl.h"

#define MIGRATIONS_MAX      999
#define MIGRATION_BYTES_MAX (1u << 20)

struct migration {
	int64_t version;
	struct str name, checksum, text;
	bool applied;
};

struct migrations {
	struct migration list[MIGRATIONS_MAX];
	size_t n;
};

static const struct stmt stmt_applied = { "migrations_applied", "", "iss",
	                                  "SELECT version::bigint, name, checksum FROM schema_migration ORDER BY version",
	                                  false };
static const struct stmt stmt_record = { "migration_record", "iss", "",
	                                 "INSERT INTO schema_migration (version, name, checksum) VALUES ($1, $2, $3)",
	                                 true };

static const struct stmt stmt_home = { "home", "", "b", "SELECT m.home = log_home() FROM peal_meta m", false };
static const struct stmt stmt_home_move = { "home_move", "", "i", "SELECT home_move()", true };

static const char table_sql[] = "CREATE TABLE IF NOT EXISTS schema_migration (version integer PRIMARY KEY, name text NOT "
                                "NULL, checksum text NOT NULL, "
                                "applied_at timestamptz NOT NULL DEFAULT now()); "
                                "GRANT SELECT ON schema_migration TO peal";

static int
by_version(const void *a, const void *b)
{
	const struct migration *x = a, *y = b;

	return x->version < y->version ? -1 : x->version > y->version;
}

/* "0012_search.sql" -> 12 */
static bool
version_of(const char *file, int64_t *ret)
{
	size_t n = strlen(file);

	if (n < 10 || strspn(file, "0123456789") != 4 || file[4] != '_' || strcmp(file + n - 4, ".sql"))
		return false;
	*ret = strtol(file, NULL, 10);
	return *ret > 0;
}

static int
read_one(struct ctl *ctl, const char *dir, const char *file, struct migration *m)
{
	unsigned char digest[SHA256_BYTES];

	m->name = arena_str(ctl->arena, str_c(file));
	m->text = ctl_read_file(ctl->arena, arena_printf(ctl->arena, "%s/%s", dir, file).p, MIGRATION_BYTES_MAX);
	if (!m->text.p)
		return ctl_fail("%s/%s: %s", dir, file, strerror(errno));
	bytes_sha256(m->text, digest);
	m->checksum = hex(ctl->arena, digest, sizeof(digest));
	return EXIT_DONE;
}

static int
read_all(struct ctl *ctl, const char *dir, struct migrations *all)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	int status = EXIT_DONE;

	if (!d)
		return ctl_fail("%s: %s", dir, strerror(errno));
	while (status == EXIT_DONE && (entry = readdir(d))) {
		struct migration *m = &all->list[all->n];

		if (all->n < MIGRATIONS_MAX && version_of(entry->d_name, &m->version)) {
			status = read_one(ctl, dir, entry->d_name, m);
			all->n++;
		}
	}
	closedir(d);
	qsort(all->list, all->n, sizeof(*all->list), by_version);
	for (size_t i = 0; status == EXIT_DONE && i < all->n; i++)
		if (all->list[i].version != (int64_t)i + 1)
			status = ctl_fail("%s: migration %04zu is missing or double", dir, i + 1);
	if (status == EXIT_DONE && !all->n)
		status = ctl_fail("%s holds no migrations (NNNN_name.sql)", dir);
	return status;
}

/* Marks what the database has; refuses a changed file and a database newer than this version. */
static int
compare(struct ctl *ctl, struct db *db, struct migrations *all)
{
	struct rows *rows;

	if (db_run(db, ctl->arena, &stmt_applied, NULL, &rows))
		return ctl_fail("cannot read schema_migration: %s", db_last_error(db));
	for (size_t i = 0; i < rows_n(rows); i++) {
		int64_t version = rows_int(rows, i, 0);
		struct migration *m;

		if (version < 1 || (size_t)version > all->n)
			return ctl_fail(
			        "the database is at migration %lld, this version of Peal knows %zu: install the newer one",
			        (long long)version, all->n);
		m = &all->list[version - 1];
		if (!str_eq(m->checksum, rows_str(rows, i, 2)))
			return ctl_fail(
			        "%.*s was changed after it had been applied; restore the file, and make a new migration",
			        STR_ARG(m->name));
		m->applied = true;
	}
	return EXIT_DONE;
}

static int
apply(struct ctl *ctl, struct db *db, const struct migration *m)
{
	const struct arg args[] = { A_INT(m->version), A_STR(m->name), A_STR(m->checksum) };
	struct rows *rows;
	struct buf error;
	int r, status = EXIT_DONE;

	buf_init(&error, 1 << 16);
	r = db_exec_text(db, "BEGIN", &error);
	if (!r)
		r = db_exec_text(db, arena_cstr(ctl->arena, m->text), &error);
	if (!r && db_run(db, ctl->arena, &stmt_record, args, &rows)) {
		buf_str(&error, str_c(db_last_error(db)));
		r = INVALID;
	}
	if (!r)
		r = db_exec_text(db, "COMMIT", &error);
	if (r) {
		status = ctl_fail("%.*s was not applied, nothing of it remains: %.*s", STR_ARG(m->name),
		                  STR_ARG(buf_view(&error)));
		buf_clear(&error);
		(void)db_exec_text(db, "ROLLBACK", &error);
	}
	buf_deinit(&error);
	return status;
}

static void
say(const struct ctl *ctl, const struct migration *m, const char *state)
{
	if (ctl->json)
		printf("{\"version\":%lld,\"name\":\"%.*s\",\"state\":\"%s\"}\n", (long long)m->version, STR_ARG(m->name),
		       state);
	else
		printf("%-8s %.*s\n", state, STR_ARG(m->name));
	fflush(stdout);
}

/* After a restore from a dump (sql/0034_home.sql); nothing otherwise. */
static int
move_home(struct ctl *ctl, struct db *db, bool status_only)
{
	struct rows *rows;
	int64_t n;

	if (db_run(db, ctl->arena, &stmt_home, NULL, &rows))
		return ctl_fail("cannot see where the database is from: %s", db_last_error(db));
	if (rows_int(rows, 0, 0))
		return EXIT_DONE;
	if (!ctl->json)
		printf("pending  the database was restored from a dump\n");
	else if (status_only)
		printf("{\"name\":\"restored\",\"state\":\"pending\"}\n");
	fflush(stdout);
	if (status_only)
		return EXIT_DONE;
	if (db_run(db, ctl->arena, &stmt_home_move, NULL, &rows))
		return ctl_fail("it was left as it was: %s", db_last_error(db));
	n = rows_int(rows, 0, 0);
	if (ctl->json)
		printf("{\"name\":\"restored\",\"state\":\"applied\",\"rows\":%lld}\n", (long long)n);
	else
		printf("applied  the transaction numbers of %lld rows are this cluster's now\n", (long long)n);
	return EXIT_DONE;
}

static int
migrate_connected(struct ctl *ctl, struct db *db, struct migrations *all, bool status_only)
{
	struct buf error;
	size_t done = 0;
	int status, r;

	buf_init(&error, 1 << 16);
	/* Somebody else's migration may take its time: this wait has no limit, the migrations' own locks do. */
	r = db_exec_text(db,
	                 "SET lock_timeout = 0; SELECT pg_advisory_lock(hashtextextended('peal migrate', 0)); SET "
	                 "lock_timeout = '2s'",
	                 &error);
	if (!r)
		r = db_exec_text(db, table_sql, &error);
	status = r ? ctl_fail("%.*s", STR_ARG(buf_view(&error))) : compare(ctl, db, all);
	buf_deinit(&error);
	for (size_t i = 0; status == EXIT_DONE && i < all->n; i++) {
		if (!all->list[i].applied && !status_only)
			status = apply(ctl, db, &all->list[i]);
		if (status == EXIT_DONE && (status_only || !all->list[i].applied))
			say(ctl, &all->list[i], all->list[i].applied || !status_only ? "applied" : "pending");
		done += status == EXIT_DONE;
	}
	if (status == EXIT_DONE && (!status_only || all->list[all->n - 1].applied))
		status = move_home(ctl, db, status_only);
	if (status == EXIT_DONE && !status_only && !ctl->json)
		printf("the schema is at %zu\n", done);
	return status;
}

/* Where `make install` has put them, whatever its PREFIX was: bin/pealctl stands beside share/peal/sql. */
static const char *
installed_dir(struct arena *a)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	path[n < 0 ? 0 : n] = '\0';
	slash = strrchr(path, '/');
	if (!slash)
		return "/usr/share/peal/sql";
	*slash = '\0';
	return arena_printf(a, "%s/../share/peal/sql", path).p;
}

static int
migrate(struct ctl *ctl, int argc, char **argv)
{
	const char *dir = ctl_option(&argc, argv, "--dir");
	bool status_only = ctl_flag(&argc, argv, "--status");
	struct migrations *all = arena_new_of(ctl->arena, struct migrations);
	struct db *db;
	int status;

	if (argc)
		return EXIT_USAGE;
	status = read_all(ctl, dir ? dir : installed_dir(ctl->arena), all);
	if (status != EXIT_DONE)
		return status;
	db = db_new_bare(ctl->conf.database_owner, "pealctl migrate");
	if (db_connect(db))
		status = ctl_fail("cannot connect to the database (key database_owner): %s", db_last_error(db));
	else
		status = migrate_connected(ctl, db, all, status_only);
	db_free(db);
	return status;
}

const struct verb migrate_verb = {
	.name = "migrate",
	.usage = "[--dir DIR] [--status]",
	.help = "Apply the migrations of DIR (/usr/share/peal/sql), or say which are applied.",
	.fn = migrate,
	.needs_conf = true,
};
