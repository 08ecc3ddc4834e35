/* fcgi/main.c -- peal-fcgi: the command line. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "master.h"
#include "route.h"

static int
usage(FILE *to, int status)
{
	fputs("usage: peal-fcgi -c FILE               serve, with this configuration\n"
	      "       peal-fcgi -c FILE -p POOL,...   the same, but only these pools of fast, slow, auth and feed\n"
	      "       peal-fcgi --routes              list the routes: method, path, pool, who may call\n",
	      to);
	return status;
}

/* "fast,slow" */
static bool
read_pools(struct str list, bool pools[POOL_N])
{
	while (list.p) {
		struct str name = str_cut(&list, ',');
		enum pool pool = 0;

		while (pool < POOL_N && !str_eq(name, str_c(pool_names[pool])))
			pool++;
		if (pool == POOL_N || pools[pool])
			return false;
		pools[pool] = true;
	}
	return true;
}

int
main(int argc, char **argv)
{
	bool all[POOL_N] = { true, true, true, true }, some[POOL_N] = { false };

	log_open("peal-fcgi", LOG_LEVEL_INFO);
	if (argc == 2 && !strcmp(argv[1], "--routes")) {
		route_print();
		return EXIT_SUCCESS;
	}
	if (argc == 2 && !strcmp(argv[1], "--help"))
		return usage(stdout, EXIT_SUCCESS);
	if (argc == 3 && !strcmp(argv[1], "-c"))
		return master_run(argv[2], all);
	if (argc == 5 && !strcmp(argv[1], "-c") && !strcmp(argv[3], "-p") && read_pools(str_c(argv[4]), some))
		return master_run(argv[2], some);
	return usage(stderr, EXIT_FAILURE);
}
