// SPDX-License-Identifier: MIT-0
/*
    main.c -- bench [-q] [-p place] [-d device] [-t table] -o figures directory
              bench -i whole|added size variant directory

    Adds the figures of the tables named by -t, or of all, to a file, as
    bench.h says. -q is quick, place is what the figures call the file system,
    device is counted instead of the one that the directory lies on. With -i it
    does nothing but a few saves in bench_one_save(), for a tool that counts
    instructions.
*/
#define _GNU_SOURCE

#include "bench.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

bench_options bench = { .place = "here" };

typedef struct table {
    const char *name;
    void      (*run)(void);
} table;

static void whole_durable(void) { bench_whole(true); }
static void added_durable(void) { bench_added(true); }
static void process(void)       { bench_whole(false); bench_added(false); }

static const table tables[] = {
    { "whole", whole_durable }, { "added", added_durable },
    { "steady", bench_steady },
    { "turns", bench_turns }, { "threads", bench_threads },
    { "process", process }, { "life", bench_life },
    { "recover", bench_recover }, { "beat", bench_beat },
    { "scan", bench_scan }
};

static int usage(void)
{
    fprintf(stderr, "usage: bench [-q] [-p place] [-d device] [-t table] "
                    "-o figures directory\n"
                    "       bench -i whole|added size variant directory\n");
    return 2;
}

static int instructions(int argc, char **argv)
{
    if (argc != 6) {
        return usage();
    }
    bench.dir = argv[5];
    counters_open(NULL);
    bench_instructions(argv[4], strcmp(argv[2], "added") == 0,
                       (size_t)strtoull(argv[3], NULL, 10));
    return 0;
}

int main(int argc, char **argv)
{
    const char *out = NULL, *device = NULL, *only = NULL;
    int option, ran = 0;
    // Without run.sh nobody would unmount what is measured.
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (argc > 1 && strcmp(argv[1], "-i") == 0) {
        return instructions(argc, argv);
    }
    while ((option = getopt(argc, argv, "qp:d:t:o:")) != -1) {
        switch (option) {
        case 'q': bench.quick = true; break;
        case 'p': bench.place = optarg; break;
        case 'd': device = optarg; break;
        case 't': only = optarg; break;
        case 'o': out = optarg; break;
        default:  return usage();
        }
    }
    if (optind + 1 != argc || out == NULL) {
        return usage();
    }
    bench.dir = argv[optind];
    counters_open(device);
    figure_open(out);
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        if (only == NULL || strcmp(only, tables[i].name) == 0) {
            fprintf(stderr, "bench: %s on %s\n", tables[i].name, bench.place);
            tables[i].run();
            ran++;
        }
    }
    return ran > 0 ? 0 : usage();
}
