// SPDX-License-Identifier: MIT-0
// fuzz_json.c -- the JSON reader and writer, next to those of jansson
//
// The whole input is tried as JSON, and as orders to the writer. Where the two
// readers may disagree: jansson allows a greater depth, and knows no lone
// surrogates, no numbers that fit neither 64 bits nor a double, and no NUL in
// the name of a member; it takes a raw NUL for the end of a piece of input.
#include "fuzz.h"

#include <jansson.h>

static const json_error_t no_error;

static ckpt_bytes bytes_of(const void *ptr, size_t len)
{
    ckpt_bytes bytes;
    bytes.ptr = ptr;
    bytes.len = len;
    return bytes;
}

//--- Reading ------------------------------------------------------------------

// Copies a string out, as exactly as memory can tell. NULL: a lone surrogate.
static char *text_of(ckpt_bytes value, size_t *len)
{
    char none[1];
    const ckpt_code sized = ckpt_json_text(value, none, 0, len);
    if (sized == CKPT_ERR_UTF8) {
        return NULL;
    }
    FUZZ_CHECK(sized == CKPT_ERR_BUFFER);
    char *text = (char *)malloc(*len + 1);
    if (text == NULL) {
        abort();
    }
    if (*len > 0) {
        size_t again;
        FUZZ_CHECK(ckpt_json_text(value, text, *len, &again) ==
                   CKPT_ERR_BUFFER);
        FUZZ_CHECK(again == *len);
    }
    FUZZ_CHECK(ckpt_json_text(value, text, *len + 1, NULL) == CKPT_OK);
    FUZZ_CHECK(text[*len] == '\0');
    return text;
}

// A number is read as strtod() reads it, and comes back once it is written.
static void check_double(ckpt_bytes value)
{
    char *text = (char *)malloc(value.len + 1), buf[26];
    double d, again;
    ckpt_json w;
    ckpt_bytes json;
    memcpy(text, value.ptr, value.len);
    text[value.len] = '\0';
    const double other = strtod(text, NULL);
    const ckpt_code rc = ckpt_json_to_double(value, &d);
    FUZZ_CHECK(rc == CKPT_OK || rc == CKPT_ERR_JSON);
    FUZZ_CHECK((rc == CKPT_OK) == (other - other == 0));
    if (rc == CKPT_OK) {
        FUZZ_CHECK(memcmp(&d, &other, sizeof(d)) == 0);
        ckpt_json_init(&w, buf, 25);
        ckpt_json_double(&w, d);
        FUZZ_CHECK(ckpt_json_done(&w, &json) == CKPT_OK);
        FUZZ_CHECK(ckpt_json_to_double(json, &again) == CKPT_OK);
        FUZZ_CHECK(memcmp(&d, &again, sizeof(d)) == 0);
        buf[json.len] = '\0';
        again = strtod(buf, NULL);
        FUZZ_CHECK(memcmp(&d, &again, sizeof(d)) == 0);
    }
    free(text);
}

static void check_scalar(ckpt_bytes value, const json_t *other)
{
    const char c = *(const char *)value.ptr;
    int64_t number;
    size_t len;
    const bool is_number = ckpt_json_number(value, &number) == CKPT_OK;
    if (c == '"') {
        char *text = text_of(value, &len);
        if (other != NULL) {
            FUZZ_CHECK(text != NULL && json_is_string(other));
            FUZZ_CHECK(len == json_string_length(other));
            FUZZ_CHECK(memcmp(text, json_string_value(other), len) == 0);
        }
        free(text);
    }
    FUZZ_CHECK(!is_number || c == '-' || (c >= '0' && c <= '9'));
    if (c == '-' || (c >= '0' && c <= '9')) {
        check_double(value);
    } else {
        double d;
        FUZZ_CHECK(ckpt_json_to_double(value, &d) == CKPT_ERR_JSON);
    }
    if (other != NULL) {
        FUZZ_CHECK(is_number == json_is_integer(other));
        FUZZ_CHECK(!is_number || number == json_integer_value(other));
        FUZZ_CHECK((c == 't') == json_is_true(other));
        FUZZ_CHECK((c == 'f') == json_is_false(other));
        FUZZ_CHECK((c == 'n') == json_is_null(other));
    }
}

static void check_value(ckpt_bytes value, const json_t *other);

// One member. jansson keeps the last of several of one name, get() the first.
static void check_member(ckpt_bytes object, ckpt_bytes key, ckpt_bytes value,
                         const json_t *other)
{
    size_t len;
    const ckpt_bytes quoted = bytes_of((const char *)key.ptr - 1, key.len + 2);
    char *name = text_of(quoted, &len);
    FUZZ_CHECK(ckpt_json_check(quoted, NULL) == CKPT_OK);
    if (name != NULL && strlen(name) == len) {
        const ckpt_bytes got = ckpt_json_get(object, name);
        FUZZ_CHECK(got.ptr != NULL && got.ptr <= value.ptr);
        const json_t *same = json_object_get(other, name);
        FUZZ_CHECK(other == NULL || same != NULL);
    }
    free(name);
}

// The last of the members of a name is what jansson has.
static void check_last(ckpt_bytes object, const json_t *other)
{
    const char *name;
    json_t *expected;
    json_object_foreach((json_t *)(uintptr_t)other, name, expected) {
        ckpt_bytes key, value, last = bytes_of(NULL, 0);
        for (size_t at = 0; ckpt_json_next(object, &at, &key, &value); ) {
            if (ckpt__same_text((const char *)key.ptr, key.len, name)) {
                last = value;
            }
        }
        FUZZ_CHECK(last.ptr != NULL);
        check_value(last, expected);
    }
}

static void check_container(ckpt_bytes value, const json_t *other)
{
    const bool object = *(const char *)value.ptr == '{';
    const char *end = (const char *)value.ptr + value.len;
    size_t n = 0;
    ckpt_bytes key, item;
    FUZZ_CHECK(other == NULL || (object ? json_is_object(other)
                                        : json_is_array(other)));
    for (size_t at = 0; ckpt_json_next(value, &at, &key, &item); n++) {
        FUZZ_CHECK((const char *)item.ptr > (const char *)value.ptr);
        FUZZ_CHECK((const char *)item.ptr + item.len < end && item.len > 0);
        FUZZ_CHECK(ckpt_json_check(item, NULL) == CKPT_OK);
        if (object) {
            check_member(value, key, item, other);
        }
        if (!object || other == NULL) {
            check_value(item, json_array_get(other, n));
        }
    }
    FUZZ_CHECK(other == NULL || object || n == json_array_size(other));
    FUZZ_CHECK(other == NULL || !object || n >= json_object_size(other));
    if (object) {
        (void)ckpt_json_get(value, "");
        (void)ckpt_json_get(value, "a");
        check_last(value, other);
    }
}

// Compares a valid value without space around it with jansson's, if there is
// one.
static void check_value(ckpt_bytes value, const json_t *other)
{
    const char c = *(const char *)value.ptr;
    if (c == '{' || c == '[') {
        check_container(value, other);
    } else {
        check_scalar(value, other);
    }
}

//--- Writing what was read ----------------------------------------------------

static void write_value(ckpt_json *w, ckpt_bytes value)
{
    const char c = *(const char *)value.ptr;
    ckpt_bytes key, item;
    int64_t number;
    if (c == '{' || c == '[') {
        ckpt_json_open(w, c);
        for (size_t at = 0; ckpt_json_next(value, &at, &key, &item); ) {
            if (c == '{') {
                size_t len;
                char *name = text_of(bytes_of((const char *)key.ptr - 1,
                                              key.len + 2), &len);
                ckpt_json_key(w, name);
                free(name);
            }
            write_value(w, item);
        }
        ckpt_json_close(w);
    } else if (c == '"') {
        size_t len;
        char *text = text_of(value, &len);
        ckpt_json_string(w, bytes_of(text, len));
        free(text);
    } else if (ckpt_json_number(value, &number) == CKPT_OK) {
        ckpt_json_int(w, number);
    } else if (c == 'n') {
        ckpt_json_null(w);
    } else if (c == 't' || c == 'f') {
        ckpt_json_bool(w, c == 't');
    } else {
        ckpt_json_raw(w, value);
    }
}

// What the writer makes of a value is the same value to jansson.
static void check_rewritten(ckpt_bytes value, json_t *other)
{
    const size_t cap = 6 * value.len + 16;
    char *buf = (char *)malloc(cap);
    ckpt_json w;
    ckpt_bytes json;
    json_error_t err = no_error;
    ckpt_json_init(&w, buf, cap);
    write_value(&w, value);
    FUZZ_CHECK(ckpt_json_done(&w, &json) == CKPT_OK);
    FUZZ_CHECK(ckpt_json_check(json, NULL) == CKPT_OK);
    json_t *again = json_loadb((const char *)json.ptr, json.len,
                               JSON_DECODE_ANY | JSON_ALLOW_NUL, &err);
    FUZZ_CHECK(again != NULL && json_equal(again, other));
    json_decref(again);
    free(buf);
}

static void check_reader(ckpt_bytes input)
{
    size_t pos = SIZE_MAX;
    json_error_t err = no_error;
    const ckpt_code rc = ckpt_json_check(input, &pos);
    FUZZ_CHECK(rc == CKPT_OK || rc == CKPT_ERR_JSON || rc == CKPT_ERR_UTF8 ||
               rc == CKPT_ERR_DEPTH);
    FUZZ_CHECK(pos <= input.len);
    if (memchr(input.ptr, '\0', input.len) != NULL) {
        FUZZ_CHECK(rc != CKPT_OK);
        return;
    }
    json_t *other = json_loadb((const char *)input.ptr, input.len,
                               JSON_DECODE_ANY | JSON_ALLOW_NUL, &err);
    if (rc == CKPT_OK && other == NULL) {
        const enum json_error_code why = json_error_code(&err);
        FUZZ_CHECK(why == json_error_numeric_overflow ||
                   why == json_error_null_byte_in_key ||
                   strncmp(err.text, "invalid Unicode", 15) == 0);
    }
    FUZZ_CHECK(rc == CKPT_OK || rc == CKPT_ERR_DEPTH || other == NULL);
    if (rc == CKPT_OK) {
        ckpt_bytes value = input;
        const char *space = " \t\r\n";
        while (strchr(space, *(const char *)value.ptr) != NULL) {
            value = bytes_of((const char *)value.ptr + 1, value.len - 1);
        }
        while (strchr(space, ((const char *)value.ptr)[value.len - 1])) {
            value.len--;
        }
        check_value(value, other);
        if (other != NULL) {
            check_rewritten(value, other);
        }
    }
    json_decref(other);
}

//--- The writer, by orders ----------------------------------------------------

static void write_order(ckpt_json *w, fuzz_in *in)
{
    const unsigned order = fuzz_byte(in);
    const size_t size = order >> 4;
    const ckpt_bytes text = fuzz_take(in, (order & 15) < 8 ? 0 : size);
    char key[16] = "";
    switch (order & 15) {
    case 0: case 1: ckpt_json_open(w, '{'); break;
    case 2: case 3: ckpt_json_open(w, size == 15 ? 'x' : '['); break;
    case 4: case 5: ckpt_json_close(w); break;
    case 6:         ckpt_json_bool(w, size & 1); break;
    case 7:         ckpt_json_null(w); break;
    case 8: case 9:
        if (text.len > 0) {
            memcpy(key, text.ptr, text.len);
        }
        ckpt_json_key(w, key);
        break;
    case 10: case 11: ckpt_json_string(w, text); break;
    case 12: {
        uint64_t value = 0;
        for (size_t i = 0; i < text.len; i++) {
            value = value << 8 | ((const uint8_t *)text.ptr)[i];
        }
        ckpt_json_int(w, (int64_t)value);
        break;
    }
    default: ckpt_json_raw(w, text); break;
    }
}

static void check_writer(ckpt_bytes input)
{
    fuzz_in in = { (const uint8_t *)input.ptr, input.len };
    const size_t cap = fuzz_word(&in) % 1024;
    char *buf = (char *)malloc(cap + (cap == 0));
    ckpt_json w;
    ckpt_bytes json;
    ckpt_json_init(&w, buf, cap);
    w.replace = cap & 1;
    while (in.left > 0) {
        write_order(&w, &in);
    }
    const ckpt_code rc = ckpt_json_done(&w, &json);
    FUZZ_CHECK((rc == CKPT_OK) == (json.ptr != NULL));
    if (rc == CKPT_OK) {
        json_error_t err = no_error;
        FUZZ_CHECK(ckpt_json_check(json, NULL) == CKPT_OK);
        json_t *other = json_loadb((const char *)json.ptr, json.len,
                                   JSON_DECODE_ANY | JSON_ALLOW_NUL, &err);
        FUZZ_CHECK(other != NULL ||
                   json_error_code(&err) == json_error_numeric_overflow ||
                   json_error_code(&err) == json_error_null_byte_in_key ||
                   strncmp(err.text, "invalid Unicode", 15) == 0);
        json_decref(other);
    }
    free(buf);
}

// Any bytes as one string: UTF-8 comes back as it was, what is none is refused
// or replaced.
static void check_string(ckpt_bytes input)
{
    const size_t cap = 6 * input.len + 2;
    char *buf = (char *)malloc(cap);
    json_t *other = json_stringn((const char *)input.ptr, input.len);
    for (int replace = 0; replace < 2; replace++) {
        ckpt_json w;
        ckpt_bytes json;
        size_t len;
        ckpt_json_init(&w, buf, cap);
        w.replace = replace;
        ckpt_json_string(&w, input);
        const ckpt_code rc = ckpt_json_done(&w, &json);
        FUZZ_CHECK((rc == CKPT_OK) == (replace || other != NULL));
        if (rc != CKPT_OK) {
            FUZZ_CHECK(rc == CKPT_ERR_UTF8);
            continue;
        }
        FUZZ_CHECK(ckpt_json_check(json, NULL) == CKPT_OK);
        char *text = text_of(json, &len);
        FUZZ_CHECK(text != NULL);
        if (other != NULL) {
            FUZZ_CHECK(len == input.len &&
                       (len == 0 || memcmp(text, input.ptr, len) == 0));
        }
        free(text);
    }
    json_decref(other);
    free(buf);
}

// Any bytes come back from base64, and are UTF-8 once they are clean.
static void check_bytes(ckpt_bytes input)
{
    const size_t cap = (input.len + 2) / 3 * 4 + 2;
    char *text = (char *)malloc(cap), *back = (char *)malloc(input.len + 1);
    char *clean = (char *)malloc(3 * input.len + 1);
    ckpt_json w;
    ckpt_bytes json;
    size_t len, size;
    ckpt_json_init(&w, text, cap);
    ckpt_json_base64(&w, input);
    FUZZ_CHECK(ckpt_json_done(&w, &json) == CKPT_OK);
    FUZZ_CHECK(ckpt_json_bytes(json, back, input.len, &len) == CKPT_OK);
    FUZZ_CHECK(len == input.len);
    FUZZ_CHECK(len == 0 || memcmp(back, input.ptr, len) == 0);
    FUZZ_CHECK(ckpt_utf8_clean(input, clean, 3 * input.len + 1, &size) ==
               CKPT_OK);
    FUZZ_CHECK(size <= 3 * input.len && clean[size] == '\0');
    json_t *other = json_stringn(clean, size);
    FUZZ_CHECK(other != NULL);
    json_decref(other);
    const ckpt_code rc = ckpt_json_bytes(input, back, input.len, &len);
    FUZZ_CHECK(rc == CKPT_OK || (rc == CKPT_ERR_JSON && len == 0));
    free(clean);
    free(back);
    free(text);
}

// Absent bytes are no value.
static void check_absent(void)
{
    const ckpt_bytes none = bytes_of(NULL, 0);
    ckpt_bytes value;
    size_t at = 0, len;
    int64_t number;
    char text[4];
    FUZZ_CHECK(ckpt_json_check(none, NULL) == CKPT_ERR_JSON);
    FUZZ_CHECK(!ckpt_json_next(none, &at, NULL, &value));
    FUZZ_CHECK(ckpt_json_get(none, "a").ptr == NULL);
    FUZZ_CHECK(ckpt_json_text(none, text, sizeof(text), &len) ==
               CKPT_ERR_JSON);
    FUZZ_CHECK(ckpt_json_number(none, &number) == CKPT_ERR_JSON);
}

static void fuzz_one(const uint8_t *data, size_t size)
{
    char *copy = (char *)fuzz_copy(data, size);
    const ckpt_bytes input = bytes_of(copy, size);
    if (size == 0) {
        check_absent();
    }
    check_reader(input);
    check_writer(input);
    check_string(input);
    check_bytes(input);
    free(copy);
}
