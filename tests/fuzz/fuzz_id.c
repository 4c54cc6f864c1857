// SPDX-License-Identifier: MIT-0
// fuzz_id.c -- the encoding of run ids in directory names
//
// Every id has one name, every name at most one id, no two names differ only
// in case, and what no id has is refused. The input is an id, a NUL, another
// id; the whole of it up to the NUL is tried as a name, too.
#include "fuzz.h"

#include <strings.h>

// What the names of short ids look like, written down a second time.
static void reference(const char *id, char *out)
{
    size_t n = 0;
    out[n++] = 'r';
    out[n++] = '-';
    for (const char *p = id; *p != '\0'; p++) {
        const bool plain = (*p >= '0' && *p <= '9') || *p == '_' ||
                           (*p >= 'a' && *p <= 'z') || *p == '-';
        n += (size_t)sprintf(out + n, plain ? "%c" : "%%%02x",
                             plain ? *p : (unsigned char)*p);
    }
    out[n] = '\0';
}

static void check_refused(const char *name)
{
    char id[CKPT_ID_MAX + 1];
    FUZZ_CHECK(!ckpt_store_fs_id(name, id));
}

// What is almost the name of an id.
static void check_neighbours(const char *name)
{
    const size_t n = strlen(name);
    char other[260], id[CKPT_ID_MAX + 1], again[256];
    memcpy(other, name, n + 1);
    for (size_t i = 0; i < n; i++) {
        if (name[i] >= 'a' && name[i] <= 'z') {
            other[i] = (char)(name[i] - 'a' + 'A');
            check_refused(other);
            other[i] = name[i];
        }
    }
    for (size_t i = 0; i < n; i++) {            // cut off: itself or nobody's
        other[i] = '\0';
        if (ckpt_store_fs_id(other, id)) {
            ckpt_store_fs_name(id, again);
            FUZZ_CHECK(strcmp(again, other) == 0);
        }
        other[i] = name[i];
    }
    memcpy(other + n, ".", 2);
    check_refused(other);
    other[0] = name[0] == 'r' ? 'b' : 'r';
    other[n] = '\0';
    if (ckpt_store_fs_id(other, id)) {
        ckpt_store_fs_name(id, again);
        FUZZ_CHECK(strcmp(again, other) == 0);
    }
}

// Encodes an id that is in its range.
static void check_id(const char *id, char name[256])
{
    char back[CKPT_ID_MAX + 1], expected[3 * CKPT_ID_MAX + 3];
    memset(name, 'X', 256);
    ckpt_store_fs_name(id, name);
    const size_t n = strlen(name);
    FUZZ_CHECK(n >= 3 && n <= 202);
    FUZZ_CHECK(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-%") == n);
    FUZZ_CHECK(ckpt_store_fs_id(name, back));
    FUZZ_CHECK(strcmp(back, id) == 0);
    reference(id, expected);
    if (strlen(expected) <= 202) {
        FUZZ_CHECK(strcmp(name, expected) == 0);
    } else {
        FUZZ_CHECK(name[0] == 'b' && name[1] == '-');
    }
    check_neighbours(name);
}

// Decodes what may be a name.
static void check_name(const char *name)
{
    char id[CKPT_ID_MAX + 1], again[256];
    memset(id, 'X', sizeof(id));
    if (ckpt_store_fs_id(name, id)) {
        const size_t n = strnlen(id, sizeof(id));
        FUZZ_CHECK(n > 0 && n <= CKPT_ID_MAX);
        ckpt_store_fs_name(id, again);
        FUZZ_CHECK(strcmp(again, name) == 0);
    }
}

static void fuzz_one(const uint8_t *data, size_t size)
{
    char *text = (char *)malloc(size + 1);
    char one[256], two[256], prefixed[260];
    if (text == NULL) {
        abort();
    }
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    const size_t n = strlen(text), m = n < size ? strlen(text + n + 1) : 0;
    const bool first = n > 0 && n <= CKPT_ID_MAX;
    const bool second = m > 0 && m <= CKPT_ID_MAX;
    if (first) {
        check_id(text, one);
    }
    if (second) {
        check_id(text + n + 1, two);
    }
    if (first && second) {
        FUZZ_CHECK((strcasecmp(one, two) == 0) ==
                   (strcmp(text, text + n + 1) == 0));
    }
    if (n < 256) {
        check_name(text);
        for (const char *p = "rbRB.x"; *p != '\0'; p++) {
            sprintf(prefixed, "%c-%s", *p, text);
            if (*p == 'r' || *p == 'b') {
                check_name(prefixed);
            } else {
                check_refused(prefixed);
            }
        }
    }
    free(text);
}
