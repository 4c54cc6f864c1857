// SPDX-License-Identifier: MIT-0
// All tests as tests/proof/mutate.sh runs them, each in a child of its own:
//
//     mutate_run          runs all; prints for each how long it took in
//                         microseconds, "pass" or "red", and its name
//     mutate_run LIST     runs those that are named in the file, in its order,
//                         up to the first that fails, and prints that
//
// A test that crashes, or takes more than MUTATE_SECONDS, has failed.
#define main run_all_main
int run_all_main(int argc, char **argv);
#include "../run_all.c"
#undef main

#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef MUTATE_SECONDS
    #define MUTATE_SECONDS 60
#endif

static bool passes(const test_suite *suite, const test_case *test)
{
    int status;
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        (void)!freopen("/dev/null", "w", stdout);
        (void)!freopen("/dev/null", "w", stderr);
        setpgid(0, 0);                          // with its own children
        alarm(MUTATE_SECONDS);
        exit(test_run(suite, test, false) == 0);
    }
    const bool passed = child > 0 && waitpid(child, &status, 0) == child &&
                        status == 0;
    if (child > 0) {
        (void)kill(-child, SIGKILL);            // those it left behind
    }
    return passed;
}

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int main(int argc, char **argv)
{
    static const test_suite *const suites[] = { TEST_SUITES(TEST_ADDRESS) };
    const size_t count = sizeof(suites) / sizeof(suites[0]);
    static char list[1 << 18];
    char name[512];
    const char *wanted = NULL;
    if (argc > 1) {
        // All at once: a child that exits moves a position that it shares.
        FILE *f = fopen(argv[1], "r");
        if (f == NULL || fread(list, 1, sizeof(list) - 1, f) == 0) {
            return 2;
        }
        fclose(f);
        wanted = strtok(list, "\n");
    }
    do {
        for (size_t i = 0; i < count; i++) {
            for (size_t k = 0; k < suites[i]->count; k++) {
                snprintf(name, sizeof(name), "%s.%s", suites[i]->noun,
                         suites[i]->cases[k].name);
                if (wanted != NULL && strcmp(name, wanted) != 0) {
                    continue;
                }
                const int64_t from = now_us();
                const bool passed = passes(suites[i], &suites[i]->cases[k]);
                if (wanted == NULL) {
                    printf("%ld %s %s\n", (long)(now_us() - from),
                           passed ? "pass" : "red", name);
                } else if (!passed) {
                    printf("%s\n", name);
                    return 1;
                }
            }
        }
    } while (wanted != NULL && (wanted = strtok(NULL, "\n")) != NULL);
    return 0;
}
