/* breached -- bisection in a file of lines that are nearly as long as each other. */
#include "breached.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "err.h"

#define DIGEST    20
#define DIGITS    (2 * DIGEST)
#define LINE_MOST 80              /* bytes, with its end */
#define WINDOW    (2 * LINE_MOST) /* what is left of one line, and the next one */
#define PLACES    1000

struct list {
	int fd;
	int64_t size;
};

/* A line: where it begins, and where the next one does. */
struct line {
	int64_t at, next;
	unsigned char digest[DIGEST];
};

static int
open_list(const char *path, struct list *ret)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return fault(-errno);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return fault(-EINVAL);
	}
	*ret = (struct list){ fd, st.st_size };
	return 0;
}

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Forty digits, and nothing behind them but a colon and a number. */
static bool
read_line(struct str text, unsigned char digest[DIGEST])
{
	if (text.n && text.p[text.n - 1] == '\r')
		text.n--;
	if (text.n < DIGITS || (text.n > DIGITS && (text.p[DIGITS] != ':' || text.n == DIGITS + 1)))
		return false;
	for (size_t i = DIGITS + 1; i < text.n; i++)
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
	for (size_t i = 0; i < DIGEST; i++) {
		int high = digit(text.p[2 * i]), low = digit(text.p[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		digest[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

/* The first line that begins at or behind this place; ret->at is the size of the file when there is none. */
static int
line_at(const struct list *list, int64_t place, struct line *ret)
{
	char window[WINDOW];
	struct str rest, text;
	ssize_t n = pread(list->fd, window, sizeof(window), place ? place - 1 : 0);

	if (n < 0)
		return fault(-errno);
	rest = str_n(window, (size_t)n);
	if (place)
		str_cut(&rest, '\n');
	ret->at = rest.p ? (place ? place - 1 : 0) + (rest.p - window) : list->size;
	if (!str_present(rest) && n == WINDOW)
		return fault(-EBADMSG); /* a line that has no end */
	if (ret->at >= list->size)
		return 0;
	text = str_cut(&rest, '\n');
	if (!read_line(text, ret->digest) || (!rest.p && n == WINDOW))
		return fault(-EBADMSG);
	ret->next = ret->at + (int64_t)text.n + 1;
	return 0;
}

/* What is looked for begins, if anywhere, in [low, high); low is where a line begins. */
static int
search(const struct list *list, const unsigned char wanted[DIGEST], bool *ret)
{
	int64_t low = 0, high = list->size;
	struct line line;

	*ret = false;
	while (low < high && !*ret) {
		int64_t middle = low + (high - low) / 2;
		int order, r = line_at(list, middle, &line);

		if (r)
			return trace(r);
		if (line.at >= high) {
			if (middle == low)
				break;
			high = middle;
			continue;
		}
		order = memcmp(wanted, line.digest, DIGEST);
		*ret = !order;
		if (order > 0)
			low = line.next;
		else
			high = middle;
	}
	return 0;
}

int
breached_find(const char *path, struct str password, bool *ret)
{
	unsigned char wanted[EVP_MAX_MD_SIZE];
	struct list list;
	int r = open_list(path, &list);

	if (r)
		return trace(r);
	EVP_Digest(password.p, password.n, wanted, NULL, EVP_sha1(), NULL);
	r = search(&list, wanted, ret);
	close(list.fd);
	return r ? trace(r) : 0;
}

static int
look_around(const struct list *list)
{
	unsigned char before[DIGEST] = { 0 };
	int64_t last = -1;

	if (!list->size)
		return INVALID;
	for (int64_t i = 0; i < PLACES; i++) {
		struct line line;

		if (line_at(list, list->size / PLACES * i + list->size % PLACES * i / PLACES, &line)) {
			err_clear();
			return INVALID;
		}
		if (line.at >= list->size)
			break;
		if (line.at > last && memcmp(line.digest, before, DIGEST) < 0)
			return INVALID;
		memcpy(before, line.digest, DIGEST);
		last = line.at;
	}
	return last < 0 ? INVALID : 0;
}

int
breached_check(const char *path, struct buf *errors)
{
	struct list list;
	int r;

	if (open_list(path, &list)) {
		err_clear();
		buf_printf(errors, "%s: is no file that can be read\n", path);
		return INVALID;
	}
	r = look_around(&list);
	close(list.fd);
	if (r)
		buf_printf(errors, "%s: is no ordered list of SHA-1 digests, one a line\n", path);
	return r;
}
