// SPDX-License-Identifier: MIT-0
// fuzz_twins.c -- the loops that are made for speed, next to their slow twins
//
// The first byte says where things are cut. The rest is summed, skipped over,
// judged as a JSON value and as the inside of a string, and written as a
// string: each time as a user's program does it, and byte by byte.
#include "fuzz.h"
#include "twin.h"

static ckpt_bytes bytes_of(const void *ptr, size_t len)
{
    ckpt_bytes bytes;
    bytes.ptr = ptr;
    bytes.len = len;
    return bytes;
}

static void check_sums(ckpt_bytes input, size_t cut)
{
    const uint8_t *p = (const uint8_t *)input.ptr;
    const uint32_t all = crc_of(0, p, input.len);
    const size_t n = cut < input.len ? cut : input.len;
    const size_t left = input.len - n;
    for (int by_op = 0; by_op <= (ckpt__crc_has_op() ? 1 : 0); by_op++) {
        const uint32_t first = ckpt__crc(by_op, 0, p, n);
        const uint32_t second = ckpt__crc(by_op, 0, p + n, left);
        FUZZ_CHECK(ckpt__crc(by_op, 0, p, input.len) == all);
        FUZZ_CHECK(ckpt__crc(by_op, first, p + n, left) == all);
        FUZZ_CHECK(ckpt__crc_join(first, second, (uint32_t)left, by_op) == all);
    }
    FUZZ_CHECK(ckpt_crc32c(0, p, input.len) == all);
}

static void check_skips(ckpt_bytes input)
{
    const uint8_t *end = (const uint8_t *)input.ptr + input.len;
    for (size_t i = 0; i <= input.len && i < 64; i++) {
        const uint8_t *p = (const uint8_t *)input.ptr + i;
        const uint8_t *plain = ckpt__plain_bytes(p, end);
        FUZZ_CHECK(ckpt__plain_words(p, end) == plain);
        FUZZ_CHECK(ckpt__plain(p, end) == plain);
        FUZZ_CHECK(ckpt__clean(p, end) == twin_clean(p, end));
    }
}

static void check_verdicts(ckpt_bytes text, size_t window)
{
    const twin_verdict slow = twin_judge(text, 1);
    const twin_verdict some = twin_judge(text, window);
    const twin_verdict whole = twin_judge_whole(text, ckpt__crc_has_op());
    FUZZ_CHECK(twin_agree(&slow, &some));
    FUZZ_CHECK(twin_agree(&slow, &whole));
}

// The input between two quotes.
static void check_inside(ckpt_bytes input, size_t window)
{
    char *text = (char *)malloc(input.len + 2);
    if (text == NULL) {
        abort();
    }
    text[0] = text[input.len + 1] = '"';
    memcpy(text + 1, input.ptr, input.len);
    check_verdicts(bytes_of(text, input.len + 2), window);
    check_verdicts(bytes_of(text, input.len + 1), window);
    free(text);
}

static void check_string(ckpt_bytes input)
{
    const size_t cap = 6 * input.len + 2;
    char *out = (char *)malloc(cap), *twin = (char *)malloc(cap);
    bool is_utf8;
    if (out == NULL || twin == NULL) {
        abort();
    }
    const size_t n = twin_string(twin, input, &is_utf8);
    for (int replace = 0; replace < 2; replace++) {
        ckpt_json w;
        ckpt_bytes json;
        ckpt_json_init(&w, out, cap);
        w.replace = replace;
        ckpt_json_string(&w, input);
        const ckpt_code rc = ckpt_json_done(&w, &json);
        FUZZ_CHECK(rc == (replace || is_utf8 ? CKPT_OK : CKPT_ERR_UTF8));
        FUZZ_CHECK(rc != CKPT_OK ||
                   (json.len == n && memcmp(json.ptr, twin, n) == 0));
    }
    free(out);
    free(twin);
}

static void fuzz_one(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return;
    }
    const size_t cut = data[0];
    char *copy = (char *)fuzz_copy(data + 1, size - 1);
    const ckpt_bytes input = bytes_of(copy, size - 1);
    check_sums(input, cut);
    check_skips(input);
    check_verdicts(input, 1 + cut % 40);
    check_inside(input, 1 + cut % 40);
    check_string(input);
    free(copy);
}
