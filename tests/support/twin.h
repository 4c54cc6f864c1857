// SPDX-License-Identifier: MIT-0
// twin.h -- the loops that are made for speed, and their slow twins
//
// Needs the implementation of ckpt.h before it. A twin goes byte by byte, and
// through windows of one byte: no word, no vector and no whole character ever
// fits into one.
#ifndef TWIN_H
#define TWIN_H

#include "crc.h"

//--- Judging a JSON value -----------------------------------------------------

// What a reader says of a text.
typedef struct twin_verdict {
    ckpt_code     code;
    uint64_t      pos;
    ckpt__section section;          // of the value, without space around it
} twin_verdict;

// A store that has one text, and gives it out in pieces.
typedef struct twin_store {
    ckpt_store  base;
    const char *text;
    size_t      size, window;
} twin_store;

TEST_FN ckpt_code twin_read(ckpt_store *s, void *place, const ckpt_gen *gen,
                            uint64_t offset, void *buf, size_t n, size_t *got,
                            ckpt_error *err)
{
    const twin_store *t = (const twin_store *)(void *)s;
    const size_t left = offset < t->size ? t->size - (size_t)offset : 0;
    (void)place;
    (void)gen;
    (void)err;
    n = n < left ? n : left;
    n = n < t->window ? n : t->window;
    if (n > 0) {
        memcpy(buf, t->text + offset, n);
    }
    *got = n;
    return CKPT_OK;
}

// Reads a text through windows of that size.
TEST_FN twin_verdict twin_judge(ckpt_bytes text, size_t window)
{
    static ckpt__place p;
    static ckpt_store_methods methods;
    twin_store store;
    twin_verdict v;
    ckpt__reader *r = &p.reader;
    memset(&p, 0, sizeof(p));
    memset(&v, 0, sizeof(v));
    methods.read = twin_read;
    store.base.methods = &methods;
    store.base.caps = 0;
    store.text = (const char *)text.ptr;
    store.size = text.len;
    store.window = window;
    p.store = &store.base;
    ckpt__reader_store(r, &p, 0);
    ckpt__take_space(r);
    (void)ckpt__peek(r);
    r->mark = r->at;
    memset(&r->section, 0, sizeof(r->section));
    ckpt__take_value(r);
    ckpt__section_end(r, &v.section);
    ckpt__take_end(r);
    (void)ckpt__peek(r);
    ckpt__need(r, ckpt__peek(r) < 0, CKPT_ERR_JSON);
    v.code = r->rc;
    v.pos = ckpt__pos(r);
    return v;
}

// Reads a text as it lies in memory, as a save does.
TEST_FN twin_verdict twin_judge_whole(ckpt_bytes text, bool by_op)
{
    twin_verdict v;
    ckpt_error err;
    memset(&v, 0, sizeof(v));
    err.pos = 0;
    v.code = ckpt__value_check(&text, 0, by_op, &v.section, &err);
    v.pos = err.pos;
    return v;
}

// Whether two verdicts agree: where a text is right, on its size and sum, which
// end where the reader ended; where it is wrong, on the place.
TEST_FN bool twin_agree(const twin_verdict *a, const twin_verdict *b)
{
    if (a->code != b->code) return false;
    if (a->code != CKPT_OK) return a->pos == b->pos;
    return a->section.size == b->section.size &&
           a->section.crc == b->section.crc;
}

//--- Writing a string ---------------------------------------------------------

// Writes text as a JSON string of at most 6 * text.len + 2 bytes, a character
// at a time. *is_utf8: nothing had to be replaced.
TEST_FN size_t twin_string(char *out, ckpt_bytes text, bool *is_utf8)
{
    const uint8_t *p = (const uint8_t *)text.ptr;
    size_t len = 0;
    *is_utf8 = true;
    out[len++] = '"';
    for (size_t i = 0, size; i < text.len; len += size) {
        *is_utf8 &= ckpt__utf8_size(p + i, text.len - i) > 0;
        char one[8];
        i += ckpt__escape(one, &size, p + i, text.len - i, CKPT__AS_TEXT);
        memcpy(out + len, one, size);
    }
    out[len++] = '"';
    return len;
}

//--- Skipping -----------------------------------------------------------------

// The first byte from p on that begins no character which a JSON string holds
// as it is.
TEST_FN const uint8_t *twin_clean(const uint8_t *p, const uint8_t *end)
{
    while (p < end && *p >= 0x20 && *p != '"' && *p != '\\') {
        const size_t size = ckpt__utf8_size(p, (size_t)(end - p));
        if (size == 0) break;
        p += size;
    }
    return p;
}

#endif /* TWIN_H */
