// SPDX-License-Identifier: MIT-0
// test.h -- the test harness: one program, many suites, no framework
//
// A test is a function named by the sentence it proves; a suite is a file:
//
//     #define LIST(X) X(a_claim_is_won_once) X(a_live_owner_is_left_alone)
//     TEST_SUITE(claim, LIST)
//
// One file of the program names all suites, and so becomes its main:
//
//     #define TEST_SUITES(X) X(claim) X(store)
//     #define TEST_DOUBLES " store "
//     #include "test.h"
//
// TEST_DOUBLES (optional) names those that test what tests are made with, each
// between spaces: they are counted apart.
//
// Usage: run_all [-v] [-1|-2] [part of "suite.test"]. -1 and -2 are the halves
// of the tests, every other one, for two processes at a time. A failure is a
// line, a test that passes is silent, and the last line is "N passed, N
// failed". A failed check does not end its test. A test that checks nothing
// fails.
#ifndef TEST_H
#define TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// For functions in headers that not every file uses.
#if defined(__GNUC__) || defined(__clang__)
    #define TEST_FN __attribute__((unused)) static
#else
    #define TEST_FN static
#endif

typedef struct test_case {
    const char *name;
    void      (*run)(void);
} test_case;

typedef struct test_suite {
    const char      *noun;
    const test_case *cases;
    size_t           count;
    void           (*before)(void);     // called before each test, or NULL
} test_suite;

#define TEST_DECLARE(name) static void name(void);
#define TEST_ENTRY(name)   { #name, name },

#define TEST_SUITE(noun, LIST)                                                 \
    LIST(TEST_DECLARE)                                                         \
    static const test_case test_cases_##noun[] = { LIST(TEST_ENTRY) };         \
    extern const test_suite test_suite_##noun;                                 \
    const test_suite test_suite_##noun = {                                     \
        #noun, test_cases_##noun,                                              \
        sizeof(test_cases_##noun) / sizeof(test_cases_##noun[0]), NULL         \
    };

#define CHECK(c)         test_check((c), __FILE__, __LINE__, #c)
#define CHECK_INT(a, b)                                                        \
    test_check_int((long long)(a), (long long)(b), __FILE__, __LINE__,         \
                   #a ", " #b)
#define CHECK_STR(a, b)  test_check_str((a), (b), __FILE__, __LINE__,          \
                                        #a ", " #b)

// Ends a test that has nothing to prove here. It is neither passed nor failed.
#define TEST_SKIP(why)   do { test_skip(why); return; } while (0)

// How much a test looks at: CKPT_LONG=yes in the environment makes it much.
TEST_FN bool test_is_long(void)
{
    const char *is = getenv("CKPT_LONG");
    return is != NULL && strcmp(is, "yes") == 0;
}

TEST_FN unsigned test_rounds(unsigned few, unsigned many)
{
    return test_is_long() ? many : few;
}

// Each returns whether it held, so that a test can stop where going on would
// be of no use.
bool test_check(bool ok, const char *file, int line, const char *text);
bool test_check_int(long long a, long long b, const char *file, int line,
                    const char *text);
bool test_check_str(const char *a, const char *b, const char *file, int line,
                    const char *text);
void test_skip(const char *why);

#ifdef TEST_SUITES

#ifndef TEST_DOUBLES
    #define TEST_DOUBLES ""
#endif

#define TEST_LINES_MAX 10       // failures that one test may print

static struct {
    const test_suite *suite;
    const char       *name, *skipped;
    unsigned          checks, failures;
} test_now;

// Counts a check. True if its failure is to be printed, after this prefix.
static bool test_fails(bool ok, const char *file, int line)
{
    test_now.checks++;
    if (ok || test_now.failures++ > TEST_LINES_MAX) {
        return false;
    }
    printf("%s:%d: %s.%s: ", file, line, test_now.suite->noun, test_now.name);
    if (test_now.failures > TEST_LINES_MAX) {
        printf("more failures, not printed\n");
        return false;
    }
    return true;
}

bool test_check(bool ok, const char *file, int line, const char *text)
{
    if (test_fails(ok, file, line)) {
        printf("CHECK(%s)\n", text);
    }
    return ok;
}

bool test_check_int(long long a, long long b, const char *file, int line,
                    const char *text)
{
    if (test_fails(a == b, file, line)) {
        printf("CHECK_INT(%s): %lld, %lld\n", text, a, b);
    }
    return a == b;
}

bool test_check_str(const char *a, const char *b, const char *file, int line,
                    const char *text)
{
    bool same = a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
    if (test_fails(same, file, line)) {
        printf("CHECK_STR(%s): \"%s\", \"%s\"\n", text, a != NULL ? a : "NULL",
               b != NULL ? b : "NULL");
    }
    return same;
}

void test_skip(const char *why)
{
    test_now.skipped = why;
}

// Returns 1: passed, 0: failed, -1: skipped.
static int test_run(const test_suite *suite, const test_case *test,
                    bool verbose)
{
    test_now.suite = suite;
    test_now.name = test->name;
    test_now.skipped = NULL;
    test_now.checks = test_now.failures = 0;
    if (suite->before != NULL) {
        suite->before();
    }
    // what is not written yet would be written twice by a child of fork()
    fflush(stdout);
    test->run();
    if (test_now.checks == 0 && test_now.skipped == NULL) {
        test_check(false, __FILE__, __LINE__, "a test checks something");
    }
    if (test_now.failures > 0) {
        return 0;
    }
    if (verbose) {
        printf("%s %s.%s%s%s\n", test_now.skipped != NULL ? "skip" : "pass",
               suite->noun, test->name, test_now.skipped != NULL ? ": " : "",
               test_now.skipped != NULL ? test_now.skipped : "");
    }
    return test_now.skipped != NULL ? -1 : 1;
}

#define TEST_EXTERN(noun) extern const test_suite test_suite_##noun;
#define TEST_ADDRESS(noun) &test_suite_##noun,
TEST_SUITES(TEST_EXTERN)

int main(int argc, char **argv)
{
    static const test_suite *const suites[] = { TEST_SUITES(TEST_ADDRESS) };
    const char *filter = "";
    unsigned passed = 0, failed = 0, doubles = 0, half = 0, at = 0;
    bool verbose = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0) {
            verbose = true;
        } else if (strcmp(argv[i], "-1") == 0 || strcmp(argv[i], "-2") == 0) {
            half = (unsigned)(argv[i][1] - '0');
        } else {
            filter = argv[i];
        }
    }
    for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
        char noun[64];
        snprintf(noun, sizeof(noun), " %s ", suites[i]->noun);
        for (size_t k = 0; k < suites[i]->count; k++) {
            char name[512];
            snprintf(name, sizeof(name), "%s.%s", suites[i]->noun,
                     suites[i]->cases[k].name);
            if (strstr(name, filter) != NULL &&
                (half == 0 || at++ % 2 == half - 1)) {
                int result = test_run(suites[i], &suites[i]->cases[k], verbose);
                passed += result == 1;
                failed += result == 0;
                doubles += result >= 0 && strstr(TEST_DOUBLES, noun) != NULL;
            }
        }
    }
    if (doubles > 0) {
        printf("of which %u test the doubles\n", doubles);
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed > 0 || passed == 0;
}

#endif /* TEST_SUITES */

#endif /* TEST_H */
