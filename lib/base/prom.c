/* prom.c -- lines of "name{label="word"} number", and HTTP as far as it is needed for them. */
#include "prom.h"

#include <string.h>

#define TEXT_MAX (1 << 20)

size_t
prom_place(const struct histogram *h, double v)
{
	size_t i = 0;

	while (i < h->n && v > h->bounds[i])
		i++;
	return i;
}

void
prom_observe(struct histogram *h, double v)
{
	h->counts[prom_place(h, v)]++;
	h->sum += v;
}

void
prom_head(struct buf *b, const char *name, const char *type, const char *help)
{
	buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void
prom_one(struct buf *b, const char *name, const char *type, const char *help, uint64_t v)
{
	prom_head(b, name, type, help);
	buf_printf(b, "%s %llu\n", name, (unsigned long long)v);
}

void
prom_labelled(struct buf *b, const char *name, const char *label, const char *const *words, const uint64_t *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (words[i])
			buf_printf(b, "%s{%s=\"%s\"} %llu\n", name, label, words[i], (unsigned long long)values[i]);
}

void
prom_histogram(struct buf *b, const char *name, const char *labels, const struct histogram *h)
{
	const char *comma = *labels ? "," : "", *open = *labels ? "{" : "", *close = *labels ? "}" : "";
	uint64_t sum = 0;

	for (size_t i = 0; i < h->n; i++) {
		sum += h->counts[i];
		buf_printf(b, "%s_bucket{%s%sle=\"%g\"} %llu\n", name, labels, comma, h->bounds[i], (unsigned long long)sum);
	}
	sum += h->counts[h->n];
	buf_printf(b, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", name, labels, comma, (unsigned long long)sum);
	buf_printf(b, "%s_sum%s%s%s %.6f\n", name, open, labels, close, h->sum);
	buf_printf(b, "%s_count%s%s%s %llu\n", name, open, labels, close, (unsigned long long)sum);
}

bool
prom_asked(struct str request)
{
	return memmem(request.p, request.n, "\r\n\r\n", 4);
}

/* One path and one method; the connection ends with the answer. */
void
prom_answer(struct buf *out, struct str request, void (*write)(struct buf *))
{
	struct str line = request, method = str_cut(&line, ' '), path = str_cut(&line, ' ');
	bool get = str_eq(method, STR("GET")), found = str_eq(path, STR("/metrics"));
	struct buf body;

	buf_init(&body, TEXT_MAX);
	if (get && found)
		write(&body);
	else
		buf_str(&body, get ? STR("The path is /metrics.\n") : STR("The method is GET.\n"));
	buf_printf(out,
	           "HTTP/1.1 %s\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: %zu\r\n"
	           "Connection: close\r\n\r\n",
	           !get    ? "405 Method Not Allowed\r\nAllow: GET"
	           : found ? "200 OK"
	                   : "404 Not Found",
	           body.n);
	buf_str(out, buf_view(&body));
	buf_deinit(&body);
}
