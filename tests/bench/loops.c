// SPDX-License-Identifier: MIT-0
/*
    loops.c -- the inner loops beside those of good libraries

        loops [rounds]      (15)

    Of transcripts of three sizes: how fast they are checked, written as one
    string, and summed, by ckpt as it is here, by its portable twin, and by
    cJSON and jansson, which also build and free a tree of what they read.
    Everyone takes turns in every round, so that a busy machine disturbs all
    alike; the order is turned round every other time. Time is that which the
    processor spent. Printed are the median of MB/s, and its ratio to that of
    cJSON.

    It judges nothing; it fails if somebody finds a transcript wrong.
*/
#define _XOPEN_SOURCE 700

#include "loops.h"

#include <cjson/cJSON.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS_MAX = 101 };

static struct {
    char  *text, *json, *out;
    size_t text_size, json_size, cap;
} b;

static void die(const char *what)
{
    fprintf(stderr, "loops: %s\n", what);
    exit(1);
}

static void *room(size_t n)
{
    void *p = malloc(n);
    if (p == NULL) {
        die("out of memory");
    }
    return p;
}

// -- Transcripts --

// What agents say and see: prose, code, listings, and other scripts. About one
// byte in twenty is escaped, and one in thirty is not ASCII.
static const char *const said[] = {
    "The claim is durable before the work begins; whoever reads it later "
    "knows who holds the run, and since when. ",
    "Each turn of the model is a message of its own, followed by what the "
    "tool said, and nothing of either may be lost. ",
    "for (size_t i = 0; i < n; i++) {\n    if (table[i].key == key) {\n"
    "        return &table[i];\n    }\n}\nprintf(\"%s\\n\", name);\n",
    "total 48\ndrwxr-xr-x 6 user user 4096 Jan  1 00:00 src\n"
    "-rw-r--r-- 1 user user 1523 Jan  1 00:00 main.c\n",
    "Z\xc3\xbcrich, d\xc3\xa9j\xc3\xa0 vu \xe2\x80\x94 na\xc3\xafve, and "
    "on with plain text. ",
    "\xe6\xb8\xac\xe8\xa9\xa6\xe6\x88\x90\xe5\x8a\x9f\xe3\x80\x82 "
    "\xf0\x9f\x98\x80 "
};

static const unsigned char order[] = { 0, 1, 2, 0, 3, 1, 4, 0, 2, 1, 5, 0 };

static void make_text(size_t size)
{
    size_t n = 0;
    b.text = (char *)room(size + 1024);
    for (size_t i = 0; n < size; i++) {
        const char *more = said[order[i * 7 % sizeof(order)]];
        memcpy(b.text + n, more, strlen(more));
        n += strlen(more);
    }
    b.text[n] = '\0';
    b.text_size = n;
    b.cap = 6 * n + 2;
    b.out = (char *)room(b.cap);
}

// Messages of some hundred bytes to some KiB, cut between characters.
static void make_json(void)
{
    json_t *all = json_array();
    for (size_t at = 0, i = 0; at < b.text_size; i++) {
        size_t n = 120 + i * 977 % 3000;
        n = n < b.text_size - at ? n : b.text_size - at;
        while ((b.text[at + n] & 0xc0) == 0x80) {
            n++;
        }
        json_array_append_new(all, json_pack(
            "{s:s, s:s%, s:i}", "role", i % 2 ? "tool" : "assistant",
            "content", b.text + at, n, "turn", (int)i));
        at += n;
    }
    b.json = json_dumps(all, JSON_COMPACT);
    if (b.json == NULL) {
        die("jansson cannot write the transcript");
    }
    b.json_size = strlen(b.json);
    json_decref(all);
}

// -- Those who take turns --

static size_t sink;

static void check_fast(void)
{
    if (!loops_fast.check(b.json, b.json_size)) {
        die("the transcript is wrong");
    }
}

static void check_portable(void)
{
    if (!loops_portable.check(b.json, b.json_size)) {
        die("the transcript is wrong, says the portable twin");
    }
}

static void check_cjson(void)
{
    cJSON *tree = cJSON_ParseWithLength(b.json, b.json_size);
    if (tree == NULL) {
        die("the transcript is wrong, says cJSON");
    }
    cJSON_Delete(tree);
}

static void check_jansson(void)
{
    json_error_t err;
    json_t *tree = json_loadb(b.json, b.json_size, 0, &err);
    if (tree == NULL) {
        die("the transcript is wrong, says jansson");
    }
    json_decref(tree);
}

static void write_fast(void)
{
    sink += loops_fast.write(b.out, b.cap, b.text, b.text_size);
}

static void write_portable(void)
{
    sink += loops_portable.write(b.out, b.cap, b.text, b.text_size);
}

static void write_cjson(void)
{
    cJSON *s = cJSON_CreateStringReference(b.text);
    char *out = cJSON_PrintUnformatted(s);
    if (out == NULL) {
        die("cJSON cannot write");
    }
    sink += (size_t)out[1];
    free(out);
    cJSON_Delete(s);
}

static void write_jansson(void)
{
    json_t *s = json_stringn_nocheck(b.text, b.text_size);
    char *out = json_dumps(s, JSON_ENCODE_ANY);
    if (out == NULL) {
        die("jansson cannot write");
    }
    sink += (size_t)out[1];
    free(out);
    json_decref(s);
}

static void sum_fast(void)
{
    sink += loops_fast.sum(b.json, b.json_size);
}

static void sum_portable(void)
{
    sink += loops_portable.sum(b.json, b.json_size);
}

static const struct {
    const char *name;
    void      (*run)(void);
    bool        of_text;            // so many bytes count; else those of json
    int         cjson;              // its number here; -1: nobody to compare
} turns[] = {
    { "check, ckpt",           check_fast,     false, 2 },
    { "check, ckpt, portable", check_portable, false, 2 },
    { "parse, cJSON",          check_cjson,    false, 2 },
    { "parse, jansson",        check_jansson,  false, 2 },
    { "write, ckpt",           write_fast,     true,  6 },
    { "write, ckpt, portable", write_portable, true,  6 },
    { "write, cJSON",          write_cjson,    true,  6 },
    { "write, jansson",        write_jansson,  true,  6 },
    { "sum, ckpt",             sum_fast,       false, -1 },
    { "sum, ckpt, portable",   sum_portable,   false, -1 }
};

enum { TURNS = sizeof(turns) / sizeof(turns[0]) };

// -- Measuring --

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

// MB/s of one turn, which takes some ms.
static double measure(unsigned k)
{
    const size_t n = turns[k].of_text ? b.text_size : b.json_size;
    const size_t times = ((size_t)1 << 21) / n + 1;
    const double from = now_us();
    for (size_t i = 0; i < times; i++) {
        turns[k].run();
    }
    return (double)(n * times) / (now_us() - from);
}

static int compare(const void *x, const void *y)
{
    const double p = *(const double *)x, q = *(const double *)y;
    return (p > q) - (p < q);
}

static void bench(size_t size, unsigned rounds)
{
    static double speeds[TURNS][ROUNDS_MAX];
    make_text(size);
    make_json();
    for (unsigned r = 0; r < rounds; r++) {
        for (unsigned i = 0; i < TURNS; i++) {
            const unsigned k = r % 2 == 0 ? i : TURNS - 1 - i;
            speeds[k][r] = measure(k);
        }
    }
    for (unsigned k = 0; k < TURNS; k++) {
        qsort(speeds[k], rounds, sizeof(speeds[k][0]), compare);
    }
    printf("%zu KiB of JSON\n", b.json_size / 1024);
    for (unsigned k = 0; k < TURNS; k++) {
        const double median = speeds[k][rounds / 2];
        printf("  %-22s %6.0f MB/s", turns[k].name, median);
        if (turns[k].cjson >= 0) {
            printf("  %5.2f", median / speeds[turns[k].cjson][rounds / 2]);
        }
        printf("\n");
    }
    free(b.text);
    free(b.json);
    free(b.out);
}

int main(int argc, char **argv)
{
    const unsigned rounds = argc < 2 ? 15
                                     : (unsigned)strtoul(argv[1], NULL, 10);
    if (argc > 2 || rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: loops [rounds]\n");
        return 2;
    }
    bench((size_t)1 << 14, rounds);
    bench((size_t)1 << 18, rounds);
    bench((size_t)1 << 22, rounds);
    return sink == 0;
}
