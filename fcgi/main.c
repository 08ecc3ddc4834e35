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
	fputs("usage: peal-fcgi -c FILE     serve, with this configuration\n"
	      "       peal-fcgi --routes    list the routes: method, path, pool, who may call\n",
	      to);
	return status;
}

int
main(int argc, char **argv)
{
	log_open("peal-fcgi", LOG_LEVEL_INFO);
	if (argc == 2 && !strcmp(argv[1], "--routes")) {
		route_print();
		return EXIT_SUCCESS;
	}
	if (argc == 2 && !strcmp(argv[1], "--help"))
		return usage(stdout, EXIT_SUCCESS);
	if (argc != 3 || strcmp(argv[1], "-c"))
		return usage(stderr, EXIT_FAILURE);
	return master_run(argv[2]);
}
