/* fcgi/board.c -- the scoreboard: one slot per worker, in memory shared with the master. */
#include <sys/mman.h>

#include "base/bytes.h"
#include "board.h"

const char *const pool_names[POOL_N] = { "fast", "slow", "auth", "feed" };

struct board *
board_new(void)
{
	void *p = mmap(NULL, sizeof(struct board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct board *board = p == MAP_FAILED ? NULL : p;

	if (board)
		bytes_random(&board->rates.seed, sizeof(board->rates.seed));
	return board;
}

void
slot_clear(struct slot *slot)
{
	atomic_store(&slot->state, WORKER_STARTING);
	atomic_store(&slot->stop, 0);
	atomic_store(&slot->busy_since_us, 0);
	atomic_store(&slot->served, 0);
	slot->request_id[0] = 0;
}

void
slot_idle(struct slot *slot)
{
	atomic_store(&slot->state, WORKER_IDLE);
}

void
slot_busy(struct slot *slot, int64_t mono_us)
{
	slot->request_id[0] = 0;
	atomic_store(&slot->busy_since_us, mono_us);
	atomic_fetch_add(&slot->served, 1);
	atomic_store(&slot->state, WORKER_BUSY);
}

void
slot_request(struct slot *slot, struct str id)
{
	size_t n = id.n < REQUEST_ID_N ? id.n : REQUEST_ID_N;

	memcpy(slot->request_id, id.p, n);
	slot->request_id[n] = 0;
}

int64_t
slot_busy_us(const struct slot *slot, int64_t mono_us)
{
	if (atomic_load(&slot->state) != WORKER_BUSY)
		return 0;
	return mono_us - atomic_load(&slot->busy_since_us);
}
