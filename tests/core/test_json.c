// SPDX-License-Identifier: MIT-0
// The JSON writer, reader and validator: what RFC 8259 and RFC 3629 say, and
// what the header says beyond them.
#include "ckpt.h"
#include "test.h"

#include <stdlib.h>

#define LIST(X)                                                                \
    X(what_rfc_8259_allows_is_accepted)                                        \
    X(what_rfc_8259_forbids_is_refused_at_its_position)                        \
    X(every_single_byte_is_a_value_only_if_it_is_a_digit)                      \
    X(every_proper_prefix_of_an_object_is_refused)                             \
    X(each_flipped_byte_of_a_text_never_crashes_the_reader)                    \
    X(nesting_is_allowed_up_to_the_limit_and_not_beyond)                       \
    X(a_hundred_thousand_brackets_are_refused_at_the_limit)                    \
    X(utf8_is_accepted_at_the_edges_of_rfc_3629)                               \
    X(what_is_no_utf8_is_refused_at_the_wrong_byte)                            \
    X(absent_bytes_are_no_json)                                                \
    X(four_gigabytes_are_refused_and_not_walked_for_ever)                      \
    X(next_walks_members_with_their_raw_names)                                 \
    X(next_walks_elements_and_ends)                                            \
    X(next_ends_at_once_in_empty_containers)                                   \
    X(get_finds_a_member_by_its_unescaped_name)                                \
    X(get_gives_the_first_of_several)                                          \
    X(get_gives_absent_bytes_for_what_is_not_there)                            \
    X(get_tells_a_name_with_a_nul_from_one_without)                            \
    X(text_unescapes)                                                          \
    X(text_needs_room_for_the_text_and_its_end)                                \
    X(text_refuses_a_lone_surrogate)                                           \
    X(a_text_that_ends_in_an_escape_is_cut_before_it)                          \
    X(a_walk_ends_where_the_text_is_cut_off)                                   \
    X(text_refuses_what_is_no_string)                                          \
    X(text_takes_a_string_with_white_space_around_it)                          \
    X(number_reads_all_64_bits_and_not_one_more)                               \
    X(number_refuses_what_is_no_integer)                                       \
    X(number_refuses_leading_zeros)                                            \
    X(the_writer_writes_what_the_header_shows)                                 \
    X(the_writer_escapes_every_character)                                      \
    X(what_the_writer_writes_reads_back)                                       \
    X(integers_are_written_exactly)                                            \
    X(raw_json_is_kept_and_validated)                                          \
    X(the_writer_says_how_much_it_needs_at_every_size)                         \
    X(the_writer_refuses_calls_that_make_no_value)                             \
    X(the_writer_refuses_nesting_beyond_the_limit)                             \
    X(raw_json_counts_towards_the_depth_of_what_is_written)                    \
    X(the_writer_refuses_bytes_that_are_no_utf8)                               \
    X(the_writer_replaces_bytes_that_are_no_utf8_if_asked)                     \
    X(the_first_error_of_the_writer_stays)                                     \
    X(a_text_that_does_not_fit_is_not_written)
TEST_SUITE(json, LIST)

static ckpt_bytes bytes(const void *ptr, size_t len)
{
    ckpt_bytes b;
    b.ptr = ptr;
    b.len = len;
    return b;
}

// Checks a copy of exactly that length, so that a byte read behind it shows.
static ckpt_code check_copy(const void *text, size_t len, size_t *pos)
{
    char *copy = (char *)malloc(len + 1);
    if (copy == NULL) {
        return CKPT_ERR_RESOURCE;
    }
    char *exact = (char *)realloc(copy, len > 0 ? len : 1);
    copy = exact != NULL ? exact : copy;
    memcpy(copy, text, len);
    const ckpt_code rc = ckpt_json_check(bytes(copy, len), pos);
    free(copy);
    return rc;
}

static bool same(ckpt_bytes b, const char *text)
{
    return b.ptr != NULL && b.len == strlen(text) &&
           memcmp(b.ptr, text, b.len) == 0;
}

//--- The validator ------------------------------------------------------------

// S06, S57 (RFC 8259 itself: any value; that a state is an object is tested
// where states are)
static void what_rfc_8259_allows_is_accepted(void)
{
    static const char *const good[] = {
        "{}", "[]", "0", "-0", "1", "12", "-1", "1.5", "0.0", "1e1", "1E+2",
        "1e-2", "-0.1e-9", "123456789012345678901234567890", "1e400",
        "true", "false", "null", "\"\"", "\"a\"", "\" \"", " 1", "1 ",
        "\t\r\n 1\t\r\n ", "[1]", "[1,2]", "[ 1 , 2 ]", "[[]]", "[[],[]]",
        "[{}]", "{\"a\":1}", "{ \"a\" : 1 }", "{\"a\":1,\"b\":2}",
        "{\"\":0}", "{\"a\":1,\"a\":2}", "{\"a\":{\"b\":[1,{\"c\":null}]}}",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\u0000\"", "\"\\u00e9\"",
        "\"\\uD83D\\uDE00\"", "\"\\uABcd\"", "\"\\ud800\"", "\"\\udc00\"",
        "\"\\udc00\\ud800\"", "\"\x7f\"", "\"\xc3\xa9\"",
        "\"\xe2\x82\xac\"", "\"\xf0\x9f\x98\x80\"", "[\"\",0,null,[],{}]",
        "[1\n]", "[\n]", "{\n}", "[true,false,null]", "\"\xef\xbb\xbf\"",
        "{\"\\u0061\":1}", "[0e0]", "[-0e+0]", "[20e1]", "[1.000]"
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        size_t pos = 99;
        if (!CHECK_INT(check_copy(good[i], strlen(good[i]), &pos), CKPT_OK)) {
            printf("    %s at %zu\n", good[i], pos);
        }
        CHECK_INT(pos, 0);
    }
}

typedef struct bad_case {
    const char *text;
    size_t      pos;
} bad_case;

// S06: "garbage rejected", with the position
static void what_rfc_8259_forbids_is_refused_at_its_position(void)
{
    static const bad_case bad[] = {
        { "", 0 }, { " ", 1 }, { "a", 0 }, { "nul", 3 }, { "nulL", 3 },
        { "True", 0 }, { "tru e", 3 }, { "falsy", 4 }, { "NaN", 0 },
        { "Infinity", 0 }, { "-Infinity", 1 }, { "-", 1 }, { "+1", 0 },
        { ".5", 0 }, { "1.", 2 }, { "1.e1", 2 }, { "1e", 2 }, { "1e+", 3 },
        { "01", 1 }, { "-01", 2 }, { "00", 1 }, { "0x10", 1 }, { "1_0", 1 },
        { "1 2", 2 }, { "1,", 1 }, { "[", 1 }, { "]", 0 }, { "[1", 2 },
        { "[1,", 3 }, { "[1,]", 3 }, { "[,1]", 1 }, { "[,]", 1 },
        { "[1 2]", 3 }, { "[1,,2]", 3 }, { "[1}", 2 }, { "[1]]", 3 },
        { "[1],", 3 }, { "{", 1 }, { "}", 0 }, { "{]", 1 }, { "{1:1}", 1 },
        { "{a:1}", 1 }, { "{'a':1}", 1 }, { "{\"a\"}", 4 },
        { "{\"a\":}", 5 }, { "{\"a\":1", 6 }, { "{\"a\":1,}", 7 },
        { "{\"a\":1,,\"b\":2}", 7 }, { "{\"a\" 1}", 5 }, { "{,}", 1 },
        { "{\"a\":1 \"b\":2}", 7 }, { "{\"a\":1]", 6 }, { "{\"a\":1}x", 7 },
        { "{\"a\"::1}", 5 }, { "\"", 1 }, { "\"a", 2 }, { "\"\\", 2 },
        { "\"\\\"", 3 }, { "\"\\x\"", 2 }, { "\"\\u\"", 3 },
        { "\"\\u12\"", 5 }, { "\"\\u123g\"", 6 }, { "\"\\uD83D\\u\"", 9 },
        { "\"\n\"", 1 }, { "\"\t\"", 1 }, { "\"a\x1f\"", 2 },
        { "'a'", 0 }, { "// c\n1", 0 }, { "1 // c", 2 }, { "/* */ 1", 0 },
        { "[1]/**/", 3 }, { "\xef\xbb\xbf{}", 0 }, { "\xc2\xa0" "1", 0 },
        { "\v1", 0 }, { "\f1", 0 }, { "[\v]", 1 }, { "[\"a\",\n4\n,1,", 11 },
        { "\"\\U0041\"", 2 }, { "[1e1.0]", 4 }, { "[-]", 2 }, { "--1", 1 },
        { "[\"x\"\"y\"]", 4 }, { "undefined", 0 }, { "{\"a\":1}{}", 7 }
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        size_t pos = 99;
        const bool code = CHECK_INT(check_copy(bad[i].text,
                                               strlen(bad[i].text), &pos),
                                    CKPT_ERR_JSON);
        if (!CHECK_INT(pos, bad[i].pos) || !code) {
            printf("    %s\n", bad[i].text);
        }
    }
}

// S06
static void every_single_byte_is_a_value_only_if_it_is_a_digit(void)
{
    for (int c = 0; c < 256; c++) {
        const char one = (char)c;
        const bool digit = c >= '0' && c <= '9';
        CHECK_INT(check_copy(&one, 1, NULL), digit ? CKPT_OK : CKPT_ERR_JSON);
    }
    CHECK_INT(check_copy("1\0", 2, NULL), CKPT_ERR_JSON);
    CHECK_INT(check_copy("\"\0\"", 3, NULL), CKPT_ERR_JSON);
}

static const char sample[] =
    "{\"a\":[1,-2.5e3,true,false,null,\"x\\n\\u00e9\xc3\xa9\"],\"b\":{}}";

// S06
static void every_proper_prefix_of_an_object_is_refused(void)
{
    for (size_t n = 0; n < sizeof(sample) - 1; n++) {
        size_t pos = 0;
        CHECK_INT(check_copy(sample, n, &pos), CKPT_ERR_JSON);
        CHECK_INT(pos, n);
    }
    CHECK_INT(check_copy(sample, sizeof(sample) - 1, NULL), CKPT_OK);
}

// S06
static void each_flipped_byte_of_a_text_never_crashes_the_reader(void)
{
    char copy[sizeof(sample)];
    unsigned refused = 0;
    for (size_t i = 0; i < sizeof(sample) - 1; i++) {
        for (int c = 0; c < 256; c++) {
            memcpy(copy, sample, sizeof(sample));
            copy[i] = (char)c;
            size_t pos = 0;
            const ckpt_code rc = check_copy(copy, sizeof(sample) - 1, &pos);
            refused += rc != CKPT_OK;
            CHECK(pos <= sizeof(sample) - 1);
            CHECK(rc == CKPT_OK || rc == CKPT_ERR_JSON || rc == CKPT_ERR_UTF8);
        }
    }
    CHECK(refused > 1000);
}

// S06; the depth limit is ours
static void nesting_is_allowed_up_to_the_limit_and_not_beyond(void)
{
    char text[2 * CKPT_DEPTH_MAX + 8];
    for (size_t depth = 1; depth <= CKPT_DEPTH_MAX + 1; depth++) {
        size_t pos = 0;
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        const ckpt_code rc = check_copy(text, 2 * depth, &pos);
        if (depth <= CKPT_DEPTH_MAX) {
            CHECK_INT(rc, CKPT_OK);
        } else {
            CHECK_INT(rc, CKPT_ERR_DEPTH);
            CHECK_INT(pos, CKPT_DEPTH_MAX);
        }
    }
    // breadth is not depth
    memset(text, 0, sizeof(text));
    for (size_t i = 0; i < 60; i++) {
        memcpy(text + 3 * i, i == 0 ? "[[]" : ",[]", 3);
    }
    text[180] = ']';
    CHECK_INT(check_copy(text, 181, NULL), CKPT_OK);
}

// "nested 100,000 deep" (issue 2)
static void a_hundred_thousand_brackets_are_refused_at_the_limit(void)
{
    static char deep[100000];
    size_t pos = 0;
    memset(deep, '[', sizeof(deep));
    CHECK_INT(ckpt_json_check(bytes(deep, sizeof(deep)), &pos),
              CKPT_ERR_DEPTH);
    CHECK_INT(pos, CKPT_DEPTH_MAX);
    for (size_t i = 0; i + 5 <= sizeof(deep); i += 5) {
        memcpy(deep + i, "{\"\":[", 5);
    }
    CHECK_INT(ckpt_json_check(bytes(deep, sizeof(deep)), &pos),
              CKPT_ERR_DEPTH);
    CHECK_INT(pos, CKPT_DEPTH_MAX / 2 * 5);
}

// RFC 3629 section 4
static void utf8_is_accepted_at_the_edges_of_rfc_3629(void)
{
    static const char *const good[] = {
        "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xe0\xbf\xbf",
        "\xe1\x80\x80", "\xec\xbf\xbf", "\xed\x80\x80", "\xed\x9f\xbf",
        "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80",
        "\xf0\xbf\xbf\xbf", "\xf3\xbf\xbf\xbf", "\xf4\x80\x80\x80",
        "\xf4\x8f\xbf\xbf"
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        char text[16];
        const int n = snprintf(text, sizeof(text), "\"%s\"", good[i]);
        CHECK_INT(check_copy(text, (size_t)n, NULL), CKPT_OK);
    }
}

typedef struct utf8_case {
    const char *text;           // between two quotes
    size_t      pos;            // of the wrong byte, in it
} utf8_case;

// "bytes that are no UTF-8 are refused with their position"
static void what_is_no_utf8_is_refused_at_the_wrong_byte(void)
{
    static const utf8_case bad[] = {
        { "\x80", 0 }, { "\xbf", 0 }, { "a\x80", 1 },           // lone
        { "\xc0\x80", 0 }, { "\xc1\xbf", 0 },                   // overlong
        { "\xe0\x80\x80", 1 }, { "\xe0\x9f\xbf", 1 },
        { "\xf0\x80\x80\x80", 1 }, { "\xf0\x8f\xbf\xbf", 1 },
        { "\xed\xa0\x80", 1 }, { "\xed\xbf\xbf", 1 },           // surrogates
        { "\xf4\x90\x80\x80", 1 }, { "\xf5\x80\x80\x80", 0 },   // > 10FFFF
        { "\xf7\xbf\xbf\xbf", 0 }, { "\xf8\x88\x80\x80\x80", 0 },
        { "\xfe", 0 }, { "\xff", 0 },
        { "\xc3", 1 }, { "\xe2\x82", 2 }, { "\xf0\x9f\x98", 3 },    // cut
        { "\xe2", 1 }, { "\xf0", 1 }, { "\xc3" "a", 1 },
        { "\xe2\x82" "a", 2 }, { "\xe2" "a\xac", 1 },
        { "\xf0\x9f\x98" "a", 3 }, { "\xc3\xc3\xa9", 1 },
        { "ok\xc3\xa9\xff", 4 }, { "\\n\xff", 2 }, { "\\\xff", 1 }
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[32];
        size_t pos = 0;
        const int n = snprintf(text, sizeof(text), "[\"%s\"]", bad[i].text);
        const ckpt_code rc = check_copy(text, (size_t)n, &pos);
        // an escape of what is no ASCII is a wrong escape first of all
        CHECK_INT(rc, bad[i].text[0] == '\\' && bad[i].text[1] != 'n' ?
                  CKPT_ERR_JSON : CKPT_ERR_UTF8);
        CHECK_INT(pos, bad[i].pos + 2);
    }
    // outside of strings it is no JSON, whatever it is
    CHECK_INT(check_copy("[\xff]", 3, NULL), CKPT_ERR_JSON);
    // cut off by the end of the text and not by a quote
    CHECK_INT(check_copy("\"\xe2\x82", 3, NULL), CKPT_ERR_JSON);
}

// "NULL stands for absent"
// Attack: positions of 32 bits came back to where they had been.
static void four_gigabytes_are_refused_and_not_walked_for_ever(void)
{
    static const char text[] = "[1,2]";
    ckpt_bytes json = { text, 0 }, value;
    size_t at = 0, pos = 9;
    if (SIZE_MAX <= UINT32_MAX) {
        TEST_SKIP("no size of 4 GiB here");
    }
    json.len = (size_t)((uint64_t)1 << 32);     // of which nothing is read
    CHECK(!ckpt_json_next(json, &at, NULL, &value));
    CHECK_INT(ckpt_json_check(json, &pos), CKPT_ERR_TOO_LARGE);
    CHECK_INT(pos, 0);
}

static void absent_bytes_are_no_json(void)
{
    size_t at = 0, len = 7;
    int64_t number = 5;
    char buf[4];
    ckpt_bytes key, value;
    const ckpt_bytes absent = ckpt_text(NULL);
    CHECK(absent.ptr == NULL && absent.len == 0);
    CHECK_INT(ckpt_json_check(absent, NULL), CKPT_ERR_JSON);
    CHECK(ckpt_json_get(absent, "a").ptr == NULL);
    CHECK(!ckpt_json_next(absent, &at, &key, &value));
    CHECK_INT(ckpt_json_text(absent, buf, sizeof(buf), &len), CKPT_ERR_JSON);
    CHECK_INT(len, 0);
    CHECK_INT(ckpt_json_number(absent, &number), CKPT_ERR_JSON);
    CHECK_INT(number, 0);
}

//--- The reader ---------------------------------------------------------------

// "*key gets the raw text between the quotes"
static void next_walks_members_with_their_raw_names(void)
{
    const ckpt_bytes json = ckpt_text(
        " { \"a\" : 1 , \"b\\n\" : [ 2 , 3 ] ,\"\":\"x,}\"} ");
    ckpt_bytes key, value;
    size_t at = 0;
    CHECK(ckpt_json_next(json, &at, &key, &value));
    CHECK(same(key, "a") && same(value, "1"));
    CHECK(ckpt_json_next(json, &at, &key, &value));
    CHECK(same(key, "b\\n") && same(value, "[ 2 , 3 ]"));
    CHECK(ckpt_json_next(json, &at, NULL, &value));
    CHECK(same(value, "\"x,}\""));
    CHECK(!ckpt_json_next(json, &at, &key, &value));
    CHECK(!ckpt_json_next(json, &at, &key, &value));
}

// "False after the last"
static void next_walks_elements_and_ends(void)
{
    const ckpt_bytes json = ckpt_text("[1, {\"a\":[]} ,\n\"]\",null]");
    static const char *const elements[] = { "1", "{\"a\":[]}", "\"]\"",
                                            "null" };
    ckpt_bytes value;
    size_t at = 0, n = 0;
    while (n < 4 && ckpt_json_next(json, &at, NULL, &value)) {
        CHECK(same(value, elements[n++]));
    }
    CHECK_INT(n, 4);
    CHECK(!ckpt_json_next(json, &at, NULL, &value));
}

static void next_ends_at_once_in_empty_containers(void)
{
    static const char *const empty[] = { "[]", "{}", " [ ] ", "{\n}" };
    for (size_t i = 0; i < 4; i++) {
        ckpt_bytes key, value;
        size_t at = 0;
        CHECK(!ckpt_json_next(ckpt_text(empty[i]), &at, &key, &value));
        CHECK(!ckpt_json_next(ckpt_text(empty[i]), &at, &key, &value));
    }
}

// "The value of a member of a valid object, by its unescaped name"
static void get_finds_a_member_by_its_unescaped_name(void)
{
    const ckpt_bytes json = ckpt_text(
        "{\"ab\":1,\"a\":2,\"\\u0063\\n\":3,\"\\ud83d\\ude00\":4,\"\":5,"
        "\"a/\\/\":6}");
    CHECK(same(ckpt_json_get(json, "ab"), "1"));
    CHECK(same(ckpt_json_get(json, "a"), "2"));
    CHECK(same(ckpt_json_get(json, "c\n"), "3"));
    CHECK(same(ckpt_json_get(json, "\xf0\x9f\x98\x80"), "4"));
    CHECK(same(ckpt_json_get(json, ""), "5"));
    CHECK(same(ckpt_json_get(json, "a//"), "6"));
}

static void get_gives_the_first_of_several(void)
{
    CHECK(same(ckpt_json_get(ckpt_text("{\"a\":1,\"a\":2}"), "a"), "1"));
    CHECK(same(ckpt_json_get(ckpt_text("{\"\\u0061\":1,\"a\":2}"), "a"), "1"));
}

static void get_gives_absent_bytes_for_what_is_not_there(void)
{
    CHECK(ckpt_json_get(ckpt_text("{\"a\":1}"), "b").ptr == NULL);
    CHECK(ckpt_json_get(ckpt_text("{\"a\":1}"), "").ptr == NULL);
    CHECK(ckpt_json_get(ckpt_text("{\"a\":1}"), "ab").ptr == NULL);
    CHECK(ckpt_json_get(ckpt_text("{\"ab\":1}"), "a").ptr == NULL);
    CHECK(ckpt_json_get(ckpt_text("{\"a\":{\"b\":1}}"), "b").ptr == NULL);
    CHECK(ckpt_json_get(ckpt_text("[\"a\",1]"), "a").ptr == NULL);
    CHECK(ckpt_json_get(ckpt_text("\"a\""), "a").ptr == NULL);
}

// A name of a C string holds no NUL, so a member with one has another name;
// and the comparison must not run over the end of the C string.
static void get_tells_a_name_with_a_nul_from_one_without(void)
{
    static const char name[] = "a\0b";
    static const char empty[] = "\0";
    CHECK(ckpt_json_get(ckpt_text("{\"a\\u0000b\":1}"), name).ptr == NULL);
    CHECK(ckpt_json_get(ckpt_text("{\"a\\u0000\":1}"), name).ptr == NULL);
    CHECK(ckpt_json_get(ckpt_text("{\"\\u0000\":1}"), empty).ptr == NULL);
}

static void text_unescapes(void)
{
    char buf[64];
    size_t len = 0;
    CHECK_INT(ckpt_json_text(ckpt_text("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), buf,
                             sizeof(buf), &len), CKPT_OK);
    CHECK_STR(buf, "\"\\/\b\f\n\r\t");
    CHECK_INT(len, 8);
    CHECK_INT(ckpt_json_text(ckpt_text("\"\\u0041\\u00e9\\u20AC\\ud83d\\ude00"
                                       "\""), buf, sizeof(buf), &len), CKPT_OK);
    CHECK_STR(buf, "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    CHECK_INT(len, 10);
    CHECK_INT(ckpt_json_text(ckpt_text("\"a\\u0000b\""), buf, sizeof(buf),
                             &len), CKPT_OK);
    CHECK_INT(len, 3);
    CHECK(memcmp(buf, "a\0b", 4) == 0);
    CHECK_INT(ckpt_json_text(ckpt_text("\"\""), buf, sizeof(buf), NULL),
              CKPT_OK);
    CHECK_STR(buf, "");
    CHECK_INT(ckpt_json_text(ckpt_text("\"\\uDBFF\\uDFFF\\ud7ff\\ue000\""), buf,
                             sizeof(buf), NULL), CKPT_OK);
    CHECK_STR(buf, "\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80");
}

// "CKPT_ERR_BUFFER with *len set to what it has", at every size
static void text_needs_room_for_the_text_and_its_end(void)
{
    const ckpt_bytes json = ckpt_text("\"ab\\u20acc\\n\"");
    for (size_t cap = 0; cap <= 9; cap++) {
        char *buf = (char *)malloc(cap > 0 ? cap : 1);
        size_t len = 0;
        const ckpt_code rc = ckpt_json_text(json, buf, cap, &len);
        CHECK_INT(len, 7);
        CHECK_INT(rc, cap > 7 ? CKPT_OK : CKPT_ERR_BUFFER);
        if (rc == CKPT_OK) {
            CHECK_STR(buf, "ab\xe2\x82\xac" "c\n");
        }
        free(buf);
    }
    CHECK_INT(ckpt_json_text(json, NULL, 0, NULL), CKPT_ERR_BUFFER);
}

static void text_refuses_a_lone_surrogate(void)
{
    static const char *const lone[] = {
        "\"\\ud800\"", "\"\\udfff\"", "\"\\ud800x\"", "\"\\ud800\\n\"",
        "\"\\ud800\\u0041\"", "\"\\ud800\\ud800\\udc00\"",
        "\"\\udc00\\ud800\"", "\"\\ud83d\\\\ude00\"", "\"\\ud800\\ue000\""
    };
    char buf[32];
    for (size_t i = 0; i < sizeof(lone) / sizeof(lone[0]); i++) {
        CHECK_INT(ckpt_json_check(ckpt_text(lone[i]), NULL), CKPT_OK);
        CHECK_INT(ckpt_json_text(ckpt_text(lone[i]), buf, sizeof(buf), NULL),
                  CKPT_ERR_UTF8);
    }
}

// Not a byte behind the text is looked at.
static void a_text_that_ends_in_an_escape_is_cut_before_it(void)
{
    static const char *const text = "\"a\\u0041\"42\"";
    size_t len;
    char buf[32];
    for (size_t n = 4; n <= 8; n++) {           // "a\, "a\u, ... "a\u004
        ckpt_bytes cut = { text, n };
        CHECK_INT(ckpt_json_text(cut, buf, sizeof(buf), &len), CKPT_OK);
        CHECK_STR(buf, "a");
        CHECK_INT(len, 1);
    }
    ckpt_bytes whole = { text, 9 };
    CHECK_INT(ckpt_json_text(whole, buf, sizeof(buf), NULL), CKPT_OK);
    CHECK_STR(buf, "aA");
}

static void a_walk_ends_where_the_text_is_cut_off(void)
{
    ckpt_bytes key, value;
    size_t at = 0;
    CHECK(ckpt_json_next(ckpt_text("[1,"), &at, &key, &value));
    CHECK(!ckpt_json_next(ckpt_text("[1,"), &at, &key, &value));
    at = 0;
    CHECK(!ckpt_json_next(ckpt_text("["), &at, &key, &value));
}

static void text_refuses_what_is_no_string(void)
{
    static const char *const other[] = {
        "1", "null", "true", "{}", "[]", "[\"a\"]", "", "\"", "x"
    };
    char buf[8] = "old";
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
        CHECK_INT(ckpt_json_text(ckpt_text(other[i]), buf, sizeof(buf), NULL),
                  CKPT_ERR_JSON);
    }
    CHECK_STR(buf, "old");
}

// ckpt_json_check allows it, so a value that was checked may have it
static void text_takes_a_string_with_white_space_around_it(void)
{
    char buf[16] = "";
    size_t len = 0;
    CHECK_INT(ckpt_json_text(ckpt_text(" \"ab\"\n"), buf, sizeof(buf), &len),
              CKPT_OK);
    CHECK_STR(buf, "ab");
    CHECK_INT(len, 2);
}

static void number_reads_all_64_bits_and_not_one_more(void)
{
    int64_t n = 1;
    CHECK_INT(ckpt_json_number(ckpt_text("0"), &n), CKPT_OK);
    CHECK_INT(n, 0);
    CHECK_INT(ckpt_json_number(ckpt_text("-0"), &n), CKPT_OK);
    CHECK_INT(n, 0);
    CHECK_INT(ckpt_json_number(ckpt_text("-42"), &n), CKPT_OK);
    CHECK_INT(n, -42);
    CHECK_INT(ckpt_json_number(ckpt_text("9223372036854775807"), &n), CKPT_OK);
    CHECK(n == INT64_MAX);
    CHECK_INT(ckpt_json_number(ckpt_text("-9223372036854775808"), &n),
              CKPT_OK);
    CHECK(n == INT64_MIN);
    static const char *const beyond[] = {
        "9223372036854775808", "-9223372036854775809", "18446744073709551616",
        "92233720368547758070", "99999999999999999999999"
    };
    for (size_t i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
        CHECK_INT(ckpt_json_number(ckpt_text(beyond[i]), &n), CKPT_ERR_JSON);
        CHECK_INT(n, 0);
    }
}

static void number_refuses_what_is_no_integer(void)
{
    static const char *const other[] = {
        "", "-", "+1", "1.0", "1e3", "1.", ".1", "a", "0x1", "\"1\"", "null",
        "true", "[1]", "--1", "1-"
    };
    int64_t n = 7;
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
        CHECK_INT(ckpt_json_number(ckpt_text(other[i]), &n), CKPT_ERR_JSON);
        CHECK_INT(n, 0);
    }
}

// They are no JSON numbers (RFC 8259 section 6)
static void number_refuses_leading_zeros(void)
{
    int64_t n = 7;
    CHECK_INT(ckpt_json_number(ckpt_text("01"), &n), CKPT_ERR_JSON);
    CHECK_INT(ckpt_json_number(ckpt_text("-00"), &n), CKPT_ERR_JSON);
}

//--- The writer ---------------------------------------------------------------

static void the_writer_writes_what_the_header_shows(void)
{
    char buf[64];
    ckpt_json w;
    ckpt_bytes json;
    ckpt_json_init(&w, buf, sizeof(buf));
    ckpt_json_open(&w, '{');
    ckpt_json_key(&w, "role");
    ckpt_json_string(&w, ckpt_text("user"));
    ckpt_json_close(&w);
    CHECK_INT(ckpt_json_done(&w, &json), CKPT_OK);
    CHECK(same(json, "{\"role\":\"user\"}"));
    CHECK(json.ptr == buf);
}

static void the_writer_escapes_every_character(void)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    for (unsigned c = 0; c < 0x80; c++) {
        char buf[16], back[4], want[16];
        const char one = (char)c;
        const char *known = c != 0 ? strchr(from, (int)c) : NULL;
        ckpt_json w;
        ckpt_bytes json;
        size_t len = 0;
        ckpt_json_init(&w, buf, sizeof(buf));
        ckpt_json_string(&w, bytes(&one, 1));
        CHECK_INT(ckpt_json_done(&w, &json), CKPT_OK);
        if (c >= 0x20 && known == NULL) {
            snprintf(want, sizeof(want), "\"%c\"", (int)c);
        } else if (known == NULL) {
            snprintf(want, sizeof(want), "\"\\u%04x\"", c);
        } else {
            snprintf(want, sizeof(want), "\"\\%c\"", to[known - from]);
        }
        CHECK(same(json, want));
        CHECK_INT(ckpt_json_check(json, NULL), CKPT_OK);
        CHECK_INT(ckpt_json_text(json, back, sizeof(back), &len), CKPT_OK);
        CHECK(len == 1 && back[0] == one);
    }
}

// S30 for what the writer makes: values round-trip exactly
static void what_the_writer_writes_reads_back(void)
{
    char buf[512], back[64];
    static const char text[] = "\xf0\x9f\x98\x80 \"quoted\" \\ \xc3\xa9\n";
    ckpt_json w;
    ckpt_bytes json;
    int64_t n = 0;
    ckpt_json_init(&w, buf, sizeof(buf));
    ckpt_json_open(&w, '{');
    ckpt_json_key(&w, text);
    ckpt_json_string(&w, ckpt_text(text));
    ckpt_json_key(&w, "list");
    ckpt_json_open(&w, '[');
    ckpt_json_int(&w, -7);
    ckpt_json_bool(&w, true);
    ckpt_json_bool(&w, false);
    ckpt_json_null(&w);
    ckpt_json_open(&w, '[');
    ckpt_json_close(&w);
    ckpt_json_open(&w, '{');
    ckpt_json_close(&w);
    ckpt_json_close(&w);
    ckpt_json_key(&w, "");
    ckpt_json_int(&w, 3);
    ckpt_json_close(&w);
    CHECK_INT(ckpt_json_done(&w, &json), CKPT_OK);
    CHECK_INT(ckpt_json_check(json, NULL), CKPT_OK);
    CHECK_INT(ckpt_json_text(ckpt_json_get(json, text), back, sizeof(back),
                             NULL), CKPT_OK);
    CHECK_STR(back, text);
    CHECK(same(ckpt_json_get(json, "list"), "[-7,true,false,null,[],{}]"));
    CHECK_INT(ckpt_json_number(ckpt_json_get(json, ""), &n), CKPT_OK);
    CHECK_INT(n, 3);
}

static void integers_are_written_exactly(void)
{
    static const int64_t values[] = { 0, 1, -1, 10, INT64_MAX, INT64_MIN };
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char buf[32];
        ckpt_json w;
        ckpt_bytes json;
        int64_t n = 5;
        ckpt_json_init(&w, buf, sizeof(buf));
        ckpt_json_int(&w, values[i]);
        CHECK_INT(ckpt_json_done(&w, &json), CKPT_OK);
        CHECK_INT(ckpt_json_number(json, &n), CKPT_OK);
        CHECK(n == values[i]);
    }
}

static ckpt_code write_raw(const char *raw, char *buf, size_t cap,
                           ckpt_bytes *json)
{
    ckpt_json w;
    ckpt_json_init(&w, buf, cap);
    ckpt_json_open(&w, '[');
    ckpt_json_raw(&w, ckpt_text(raw));
    ckpt_json_int(&w, 1);
    ckpt_json_close(&w);
    return ckpt_json_done(&w, json);
}

static void raw_json_is_kept_and_validated(void)
{
    char buf[64];
    ckpt_bytes json;
    CHECK_INT(write_raw("{ \"a\" : [1.50] }", buf, sizeof(buf), &json),
              CKPT_OK);
    CHECK(same(json, "[{ \"a\" : [1.50] },1]"));
    CHECK_INT(write_raw("[1,", buf, sizeof(buf), &json), CKPT_ERR_JSON);
    // nor what is valid only together with what stands around it
    CHECK_INT(write_raw("2,3", buf, sizeof(buf), &json), CKPT_ERR_JSON);
    CHECK_INT(write_raw("2],[3", buf, sizeof(buf), &json), CKPT_ERR_JSON);
    CHECK(json.ptr == NULL && json.len == 0);
    CHECK_INT(write_raw("", buf, sizeof(buf), &json), CKPT_ERR_JSON);
    CHECK_INT(write_raw(NULL, buf, sizeof(buf), &json), CKPT_ERR_JSON);
    CHECK_INT(write_raw("\"\xff\"", buf, sizeof(buf), &json), CKPT_ERR_UTF8);
}

// "w->len says what is needed", for buffers of every size
static void the_writer_says_how_much_it_needs_at_every_size(void)
{
    static const char want[] =
        "{\"k\\n\":\"a\\u0001\xc3\xa9\",\"n\":[-12,true,null,{\"r\":[0]}]}";
    for (size_t cap = 0; cap <= sizeof(want); cap++) {
        char *buf = (char *)malloc(cap > 0 ? cap : 1);
        ckpt_json w;
        ckpt_bytes json;
        ckpt_json_init(&w, buf, cap);
        ckpt_json_open(&w, '{');
        ckpt_json_key(&w, "k\n");
        ckpt_json_string(&w, ckpt_text("a\x01\xc3\xa9"));
        ckpt_json_key(&w, "n");
        ckpt_json_open(&w, '[');
        ckpt_json_int(&w, -12);
        ckpt_json_bool(&w, true);
        ckpt_json_null(&w);
        ckpt_json_raw(&w, ckpt_text("{\"r\":[0]}"));
        ckpt_json_close(&w);
        ckpt_json_close(&w);
        const ckpt_code rc = ckpt_json_done(&w, &json);
        CHECK_INT(w.len, sizeof(want) - 1);
        if (cap >= sizeof(want) - 1) {
            CHECK_INT(rc, CKPT_OK);
            CHECK(same(json, want));
        } else {
            CHECK_INT(rc, CKPT_ERR_BUFFER);
            CHECK(json.ptr == NULL && json.len == 0);
        }
        free(buf);
    }
}

// Each letter is a call: { [ open, } close, k key, s string, i int, b bool,
// n null, r raw.
static ckpt_code write_calls(const char *calls)
{
    char buf[128];
    ckpt_json w;
    ckpt_bytes json;
    ckpt_json_init(&w, buf, sizeof(buf));
    for (; *calls != '\0'; calls++) {
        switch (*calls) {
        case '}': ckpt_json_close(&w); break;
        case 'k': ckpt_json_key(&w, "k"); break;
        case 's': ckpt_json_string(&w, ckpt_text("s")); break;
        case 'i': ckpt_json_int(&w, 1); break;
        case 'b': ckpt_json_bool(&w, true); break;
        case 'n': ckpt_json_null(&w); break;
        case 'r': ckpt_json_raw(&w, ckpt_text("[]")); break;
        default:  ckpt_json_open(&w, *calls); break;
        }
    }
    const ckpt_code rc = ckpt_json_done(&w, &json);
    if (rc == CKPT_OK) {
        CHECK_INT(ckpt_json_check(json, NULL), CKPT_OK);
    }
    return rc;
}

// "CKPT_ERR_ARGUMENT for calls in an order that makes no JSON value"
static void the_writer_refuses_calls_that_make_no_value(void)
{
    static const char *const good[] = {
        "i", "s", "b", "n", "r", "{}", "[}", "[i}", "{ki}", "{k[}}", "{kr}",
        "[isbnr}", "{kiks}", "[{}{}}", "{k{k{}}}"
    };
    static const char *const bad[] = {
        "", "{", "[", "}", "k", "ki", "ii", "i}", "{i}", "{s}", "{b}", "{n}",
        "{r}", "{[}}", "{k}", "{kk", "{kik}", "[k}", "[ki}", "{}{}", "[}i",
        "(", "x", "[x}", "{kii}", "[i", "{ki", "{}}", "r["
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        CHECK_INT(write_calls(good[i]), CKPT_OK);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (!CHECK_INT(write_calls(bad[i]), CKPT_ERR_ARGUMENT)) {
            printf("    %s\n", bad[i]);
        }
    }
}

static void the_writer_refuses_nesting_beyond_the_limit(void)
{
    for (int depth = CKPT_DEPTH_MAX - 1; depth <= CKPT_DEPTH_MAX + 1; depth++) {
        char buf[4 * CKPT_DEPTH_MAX];
        ckpt_json w;
        ckpt_bytes json;
        ckpt_json_init(&w, buf, sizeof(buf));
        for (int i = 0; i < depth; i++) {
            ckpt_json_open(&w, '[');
        }
        for (int i = 0; i < depth; i++) {
            ckpt_json_close(&w);
        }
        const ckpt_code rc = ckpt_json_done(&w, &json);
        CHECK_INT(rc, depth <= CKPT_DEPTH_MAX ? CKPT_OK : CKPT_ERR_DEPTH);
        if (rc == CKPT_OK) {
            CHECK_INT(ckpt_json_check(json, NULL), CKPT_OK);
        }
    }
}

// Otherwise the writer says OK to what a save then refuses.
static void raw_json_counts_towards_the_depth_of_what_is_written(void)
{
    char raw[CKPT_DEPTH_MAX + 1], buf[2 * CKPT_DEPTH_MAX];
    ckpt_bytes json;
    memset(raw, '[', CKPT_DEPTH_MAX / 2);
    memset(raw + CKPT_DEPTH_MAX / 2, ']', CKPT_DEPTH_MAX / 2);
    raw[CKPT_DEPTH_MAX] = '\0';
    CHECK_INT(write_raw(raw, buf, sizeof(buf), &json), CKPT_OK);
    CHECK_INT(ckpt_json_check(json, NULL), CKPT_OK);
    static char full[2 * CKPT_DEPTH_MAX + 1];
    memset(full, '[', CKPT_DEPTH_MAX);
    memset(full + CKPT_DEPTH_MAX, ']', CKPT_DEPTH_MAX);
    char more[2 * CKPT_DEPTH_MAX + 16];
    CHECK_INT(write_raw(full, more, sizeof(more), &json), CKPT_ERR_DEPTH);
    CHECK(json.ptr == NULL && json.len == 0);
}

static void the_writer_refuses_bytes_that_are_no_utf8(void)
{
    static const char *const bad[] = {
        "\xff", "a\x80", "\xc0\x80", "\xed\xa0\x80", "\xe2\x82",
        "\xf4\x90\x80\x80"
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char buf[64];
        ckpt_json w;
        ckpt_bytes json;
        ckpt_json_init(&w, buf, sizeof(buf));
        ckpt_json_string(&w, ckpt_text(bad[i]));
        CHECK_INT(ckpt_json_done(&w, &json), CKPT_ERR_UTF8);
        ckpt_json_init(&w, buf, sizeof(buf));
        ckpt_json_open(&w, '{');
        ckpt_json_key(&w, bad[i]);
        ckpt_json_null(&w);
        ckpt_json_close(&w);
        CHECK_INT(ckpt_json_done(&w, &json), CKPT_ERR_UTF8);
    }
}

typedef struct replace_case {
    const char *text, *json;
} replace_case;

#define FFFD "\xef\xbf\xbd"

static void the_writer_replaces_bytes_that_are_no_utf8_if_asked(void)
{
    static const replace_case cases[] = {
        { "\xff", "\"" FFFD "\"" },
        { "a\x80z", "\"a" FFFD "z\"" },
        { "\xc3\xa9\xe2\x82", "\"\xc3\xa9" FFFD FFFD "\"" },
        { "\xed\xa0\x80", "\"" FFFD FFFD FFFD "\"" },
        { "\xe2\x82\"", "\"" FFFD FFFD "\\\"\"" },
        { "fine \xf0\x9f\x98\x80", "\"fine \xf0\x9f\x98\x80\"" }
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char buf[64];
        ckpt_json w;
        ckpt_bytes json;
        ckpt_json_init(&w, buf, sizeof(buf));
        w.replace = true;
        ckpt_json_string(&w, ckpt_text(cases[i].text));
        CHECK_INT(ckpt_json_done(&w, &json), CKPT_OK);
        CHECK(same(json, cases[i].json));
        CHECK_INT(ckpt_json_check(json, NULL), CKPT_OK);
    }
}

// "the first error; sticky"
static void the_first_error_of_the_writer_stays(void)
{
    char buf[4];
    ckpt_json w;
    ckpt_bytes json;
    ckpt_json_init(&w, buf, sizeof(buf));
    ckpt_json_open(&w, '[');
    ckpt_json_string(&w, ckpt_text("\xff"));
    ckpt_json_key(&w, "no key belongs here");
    ckpt_json_close(&w);
    CHECK_INT(w.code, CKPT_ERR_UTF8);
    CHECK_INT(ckpt_json_done(&w, &json), CKPT_ERR_UTF8);
    CHECK_INT(ckpt_json_done(&w, &json), CKPT_ERR_UTF8);
    CHECK(json.ptr == NULL);
}

static void a_text_that_does_not_fit_is_not_written(void)
{
    char buf[8] = "xxxxxxx";
    size_t len = 0;
    CHECK_INT(ckpt_json_text(ckpt_text("\"abcd\""), buf, 4, &len),
              CKPT_ERR_BUFFER);
    CHECK_INT(len, 4);
    CHECK_STR(buf, "xxxxxxx");
    CHECK_INT(ckpt_json_text(ckpt_text("\"abcd\""), buf, 5, &len), CKPT_OK);
    CHECK_STR(buf, "abcd");
    CHECK_INT(ckpt_json_text(ckpt_text("\""), buf, sizeof(buf), &len),
              CKPT_ERR_JSON);
}
