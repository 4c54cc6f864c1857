// SPDX-License-Identifier: MIT-0
/*
    transcript.c -- transcripts of any length

    Messages are a mixture of prose, code, results of tools and other scripts,
    with an escape for every twenty bytes, as agents have them. A seed gives
    the same bytes each time.
*/
#include "bench.h"

#include <stdlib.h>
#include <string.h>

static const char *const texts[] = {
    "The retry loop gives up before the last attempt has a result. ",
    "I will read the configuration first, and then run the second phase. ",
    "All 42 tests pass; one warning is left, about an unused variable. ",
    "You asked for \\\"no cache\\\", so each call asks the server again. ",
    "\\n\\tif (fd < 0) {\\n\\t\\treturn -errno;\\n\\t}\\n",
    "{\\\"path\\\":\\\"src\\\\/main.c\\\",\\\"line\\\":128,\\\"ok\\\":true}\\n",
    "$ grep -rn \\\"fsync\\\" src | wc -l\\n17\\n",
    "Nach dem Ausfall lief er weiter, \xc3\xa4rgerlich sp\xc3\xa4t. ",
    "\xe6\xa3\x80\xe6\x9f\xa5\xe7\x82\xb9\xe5\xb7\xb2\xe5\x86\x99\xe5\x85\xa5"
};

enum {
    TEXTS = sizeof(texts) / sizeof(texts[0]),
    LAST  = 2500                    // the last message may be so long
};

static const char opening[] = "{\"role\":\"assistant\",\"content\":\"";
static const char closing[] = "\"}";

static uint32_t draw(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static char *put(char *p, const char *text)
{
    const size_t n = strlen(text);
    memcpy(p, text, n);
    return p + n;
}

// Writes one message of exactly n bytes.
static char *put_message(char *p, size_t n, uint32_t *seed)
{
    char *const end = p + n - strlen(closing);
    p = put(p, opening);
    for (const char *text = texts[draw(seed) % TEXTS];
         strlen(text) <= (size_t)(end - p); text = texts[draw(seed) % TEXTS]) {
        p = put(p, text);
    }
    memset(p, '.', (size_t)(end - p));
    return put(end, closing);
}

// Makes an array of exactly size bytes, at least 64, that can grow by room.
void transcript_make(transcript *t, size_t size, size_t room, uint32_t seed)
{
    t->n = t->base = size;
    t->cap = size + room;
    t->p = must_alloc(t->cap);
    char *p = put(t->p, "[");
    char *const end = t->p + size - 1;
    while (end - p > LAST) {
        p = put_message(p, 200 + draw(&seed) % (LAST - 700), &seed);
        p = put(p, ",");
    }
    p = put_message(p, (size_t)(end - p), &seed);
    put(p, "]");
}

void transcript_add(transcript *t, ckpt_bytes array)
{
    if (t->n - 1 + array.len > t->cap) {
        die("a transcript", "it has no room for another message");
    }
    t->p[t->n - 1] = ',';
    memcpy(t->p + t->n, (const char *)array.ptr + 1, array.len - 1);
    t->n += array.len - 1;
}

void transcript_rewind(transcript *t)
{
    t->n = t->base;
    t->p[t->n - 1] = ']';
}

ckpt_bytes transcript_bytes(const transcript *t)
{
    return (ckpt_bytes){ t->p, t->n };
}

void transcript_free(transcript *t)
{
    free(t->p);
    *t = (transcript){ 0 };
}
