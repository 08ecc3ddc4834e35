/*
 * conf -- the one configuration file, by one sorted table.
 *
 * Grammar: `key = value` per line, `#` begins a comment line, blank lines are ignored, no sections, no quoting. Unknown keys
 * and bad values are errors with file:line; every error of a file is reported, not the first. Each row of the table
 * (lib/base/conf.c) is {name, type, default, flags, help} and yields parsing, docs/configuration.md, the sample file
 * and `pealctl config check`. Secrets come by file path, never as values.
 */
#ifndef PEAL_BASE_CONF_H
#define PEAL_BASE_CONF_H

#include "arena.h"
#include "buf.h"

/* One member per key, same name. Strings live as long as the arena given to conf_load(). Durations and sizes say their unit. */
struct conf {
	/* where */
	const char *run_dir;        /* sockets; all names are derived from it, see docs/architecture.md */
	const char *database;       /* libpq connection string of the daemons' role */
	const char *database_owner; /* libpq connection string of the owner of the schema; pealctl migrate only */
	const char *redis_socket;
	const char *redis_address;       /* instead of it; empty: none */
	const char *redis_password_file; /* empty: none */
	/* doors on other hosts, several separated by blanks; empty: the sockets in run_dir */
	const char *command_address, *feed_address, *upload_address, *keeper_address;
	const char *origins;    /* blank-separated origins that may use cookie routes and the socket */
	const char *public_url; /* what people type: scheme and host, no path */
	/* tokens and accounts */
	const char *token_private_key_file; /* PEM, EC P-256; readable by peal-fcgi only */
	const char *token_public_key_file;  /* PEM */
	const char *refresh_key_file;       /* at least 32 random bytes */
	const char *factor_key_file;        /* likewise: for second factors and challenges */
	const char *passkey_rp_id;          /* empty: the host of public_url */
	const char *token_issuer;
	const char *token_audience;
	const char *issuers_dir;      /* who else may say who somebody is: issuers.h */
	int64_t access_token_seconds; /* 600 */
	int64_t call_gone_seconds;    /* 60 */
	int64_t call_ring_seconds;    /* 90 */
	/* ice.h; empty: none */
	const char *call_stun_urls, *call_turn_urls, *call_turn_secret_file;
	int64_t call_turn_seconds;        /* 3600 */
	int64_t refresh_token_days;       /* 30 */
	int64_t session_idle_minutes;     /* 0: only refresh_token_days counts */
	int64_t refresh_grace_seconds;    /* 20 */
	const char *registration;         /* open | closed */
	int64_t password_min_code_points; /* 15 */
	int64_t password_max_bytes;       /* 256 */
	int64_t argon2_memory_kib;        /* 19456 */
	int64_t argon2_passes;            /* 2 */
	/* who must have one: optional | admins */
	const char *second_factor;
	/* what nobody may choose; empty: there is no list */
	const char *breached_passwords_file;
	/* the REST workers */
	int64_t workers_fast, workers_slow, workers_auth, workers_feed; /* 16 4 2 4 */
	int64_t auth_nice;                                              /* 10 */
	int64_t shed_after_ms;                                          /* 2000 */
	int64_t request_timeout_seconds;                                /* 10: a worker busy for longer is killed */
	int64_t requests_per_worker;                                    /* 50000: then it is replaced */
	int64_t drain_seconds;                                          /* 20 */
	int64_t statement_timeout_ms;                                   /* 2000 */
	int64_t redis_timeout_ms;                                       /* 50 */
	/* limits of the contract */
	int64_t max_body_kib;            /* 64 */
	int64_t max_message_body_kib;    /* 256 */
	int64_t max_content_code_points; /* 16384 */
	int64_t max_content_kib;         /* 64 */
	int64_t max_page;                /* 100 */
	int64_t max_scheduled;           /* 100 */
	int64_t max_access_tokens;       /* 20 */
	int64_t max_bots;                /* 5 */
	int64_t max_open_reports;        /* 20 */
	int64_t schedule_ahead_seconds;  /* 5 */
	int64_t typing_max_members;      /* 64 */
	int64_t marks_max_members;       /* 32 */
	int64_t search_budget_ms;        /* 250 */
	/* requests per minute, by class; see enum rate in fcgi/req.h */
	int64_t rate_write_per_minute;    /* 100 */
	int64_t rate_mark_per_minute;     /* 300 */
	int64_t rate_typing_per_minute;   /* 120 */
	int64_t rate_read_per_minute;     /* 600 */
	int64_t rate_upload_per_minute;   /* 20 */
	int64_t rate_session_per_minute;  /* 600 */
	int64_t rate_register_per_minute; /* 60 */
	int64_t rate_login_per_minute;    /* 5 */
	/* the push daemon */
	int64_t push_hello_seconds;       /* 10 */
	int64_t push_heartbeat_seconds;   /* 30 */
	int64_t push_dead_seconds;        /* 90 */
	int64_t push_frames_per_minute;   /* 100 */
	int64_t push_max_frame_kib;       /* 320 */
	int64_t push_devices_per_user;    /* 10 */
	int64_t push_queue_events;        /* 256 */
	int64_t push_queue_kib;           /* 256 */
	int64_t push_max_connections;     /* 15000 */
	int64_t push_watch_check_seconds; /* 600 */
	int64_t push_watch_max;           /* 200 */
	int64_t push_offline_seconds;     /* 20 */
	int64_t push_away_seconds;        /* 300 */
	int64_t push_poll_ms;             /* 250 */
	int64_t push_drain_seconds;       /* 30 */
	int64_t push_cursor_seconds;      /* 60 */
	int64_t push_metrics_port;        /* 0: no port */
	/* uploads */
	const char *media_dir;                 /* bodies and renditions, on one file system */
	const char *media_link_secret_file;    /* what nginx and the workers sign links with */
	int64_t media_workers, media_decoders; /* 8 2 */
	int64_t media_audio_mib;               /* 16 */
	int64_t media_audio_minutes;           /* 15 */
	int64_t media_file_mib;                /* 200 */
	int64_t media_image_mib;               /* 25 */
	int64_t media_video_mib;               /* 200 */
	int64_t media_image_megapixels;        /* 64 */
	int64_t media_image_frames;            /* 150 */
	int64_t media_cpu_seconds;             /* 10 */
	int64_t media_wall_seconds;            /* 30 */
	int64_t media_memory_mib;              /* 1024 */
	int64_t media_wait_seconds;            /* 10 */
	int64_t media_min_free_mib;            /* 512 */
	const char *media_store;               /* disk | s3 */
	const char *s3_endpoint;               /* scheme and host */
	const char *s3_bucket;                 /* empty: s3_endpoint names it */
	const char *s3_region, *s3_key_file;
	int64_t s3_part_mib;            /* 64 */
	int64_t s3_timeout_seconds;     /* 10 */
	int64_t media_user_mib;         /* 4096 */
	int64_t media_user_daily_mib;   /* 1024 */
	int64_t media_tus_hours;        /* 24 */
	int64_t media_tus_per_user;     /* 16 */
	int64_t media_unattached_hours; /* 24 */
	int64_t media_inline_mib;       /* 16 */
	int64_t media_inline_audio_kib; /* 2048 */
	int64_t media_queue_most;       /* 64 */
	int64_t media_queue_workers;    /* 1 */
	int64_t media_transcode_minutes;
	int64_t media_transcode_most;
	int64_t media_transcode_workers;
	const char *clamd_address;     /* empty: nobody is asked */
	const char *clamd_failure;     /* refuse | accept */
	int64_t clamd_mib;             /* 200 */
	int64_t clamd_timeout_seconds; /* 20 */
	/* background work */
	int64_t sweep_ms;             /* 1000 */
	int64_t event_retention_days; /* 30 */
	/* notifications; empty: none of that kind */
	const char *vapid_key_file, *vapid_subject;
	const char *fcm_service_account_file, *fcm_url;
	const char *notify_content;       /* text | ids */
	int64_t notify_ttl_seconds;       /* 43200 */
	int64_t max_push_targets;         /* 20 */
	const char *egress_ca_file;       /* empty: the system's */
	const char *egress_private_hosts; /* which https requests may reach wherever they are */
	int64_t egress_concurrency;       /* 64 */
	int64_t egress_timeout_ms;        /* 10000 */
	int64_t report_retention_days;    /* 365; 0: for ever */
	int64_t expiry_seconds;           /* 20 */
	int64_t export_keep_hours;        /* 48 */
	int64_t export_pause_minutes;     /* 60 */
	int64_t search_slice_rows;        /* 250000 */
	const char *log_level;            /* error | warning | notice | info | debug */
};

enum conf_type { CONF_STRING, CONF_INT, CONF_PATH, CONF_WORD };

struct conf_key {
	const char *name;
	enum conf_type type;
	const char *value; /* default, as text; NULL: must be set */
	int64_t min, max;  /* CONF_INT */
	const char *words; /* CONF_WORD: "open closed" */
	size_t offset;
	const char *help;
};

extern const struct conf_key conf_keys[]; /* sorted by name, ends with a NULL name */

/* Reads the file (NULL: defaults only) into *ret. 0, or INVALID with every error as a line of `errors`. */
int conf_load(struct arena *, const char *path, struct conf *ret, struct buf *errors);
/*
 * The same grammar by another table, for files of their own (lib/base/issuers.h): fills *out, and calls `check` when every line
 * is right for itself. 0, or INVALID; *out may then be half filled.
 */
struct conf_reader;
int conf_read(struct arena *, const char *path, const struct conf_key *keys, void *out,
              void (*check)(struct conf_reader *, void *out), struct buf *errors);
/* One more error, for check functions: at the line of this key, or of the file as a whole (NULL). */
void conf_complain(struct conf_reader *, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The commented sample file and the reference page, as text. */
void conf_write_sample(struct buf *);
void conf_write_reference(struct buf *);
void conf_write_table(struct buf *, const struct conf_key *); /* as a table of that page */
/* Socket path `<run_dir>/<name>.sock`; aborts past the 107 bytes of sun_path, which conf_load() has checked. */
const char *conf_socket(struct arena *, const struct conf *, const char *name);
/* Where the door "command", "feed", "upload" or "keeper" is asked: the addresses that are configured, or its socket. */
const char *conf_door(struct arena *, const struct conf *, const char *name);
static inline const char *
conf_redis(const struct conf *conf)
{
	return *conf->redis_address ? conf->redis_address : conf->redis_socket;
}

#endif
