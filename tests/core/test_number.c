// SPDX-License-Identifier: MIT-0
// Doubles, bytes as base64, and UTF-8 made of any bytes: written and read, next
// to what the C library says. CKPT_LONG=yes makes the rounds many.
#include "ckpt.h"
#include "test.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>

#define LIST(X)                                                                \
    X(every_double_is_written_shortest_and_read_back_as_it_was)                \
    X(powers_of_two_and_ten_and_their_neighbours_come_back)                    \
    X(subnormals_and_borders_come_back)                                        \
    X(doubles_are_written_as_ecmascript_writes_them)                           \
    X(of_two_shortest_texts_the_nearest_is_written)                            \
    X(the_wide_side_of_a_power_of_two_is_used)                                 \
    X(a_double_has_25_bytes_at_most)                                           \
    X(what_is_no_number_cannot_be_written)                                     \
    X(the_writer_says_what_a_double_needs)                                     \
    X(texts_of_up_to_40_digits_read_as_strtod_reads_them)                      \
    X(texts_of_up_to_800_digits_read_as_strtod_reads_them)                     \
    X(a_text_in_the_middle_of_two_doubles_reads_as_the_even_one)               \
    X(one_digit_far_behind_the_middle_decides)                                 \
    X(numbers_of_every_form_are_read)                                          \
    X(zeros_and_exponents_without_end_change_nothing)                          \
    X(what_is_too_small_is_zero_with_its_sign)                                 \
    X(what_is_beyond_the_largest_double_is_refused)                            \
    X(to_double_refuses_what_is_no_number)                                     \
    X(a_number_above_512_mib_is_refused_unread)                                \
    X(a_locale_with_a_comma_changes_nothing)                                   \
    X(base64_is_that_of_rfc_4648)                                              \
    X(bytes_of_every_length_come_back)                                         \
    X(base64_escaped_by_other_writers_is_read)                                 \
    X(what_is_not_base64_by_the_letter_is_refused)                             \
    X(bytes_need_their_room)                                                   \
    X(clean_text_is_kept_and_other_bytes_are_replaced)                         \
    X(clean_text_is_what_the_writer_makes_of_it)                               \
    X(json_with_wrong_bytes_is_valid_once_it_is_clean)                         \
    X(clean_says_what_it_needs_at_every_size)                                  \
    X(clean_refuses_to_write_over_what_it_reads)
TEST_SUITE(number, LIST)

//--- What the tests are made with ---------------------------------------------

#ifndef NUMBER_ROUNDS
    #define NUMBER_ROUNDS 200000
#endif

// How many of them a test tries, which takes so much longer for each.
static long rounds(long longer)
{
    return (test_is_long() ? 10000000 : NUMBER_ROUNDS) / longer;
}

static uint64_t seed;

// xorshift64*, the same numbers in every run
static uint64_t any(void)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * 0x2545f4914f6cdd1dU;
}

static unsigned below(unsigned n)
{
    return (unsigned)(any() >> 33) % n;
}

static double of_bits(uint64_t bits)
{
    double d;
    memcpy(&d, &bits, sizeof(d));
    return d;
}

static uint64_t bits_of(double d)
{
    uint64_t bits;
    memcpy(&bits, &d, sizeof(bits));
    return bits;
}

static ckpt_bytes bytes(const void *ptr, size_t len)
{
    ckpt_bytes b;
    b.ptr = ptr;
    b.len = len;
    return b;
}

// Writes a double, NUL-terminated.
static ckpt_code write_double(double d, char *buf, size_t cap)
{
    ckpt_json w;
    ckpt_bytes json;
    ckpt_json_init(&w, buf, cap - 1);
    ckpt_json_double(&w, d);
    const ckpt_code rc = ckpt_json_done(&w, &json);
    buf[rc == CKPT_OK ? json.len : 0] = '\0';
    return rc;
}

// The significant digits of a number, without zeros at either end.
static size_t digits_of(const char *text, char *digits)
{
    size_t n = 0, last = 0;
    for (; *text != '\0' && *text != 'e'; text++) {
        if (*text < '0' || *text > '9' || (n == 0 && *text == '0')) continue;
        digits[n++] = *text;
        last = *text != '0' ? n : last;
    }
    digits[last] = '\0';
    return last;
}

// The fewest digits with which the C library writes it so that it comes back,
// and these digits.
static size_t shortest(double d, char *digits)
{
    char text[64];
    size_t best = 17;
    for (int n = 17; n > 0; n--) {
        snprintf(text, sizeof(text), "%.*e", n - 1, d);
        if (bits_of(strtod(text, NULL)) != bits_of(d)) break;
        best = digits_of(text, digits);
    }
    return best;
}

// Checks all that is promised of one double > 0.
static bool check_double(double d)
{
    char text[32], ours[32], theirs[64];
    double back = -1;
    bool ok = write_double(d, text, sizeof(text)) == CKPT_OK;
    ok = ok && ckpt_json_check(ckpt_text(text), NULL) == CKPT_OK;
    ok = ok && bits_of(strtod(text, NULL)) == bits_of(d);
    ok = ok && ckpt_json_to_double(ckpt_text(text), &back) == CKPT_OK;
    ok = ok && bits_of(back) == bits_of(d);
    const size_t n = digits_of(text, ours), most = shortest(d, theirs);
    ok = ok && n <= most && (n < most || strcmp(ours, theirs) == 0);
    if (!CHECK(ok)) {
        printf("    %.17g: %s, %s, %.17g\n", d, text, theirs, back);
    }
    return ok;
}

// Checks that a text reads as these bits; UINT64_MAX: that it is refused.
static bool check_text(const char *text, uint64_t want)
{
    double d = 5;
    const ckpt_code rc = ckpt_json_to_double(ckpt_text(text), &d);
    const bool ok = want == UINT64_MAX ?
        rc == CKPT_ERR_JSON && bits_of(d) == 0 :
        rc == CKPT_OK && bits_of(d) == want;
    if (!CHECK(ok)) {
        printf("    %.60s (%zu): %d, %.17g\n", text, strlen(text), (int)rc, d);
    }
    return ok;
}

// What strtod says, in the C locale.
static uint64_t by_strtod(const char *text)
{
    const double d = strtod(text, NULL);
    return isinf(d) ? UINT64_MAX : bits_of(d);
}

//--- Doubles written ----------------------------------------------------------

static void every_double_is_written_shortest_and_read_back_as_it_was(void)
{
    const long count = rounds(1);
    seed = 14;
    for (long i = 0; i < count; i++) {
        uint64_t bits = any();
        if (i % 4 == 0) {               // of an everyday size
            bits = (bits & 0x800fffffffffffffU) |
                   (uint64_t)(1023 - 40 + below(104)) << 52;
        }
        if (i % 8 == 1) {               // with few digits
            bits = bits_of((double)(int64_t)(bits >> 40) / 1000);
        }
        if ((bits << 1) >> 53 == 0x7ff) continue;
        if (!check_double(of_bits(bits))) return;
    }
}

static void powers_of_two_and_ten_and_their_neighbours_come_back(void)
{
    for (int e = -1074; e < 1024; e++) {
        const uint64_t bits = bits_of(ldexp(1, e));
        check_double(of_bits(bits));
        check_double(of_bits(bits + 1));
        if (bits > 1) {
            check_double(of_bits(bits - 1));
        }
    }
    for (int e = -323; e <= 308; e++) {
        char text[16], back[32];
        snprintf(text, sizeof(text), "1e%d", e);
        const double d = strtod(text, NULL);
        check_text(text, bits_of(d));
        check_double(d);
        check_double(of_bits(bits_of(d) - 1));
        check_double(of_bits(bits_of(d) + 1));
        CHECK_INT(write_double(d, back, sizeof(back)), CKPT_OK);
        CHECK(back[0] == '1' || e < 0);
    }
}

static void subnormals_and_borders_come_back(void)
{
    static const double borders[] = {
        DBL_MIN, DBL_MAX, DBL_EPSILON, 1, 9007199254740992.0, 1e21, 1e22, 1e23,
        1e-5, 1e-6, 1e-7, 4.35, 0.1, 0.3, 5e-324, 2.2250738585072011e-308,
        9223372036854775808.0, 18446744073709551616.0, 1.5, 123456789.125
    };
    for (uint64_t bits = 1; bits < 3000; bits++) {
        check_double(of_bits(bits));
    }
    for (unsigned i = 0; i < 52; i++) {
        check_double(of_bits(((uint64_t)1 << 52) - ((uint64_t)1 << i)));
    }
    for (size_t i = 0; i < sizeof(borders) / sizeof(borders[0]); i++) {
        const uint64_t bits = bits_of(borders[i]);
        check_double(borders[i]);
        check_double(-borders[i]);
        check_double(of_bits(bits - (bits > 1)));
        if (borders[i] < DBL_MAX) {
            check_double(of_bits(bits + 1));
        }
    }
}

typedef struct double_case {
    double      value;
    const char *text;
} double_case;

// ECMA-262, Number::toString; RFC 8785 appendix B
static void doubles_are_written_as_ecmascript_writes_them(void)
{
    static const double_case cases[] = {
        { 0, "0" }, { -0.0, "-0" }, { 1, "1" }, { -1.5, "-1.5" },
        { 0.1, "0.1" }, { 100, "100" }, { 1234.5, "1234.5" },
        { 9007199254740991.0, "9007199254740991" },
        { 9007199254740992.0, "9007199254740992" },
        { 9007199254740994.0, "9007199254740994" },
        { 295147905179352830000.0, "295147905179352830000" },
        { 1e20, "100000000000000000000" }, { 1e21, "1e+21" },
        { 999999999999999900000.0, "999999999999999900000" },
        { 1.5e300, "1.5e+300" }, { 1e300, "1e+300" },
        { 0.000001, "0.000001" }, { 0.0000012345678901234567,
          "0.0000012345678901234567" }, { 1e-7, "1e-7" },
        { -1.25e-7, "-1.25e-7" }, { 1e23, "1e+23" },
        { 5e-324, "5e-324" }, { DBL_MAX, "1.7976931348623157e+308" },
        { DBL_MIN, "2.2250738585072014e-308" },
        { 333333333.33333329, "333333333.3333333" },
        { 9.999999999999997e22, "9.999999999999997e+22" },
        { 1.0 / 3, "0.3333333333333333" }, { 1e10 + 0.5, "10000000000.5" }
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[32];
        CHECK_INT(write_double(cases[i].value, text, sizeof(text)), CKPT_OK);
        CHECK_STR(text, cases[i].text);
    }
    // integers below 2^53 have no exponent and no fraction
    seed = 3;
    for (int i = 0; i < 2000; i++) {
        const int64_t n = (int64_t)(any() >> (11 + below(50)));
        char text[32];
        int64_t back = -1;
        CHECK_INT(write_double((double)n, text, sizeof(text)), CKPT_OK);
        CHECK_INT(ckpt_json_number(ckpt_text(text), &back), CKPT_OK);
        CHECK_INT(back, n);
    }
}

// 4e-324 to 7e-324 read back as the same; and so on
static void of_two_shortest_texts_the_nearest_is_written(void)
{
    static const double_case cases[] = {
        { 4.9406564584124654e-324, "5e-324" },
        { 9.8813129168249309e-324, "1e-323" },
        { 1.4821969375237396e-323, "1.5e-323" },
        { 1.9762625833649862e-323, "2e-323" },
        { 9007199254740996.0, "9007199254740996" },
        { 144115188075855870.0, "144115188075855870" }
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[32];
        CHECK_INT(write_double(cases[i].value, text, sizeof(text)), CKPT_OK);
        CHECK_STR(text, cases[i].text);
    }
}

// Above a power of two a double reaches twice as far as below it.
static void the_wide_side_of_a_power_of_two_is_used(void)
{
    unsigned shorter = 0;
    for (int e = -1022; e < 1024; e++) {
        char text[32], digits[64];
        const double d = ldexp(1, e);
        CHECK_INT(write_double(d, text, sizeof(text)), CKPT_OK);
        CHECK(bits_of(strtod(text, NULL)) == bits_of(d));
        const size_t n = digits_of(text, digits);
        shorter += n < shortest(d, digits);
    }
    CHECK(shorter > 0);
}

static void a_double_has_25_bytes_at_most(void)
{
    char text[32];
    size_t most = 0;
    seed = 25;
    for (int i = 0; i < 20000; i++) {
        // from 1e-6 on, where zeros stand before the digits
        const double d = -1e-6 * (1 + (double)(any() >> 11) / 1e17);
        CHECK_INT(write_double(d, text, sizeof(text)), CKPT_OK);
        most = strlen(text) > most ? strlen(text) : most;
    }
    CHECK_INT(most, 25);
    CHECK_INT(write_double(-DBL_MAX, text, sizeof(text)), CKPT_OK);
    CHECK(strlen(text) <= 25);
}

// "NaN and infinities make CKPT_ERR_ARGUMENT", and it stays
static void what_is_no_number_cannot_be_written(void)
{
    static const uint64_t bad[] = {
        0x7ff0000000000000U, 0xfff0000000000000U, 0x7ff8000000000000U,
        0xfff8000000000000U, 0x7ff0000000000001U, 0xffffffffffffffffU
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char buf[64];
        ckpt_json w;
        ckpt_bytes json;
        ckpt_json_init(&w, buf, sizeof(buf));
        ckpt_json_open(&w, '[');
        ckpt_json_double(&w, of_bits(bad[i]));
        CHECK_INT(w.code, CKPT_ERR_ARGUMENT);
        ckpt_json_double(&w, 1);
        ckpt_json_close(&w);
        CHECK_INT(ckpt_json_done(&w, &json), CKPT_ERR_ARGUMENT);
        CHECK(json.ptr == NULL);
    }
}

// "w->len says what is needed", and calls in a wrong order are refused
static void the_writer_says_what_a_double_needs(void)
{
    static const char want[] = "[-0,0.1,-1.25e-7,{\"a\":1e+300}]";
    for (size_t cap = 0; cap < sizeof(want) + 2; cap++) {
        char *buf = (char *)malloc(cap + (cap == 0));
        ckpt_json w;
        ckpt_bytes json;
        ckpt_json_init(&w, buf, cap);
        ckpt_json_open(&w, '[');
        ckpt_json_double(&w, -0.0);
        ckpt_json_double(&w, 0.1);
        ckpt_json_double(&w, -1.25e-7);
        ckpt_json_open(&w, '{');
        ckpt_json_key(&w, "a");
        ckpt_json_double(&w, 1e300);
        ckpt_json_close(&w);
        ckpt_json_close(&w);
        const ckpt_code rc = ckpt_json_done(&w, &json);
        CHECK_INT(w.len, sizeof(want) - 1);
        CHECK_INT(rc, cap < sizeof(want) - 1 ? CKPT_ERR_BUFFER : CKPT_OK);
        CHECK(rc != CKPT_OK || memcmp(buf, want, json.len) == 0);
        free(buf);
    }
    char buf[64];
    ckpt_json w;
    ckpt_bytes json;
    ckpt_json_init(&w, buf, sizeof(buf));
    ckpt_json_open(&w, '{');
    ckpt_json_double(&w, 1);
    ckpt_json_close(&w);
    CHECK_INT(ckpt_json_done(&w, &json), CKPT_ERR_ARGUMENT);
}

//--- Doubles read -------------------------------------------------------------

// A number with up to so many digits, and half of the times with an exponent
// that brings it among the doubles.
static void any_number(char *text, unsigned most)
{
    const unsigned digits = 1 + below(most);
    const unsigned whole = below(3) == 0 ? below(digits) : digits;
    char *p = text;
    *p = '-';
    p += below(2);
    const unsigned zeros = below(4) == 0 ? below(digits) : 0;
    if (whole == 0 || zeros > 0) {
        *p++ = '0';
        *p++ = '.';
    }
    for (unsigned i = 0; i < digits; i++) {
        if (zeros == 0 && i == whole && i > 0) {
            *p++ = '.';
        }
        *p++ = (char)('0' + (i < zeros ? 0 : below(10)));
    }
    *p = '\0';
    if (zeros == 0 && whole > 1 && text[text[0] == '-'] == '0') {
        text[text[0] == '-'] = '7';
    }
    if (below(4) != 0) {
        const int e = (int)below(640) - 325 - (int)(below(2) * whole);
        snprintf(p, 16, "%c%s%d", below(2) ? 'e' : 'E',
                 e >= 0 && below(2) ? "+" : "", e);
    }
}

static void check_random_texts(long count, unsigned most)
{
    char text[1024];
    for (long i = 0; i < count; i++) {
        any_number(text, most);
        if (!check_text(text, by_strtod(text))) return;
    }
}

static void texts_of_up_to_40_digits_read_as_strtod_reads_them(void)
{
    seed = 40;
    check_random_texts(rounds(2), 40);
}

static void texts_of_up_to_800_digits_read_as_strtod_reads_them(void)
{
    seed = 800;
    check_random_texts(rounds(20), 800);
}

// A whole number, nine digits in a word, the lowest first.
typedef struct whole {
    uint32_t word[140];
    size_t   n;
} whole;

static void whole_times(whole *x, uint32_t f)
{
    uint64_t carry = 0;
    for (size_t i = 0; i < x->n; i++) {
        carry += (uint64_t)x->word[i] * f;
        x->word[i] = (uint32_t)(carry % 1000000000);
        carry /= 1000000000;
    }
    for (; carry > 0; carry /= 1000000000) {
        x->word[x->n++] = (uint32_t)(carry % 1000000000);
    }
}

static void whole_less_one(whole *x)
{
    size_t i = 0;
    for (; x->word[i] == 0; i++) {
        x->word[i] = 999999999;
    }
    x->word[i]--;
}

static size_t whole_write(const whole *x, char *out)
{
    char *p = out;
    p += sprintf(p, "%u", x->word[x->n - 1]);
    for (size_t i = x->n - 1; i-- > 0; ) {
        p += sprintf(p, "%09u", x->word[i]);
    }
    return (size_t)(p - out);
}

// The middle between the double of these bits and the next is *x / 10^result.
static int middle(uint64_t bits, whole *x)
{
    const int biased = (int)(bits >> 52);
    uint64_t m = bits & 0xfffffffffffffU;
    m |= biased > 0 ? (uint64_t)1 << 52 : 0;
    m = 2 * m + 1;
    int e = biased - 1076 + (biased == 0);
    const int scale = e < 0 ? -e : 0;
    x->n = 0;
    for (; m > 0; m /= 1000000000) {
        x->word[x->n++] = (uint32_t)(m % 1000000000);
    }
    for (; e > 0; e--) {
        whole_times(x, 2);
    }
    for (; e < 0; e++) {
        whole_times(x, 5);
    }
    return scale;
}

// Writes digits / 10^scale in one of three forms.
static void place_point(char *out, const char *digits, int scale, unsigned form)
{
    const int n = (int)strlen(digits);
    if (form == 0) {
        sprintf(out, "%se%d", digits, -scale);
    } else if (form == 1) {
        sprintf(out, "%.1s.%sE%+d", digits, digits + 1, n - 1 - scale);
    } else if (scale >= n) {
        sprintf(out, "0.%0*d%s", scale - n + 1, 0, digits);
        memmove(out + 2, out + 3, strlen(out + 3) + 1);     // one zero less
    } else if (scale > 0) {
        sprintf(out, "%.*s.%s", n - scale, digits, digits + n - scale);
    } else {
        sprintf(out, "%s%.*s", digits, -scale, "00000000000000000000000000");
    }
}

// Bits of a finite double >= 0: random ones, and those at the borders.
static uint64_t bits_at(long i)
{
    static const uint64_t borders[] = {
        0, 1, 2, 3, 0xffffffffffffeU, 0xfffffffffffffU, 0x10000000000000U,
        0x1fffffffffffffU, 0x20000000000000U, 0x3ff0000000000000U,
        0x3fefffffffffffffU, 0x7feffffffffffffeU, 0x7fefffffffffffffU,
        0x4340000000000000U, 0x433fffffffffffffU
    };
    const long n = sizeof(borders) / sizeof(borders[0]);
    return i < n ? borders[i] : any() % 0x7ff0000000000000U;
}

static uint64_t or_refused(uint64_t bits)
{
    return bits < 0x7ff0000000000000U ? bits : UINT64_MAX;
}

static void a_text_in_the_middle_of_two_doubles_reads_as_the_even_one(void)
{
    static char digits[1400], text[2800];
    static whole x;
    const long count = rounds(50);
    seed = 5;
    for (long i = 0; i < count; i++) {
        const uint64_t bits = bits_at(i);
        const int scale = middle(bits, &x);
        whole_write(&x, digits);
        for (unsigned form = 0; form < 3; form++) {
            place_point(text, digits, scale, form);
            const uint64_t want = or_refused(bits + (bits & 1));
            if (!CHECK(by_strtod(text) == want)) return;
            if (!check_text(text, want)) return;
        }
    }
}

static void one_digit_far_behind_the_middle_decides(void)
{
    static char digits[3400], text[4800];
    static whole x;
    const long count = rounds(50);
    seed = 6;
    for (long i = 0; i < count; i++) {
        const uint64_t bits = bits_at(i);
        const int far = 1 + (int)below(1900), scale = middle(bits, &x);
        size_t n = whole_write(&x, digits);
        n += (size_t)sprintf(digits + n, "%0*d", far, 1);   // zeros, then 1
        place_point(text, digits, scale + far, below(2));
        if (!CHECK(by_strtod(text) == or_refused(bits + 1))) return;
        if (!check_text(text, or_refused(bits + 1))) return;
        whole_less_one(&x);                                 // and then nines
        n = whole_write(&x, digits);
        memset(digits + n, '9', (size_t)far);
        digits[n + (size_t)far] = '\0';
        place_point(text, digits, scale + far, below(3));
        if (!CHECK(by_strtod(text) == bits)) return;
        if (!check_text(text, bits)) return;
    }
}

static void numbers_of_every_form_are_read(void)
{
    static const double_case cases[] = {
        { 0, "0" }, { -0.0, "-0" }, { 0, "0.000" }, { -0.0, "-0e99" },
        { 0, "0e-999999999999" }, { 1, "1" }, { 1, "1.000" }, { 1, " 1\n" },
        { -12.5, "-12.5" }, { 1500, "1.5e3" }, { 1500, "1.5E+3" },
        { 0.0015, "1.5e-3" }, { 100, "1e2" }, { 100, "1e0000000000000002" },
        { 9007199254740992.0, "9007199254740993" },
        { 9007199254740996.0, "9007199254740995" },
        { 9223372036854775808.0, "9223372036854775807" },
        { 0.1, "0.1" }, { 0.1, "0.1000000000000000055511151231257827" },
        { 2.2250738585072011e-308, "2.2250738585072011e-308" },
        { 2.2250738585072014e-308, "2.2250738585072012e-308" },
        { DBL_MAX, "1.7976931348623157e308" },
        { DBL_MAX, "1.797693134862315807e308" }, { 5e-324, "4.9e-324" },
        { 1e23, "1e23" }, { 8.5, "0.00085e4" }
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_text(cases[i].text, bits_of(cases[i].value));
    }
}

static void zeros_and_exponents_without_end_change_nothing(void)
{
    static char text[200000];
    memset(text, '0', sizeof(text));
    memcpy(text, "0.", 2);
    strcpy(text + 100000, "15e99999");                  // 0.000...15
    check_text(text, bits_of(1.5));
    strcpy(text + 100000, "15e100099");
    check_text(text, bits_of(1.5e100));
    strcpy(text + 100000, "15e-200");
    check_text(text, 0);
    strcpy(text + 100000, "15e400000");
    check_text(text, UINT64_MAX);
    memset(text, '0', sizeof(text));
    text[0] = '3';
    strcpy(text + 150000, "e-150000");                  // 3000...
    check_text(text, bits_of(0.3));
    strcpy(text + 150000, ".0000e-149999");
    check_text(text, bits_of(3));
    check_text("1e99999999999999999999", UINT64_MAX);
    check_text("1e4294967297", UINT64_MAX);
    check_text("1e18446744073709551617", UINT64_MAX);
    check_text("-1e-99999999999999999999", bits_of(-0.0));
    check_text("1e-4294967295", 0);
}

static void what_is_too_small_is_zero_with_its_sign(void)
{
    check_text("1e-324", 0);
    check_text("-1e-324", bits_of(-0.0));
    check_text("2.4703282292062327208e-324", 0);        // below the middle
    check_text("2.4703282292062327209e-324", 1);
    check_text("-2.4703282292062328e-324", bits_of(-0.0) + 1);
    check_text("0.9e-323", 2);
    check_text("1e-400", 0);
    check_text("-0.0e-400", bits_of(-0.0));
}

static void what_is_beyond_the_largest_double_is_refused(void)
{
    static const char *const beyond[] = {
        "1e309", "-1e309", "1.7976931348623159e308", "-1.7976931348623159e308",
        "9.9e308", "1e310", "123e307", "0.1e310", "1e400", "2e308"
    };
    for (size_t i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
        check_text(beyond[i], UINT64_MAX);
    }
    check_text("1.7976931348623158e308", bits_of(DBL_MAX));
}

static void to_double_refuses_what_is_no_number(void)
{
    static const char *const other[] = {
        "", " ", "-", "+1", "1.", ".5", "1e", "1e+", "01", "-01", "0x10", "NaN",
        "nan", "Infinity", "-Infinity", "inf", "1,5", "1 2", "1f", "1.5.2",
        "1e5e5", "1e5.0", "\"1\"", "null", "true", "false", "[1]", "{}", "--1",
        "1_000", "\xff", "1\xc2\xa0", "\"\xff\"", "[", "e5", "-e5"
    };
    double d = 3;
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
        check_text(other[i], UINT64_MAX);
    }
    CHECK_INT(ckpt_json_to_double(ckpt_text(NULL), &d), CKPT_ERR_JSON);
    CHECK(bits_of(d) == 0);
    // nothing behind the bytes is read
    CHECK_INT(ckpt_json_to_double(bytes("1.5e7", 4), &d), CKPT_ERR_JSON);
    CHECK_INT(ckpt_json_to_double(bytes("1.5e7", 3), &d), CKPT_OK);
    CHECK(bits_of(d) == bits_of(1.5));
    for (size_t n = 1; n < 9; n++) {
        char *exact = (char *)malloc(n);
        memcpy(exact, "12.5e+17", n);
        const bool whole_number = n != 3 && n != 5 && n != 6;
        CHECK_INT(ckpt_json_to_double(bytes(exact, n), &d),
                  whole_number ? CKPT_OK : CKPT_ERR_JSON);
        free(exact);
    }
}

static void a_number_above_512_mib_is_refused_unread(void)
{
    double d = 5;
    CHECK_INT(ckpt_json_to_double(bytes("1", (size_t)CKPT_SIZE_MAX + 1), &d),
              CKPT_ERR_TOO_LARGE);
    CHECK(bits_of(d) == 0);
}

static void a_locale_with_a_comma_changes_nothing(void)
{
    static const char *const names[] = {
        "de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8", "fr_FR",
        "es_ES.UTF-8", "it_IT.UTF-8", "nl_NL.UTF-8", "pt_BR.UTF-8",
        "ru_RU.UTF-8", "pl_PL.UTF-8", "sv_SE.UTF-8"
    };
    const char *found = NULL;
    char text[32];
    double d = 0;
    const size_t n = sizeof(names) / sizeof(names[0]);
    for (size_t i = 0; found == NULL && i < n; i++) {
        found = setlocale(LC_ALL, names[i]);
    }
    if (found == NULL) {
        TEST_SKIP("no locale with a comma here");
    }
    CHECK_STR(localeconv()->decimal_point, ",");
    CHECK_INT(write_double(-1234.5, text, sizeof(text)), CKPT_OK);
    CHECK_STR(text, "-1234.5");
    CHECK_INT(ckpt_json_to_double(ckpt_text("-1234.5"), &d), CKPT_OK);
    CHECK(bits_of(d) == bits_of(-1234.5));
    CHECK_INT(ckpt_json_to_double(ckpt_text("1,5"), &d), CKPT_ERR_JSON);
    setlocale(LC_ALL, "C");
}

//--- Bytes as base64 ----------------------------------------------------------

// Writes bytes into a buffer of exactly cap bytes, and gives that back.
static char *write_base64(ckpt_bytes in, size_t cap, ckpt_bytes *json,
                          ckpt_code *rc)
{
    char *buf = (char *)malloc(cap + (cap == 0));
    ckpt_json w;
    ckpt_json_init(&w, buf, cap);
    ckpt_json_base64(&w, in);
    *rc = ckpt_json_done(&w, json);
    return buf;
}

typedef struct base64_case {
    const char *plain, *json;
} base64_case;

static void base64_is_that_of_rfc_4648(void)
{
    static const base64_case cases[] = {        // section 10, and all digits
        { "", "\"\"" }, { "f", "\"Zg==\"" }, { "f\x6f", "\"Zm8=\"" },
        { "foo", "\"Zm9v\"" }, { "foob", "\"Zm9vYg==\"" },
        { "fooba", "\"Zm9vYmE=\"" }, { "foobar", "\"Zm9vYmFy\"" },
        { "\xfb\xff\xbf", "\"+/+/\"" }, { NULL, "\"\"" },
        { "\x04\x20\xc4\x14\x61\xc8\xa2\x48", "\"BCDEFGHIokg=\"" }
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const ckpt_bytes plain = ckpt_text(cases[i].plain);
        ckpt_bytes json;
        ckpt_code rc;
        char back[16];
        size_t len = 99;
        char *buf = write_base64(plain, strlen(cases[i].json), &json, &rc);
        CHECK_INT(rc, CKPT_OK);
        CHECK_INT(json.len, strlen(cases[i].json));
        CHECK(rc == CKPT_OK && memcmp(json.ptr, cases[i].json, json.len) == 0);
        CHECK_INT(ckpt_json_bytes(ckpt_text(cases[i].json), back, plain.len,
                                  &len), CKPT_OK);
        CHECK_INT(len, plain.len);
        CHECK(len == 0 || memcmp(back, plain.ptr, len) == 0);
        free(buf);
    }
}

static void bytes_of_every_length_come_back(void)
{
    uint8_t in[300], out[301];
    seed = 64;
    for (size_t n = 0; n <= sizeof(in); n++) {
        ckpt_bytes json;
        ckpt_code rc;
        size_t len = 0;
        for (size_t i = 0; i < n; i++) {
            in[i] = (uint8_t)any();
        }
        const size_t need = (n + 2) / 3 * 4 + 2;
        free(write_base64(bytes(in, n), need - 1, &json, &rc));
        CHECK_INT(rc, CKPT_ERR_BUFFER);
        char *buf = write_base64(bytes(in, n), need, &json, &rc);
        CHECK_INT(rc, CKPT_OK);
        CHECK_INT(json.len, need);
        memset(out, 0xee, sizeof(out));
        CHECK_INT(ckpt_json_bytes(json, out, sizeof(out), &len), CKPT_OK);
        CHECK_INT(len, n);
        CHECK(memcmp(in, out, n) == 0 && out[n] == 0xee);
        free(buf);
    }
}

static void base64_escaped_by_other_writers_is_read(void)
{
    static const char *const same[] = {         // bytes FB FF BF
        "\"+/+/\"", "\"+\\/+\\/\"", "\"\\u002B/\\u002b\\u002F\"", " \"+/+/\"\n"
    };
    static const char *const wrong[] = {
        "\"+\\n+/\"", "\"+\\u00ab+/\"", "\"+\\ud800+/\"", "\"+\\u0000+/\"",
        "\"+\\u012b+/\"", "\"+\\\\+/\"", "\"Zg\\u003D\\n\"", "\"+/+\\/",
        "\"+/+\\",
        "\"+/+\\u002\"", "\"+/+\\u\"", "\"+/+\\\""
    };
    uint8_t out[8];
    size_t len;
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        len = 0;
        CHECK_INT(ckpt_json_bytes(ckpt_text(same[i]), out, 3, &len), CKPT_OK);
        CHECK(len == 3 && memcmp(out, "\xfb\xff\xbf", 3) == 0);
    }
    CHECK_INT(ckpt_json_bytes(ckpt_text("\"Zg\\u003D=\""), out, 1, NULL),
              CKPT_OK);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        len = strlen(wrong[i]);
        char *exact = (char *)malloc(len);
        memcpy(exact, wrong[i], len);
        if (!CHECK_INT(ckpt_json_bytes(bytes(exact, len), out, sizeof(out),
                                       &len), CKPT_ERR_JSON)) {
            printf("    %s\n", wrong[i]);
        }
        CHECK_INT(len, 0);
        free(exact);
    }
}

static void what_is_not_base64_by_the_letter_is_refused(void)
{
    static const char *const bad[] = {
        "\"Z\"", "\"Zg\"", "\"Zg=\"", "\"Zg===\"", "\"Z===\"", "\"=\"",
        "\"==\"", "\"===\"", "\"====\"", "\"Zm8\"", "\"Zm8==\"", "\"Zm9v=\"",
        "\"Zm9v====\"", "\"Zg==Zg==\"", "\"Zg=v\"", "\"Zg=A\"", "\"=AAA\"",
        "\"Z=g=\"", "\"Zm9vY\"",
        "\"Zh==\"", "\"Zv==\"", "\"Zm9=\"", "\"Zm+=\"",         // bits left
        "\"Zm 9v\"", "\"Zm9v \"", "\" Zm9v\"", "\"Zm\n9v\"", "\"Zm9-\"",
        "\"Zm9_\"", "\"Zm9.\"", "\"Zm9\xc3\"", "\"Zm\"9v\"", "", "\"",
        "Zm9v", "null", "1", "[\"Zm9v\"]", "{}", "\"Zm9v", "\"Zm9vY", "Zm9v\"",
        "'Zm9v'",
        "\"\\u00", "\"\\u002\"", "\"Zg=\\u003g\"", "\"Zg\\u+03D=\"",
        "\"Zg\\x=\""
    };
    uint8_t out[16];
    size_t len = 5;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (!CHECK_INT(ckpt_json_bytes(ckpt_text(bad[i]), out, sizeof(out),
                                       &len), CKPT_ERR_JSON)) {
            printf("    %s\n", bad[i]);
        }
        CHECK_INT(len, 0);
    }
    CHECK_INT(ckpt_json_bytes(ckpt_text(NULL), out, sizeof(out), &len),
              CKPT_ERR_JSON);
    for (int c = 0; c < 256; c++) {             // each byte as a digit
        char text[] = "\"AAA?\"";
        text[4] = (char)c;
        const bool digit = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                           (c >= 'a' && c <= 'z') || c == '+' || c == '/' ||
                           c == '=';
        CHECK_INT(ckpt_json_bytes(bytes(text, 6), out, sizeof(out), &len),
                  digit ? CKPT_OK : CKPT_ERR_JSON);
    }
}

// "CKPT_ERR_BUFFER with *len set, if that is above cap"
static void bytes_need_their_room(void)
{
    const ckpt_bytes json = ckpt_text("\"Zm9vYmE=\"");
    for (size_t cap = 0; cap < 8; cap++) {
        char *out = (char *)malloc(cap + (cap == 0));
        size_t len = 0;
        CHECK_INT(ckpt_json_bytes(json, out, cap, &len),
                  cap < 5 ? CKPT_ERR_BUFFER : CKPT_OK);
        CHECK_INT(len, 5);
        CHECK(cap < 5 || memcmp(out, "fooba", 5) == 0);
        free(out);
    }
    CHECK_INT(ckpt_json_bytes(json, NULL, 0, NULL), CKPT_ERR_BUFFER);
    CHECK_INT(ckpt_json_bytes(ckpt_text("\"\""), NULL, 0, NULL), CKPT_OK);
}

//--- Clean UTF-8 --------------------------------------------------------------

#define FFFD "\xef\xbf\xbd"

static void clean_text_is_kept_and_other_bytes_are_replaced(void)
{
    static const base64_case cases[] = {
        { "", "" }, { NULL, "" }, { "plain \"text\"\n\t\\", "plain \"text\"\n"
          "\t\\" }, { "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
          "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
        { "\xff", FFFD }, { "a\x80z", "a" FFFD "z" }, { "\xc0\x80", FFFD FFFD },
        { "\xed\xa0\x80", FFFD FFFD FFFD }, { "\xe2\x82", FFFD FFFD },
        { "\xe2\x82" "a", FFFD FFFD "a" }, { "\xf4\x90\x80\x80",
          FFFD FFFD FFFD FFFD }, { "\xc3\xc3\xa9", FFFD "\xc3\xa9" },
        { "\xef\xbf\xbd", FFFD }
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[64];
        size_t len = 99;
        CHECK_INT(ckpt_utf8_clean(ckpt_text(cases[i].plain), out, sizeof(out),
                                  &len), CKPT_OK);
        CHECK_STR(out, cases[i].json);
        CHECK_INT(len, strlen(cases[i].json));
    }
    char out[8];
    size_t len = 0;
    CHECK_INT(ckpt_utf8_clean(bytes("a\0\xff", 3), out, 6, &len), CKPT_OK);
    CHECK(len == 5 && memcmp(out, "a\0" FFFD, 6) == 0);
}

static void clean_text_is_what_the_writer_makes_of_it(void)
{
    seed = 8;
    for (int i = 0; i < 20000; i++) {
        static const char pieces[] =
            "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xff";
        char in[24], out[3 * sizeof(in) + 1], of_raw[512], of_clean[512];
        const size_t n = below(sizeof(in));
        size_t len;
        ckpt_json w;
        ckpt_bytes raw, clean;
        for (size_t k = 0; k < n; k++) {
            in[k] = below(3) > 0 ? pieces[below(sizeof(pieces))] : (char)any();
        }
        CHECK_INT(ckpt_utf8_clean(bytes(in, n), out, 3 * n + 1, &len), CKPT_OK);
        CHECK(len <= 3 * n && out[len] == '\0');
        ckpt_json_init(&w, of_raw, sizeof(of_raw));
        w.replace = true;
        ckpt_json_string(&w, bytes(in, n));
        CHECK_INT(ckpt_json_done(&w, &raw), CKPT_OK);
        ckpt_json_init(&w, of_clean, sizeof(of_clean));
        ckpt_json_string(&w, bytes(out, len));
        CHECK_INT(ckpt_json_done(&w, &clean), CKPT_OK);
        CHECK(raw.len == clean.len && memcmp(of_raw, of_clean, raw.len) == 0);
    }
}

static void json_with_wrong_bytes_is_valid_once_it_is_clean(void)
{
    const ckpt_bytes json = ckpt_text("{\"out\":\"\xe9t\xe9 \xc3\xa9\"}");
    char out[64];
    size_t len = 0;
    CHECK_INT(ckpt_json_check(json, NULL), CKPT_ERR_UTF8);
    CHECK_INT(ckpt_utf8_clean(json, out, sizeof(out), &len), CKPT_OK);
    CHECK_INT(ckpt_json_check(bytes(out, len), NULL), CKPT_OK);
    CHECK_STR(out, "{\"out\":\"" FFFD "t" FFFD " \xc3\xa9\"}");
}

static void clean_says_what_it_needs_at_every_size(void)
{
    static const char in[] = "a\xff\xc3\xa9" "b\x80";
    static const char want[] = "a" FFFD "\xc3\xa9" "b" FFFD;
    for (size_t cap = 0; cap < sizeof(want) + 2; cap++) {
        char *out = (char *)malloc(cap + (cap == 0));
        size_t len = 0;
        out[0] = 'x';
        const ckpt_code rc = ckpt_utf8_clean(ckpt_text(in), out, cap, &len);
        CHECK_INT(len, sizeof(want) - 1);
        CHECK_INT(rc, cap < sizeof(want) ? CKPT_ERR_BUFFER : CKPT_OK);
        if (rc == CKPT_OK) {
            CHECK_STR(out, want);
        } else {
            CHECK(out[0] == (cap > 0 ? '\0' : 'x'));
        }
        free(out);
    }
    CHECK_INT(ckpt_utf8_clean(ckpt_text(""), NULL, 0, NULL), CKPT_ERR_BUFFER);
}

static void clean_refuses_to_write_over_what_it_reads(void)
{
    char both[16] = "ab\xff" "cdefg";
    size_t len;
    for (size_t at = 0; at < 8; at++) {
        CHECK_INT(ckpt_utf8_clean(bytes(both, 8), both + at, 8, &len),
                  CKPT_ERR_ARGUMENT);
        CHECK_INT(ckpt_utf8_clean(bytes(both + at, 8), both, 8, &len),
                  CKPT_ERR_ARGUMENT);
    }
    CHECK(memcmp(both, "ab\xff" "cdefg", 9) == 0);
    CHECK_INT(ckpt_utf8_clean(bytes(both, 3), both + 3, 13, &len), CKPT_OK);
    CHECK_STR(both + 3, "ab" FFFD);
}
