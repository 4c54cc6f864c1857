// SPDX-License-Identifier: MIT-0
// The record on disk: which bytes are a checkpoint and which are not, what
// planted files do, and that files of a released format load for ever.
#define _POSIX_C_SOURCE 200809L

#include "ckpt_store_fs.h"
#include "crc.h"
#include "temp_dir.h"
#include "test.h"
#include "whole.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIST(X)                                                                \
    X(a_checkpoint_is_json_that_any_reader_reads)                              \
    X(a_checkpoint_sums_up_to_its_crc)                                         \
    X(a_head_and_a_front_sum_up_to_their_own)                                  \
    X(every_head_is_the_first_line_and_fits_a_sector)                          \
    X(a_reason_stands_in_the_second_line_behind_the_birth)                     \
    X(a_checkpoint_cut_at_any_byte_is_never_loaded)                            \
    X(a_checkpoint_flipped_at_any_bit_is_never_loaded)                         \
    X(a_bit_flipped_in_the_head_is_damage_whatever_the_crc_says)               \
    X(a_bit_flipped_in_the_front_is_damage_whatever_the_crc_says)              \
    X(a_whole_head_does_not_vouch_for_its_body)                                \
    X(a_whole_body_does_not_vouch_for_its_head)                                \
    X(white_space_may_follow_a_checkpoint_and_nothing_else)                    \
    X(white_space_may_go_on_beyond_size_max)                                   \
    X(empty_nul_and_huge_files_are_damaged)                                    \
    X(a_checkpoint_of_another_run_is_foreign)                                  \
    X(a_checkpoint_under_another_name_is_damaged)                              \
    X(a_higher_format_is_refused_and_left_alone)                               \
    X(numbers_of_the_head_have_limits)                                         \
    X(an_outcome_that_nobody_writes_is_damage)                                 \
    X(once_and_lost_are_true_or_false)                                         \
    X(counts_of_the_head_must_be_those_of_the_body)                            \
    X(counts_of_the_head_have_limits)                                          \
    X(a_length_beyond_size_max_is_refused)                                     \
    X(a_wild_length_does_not_hide_the_generation_before)                       \
    X(a_body_must_be_what_we_write)                                            \
    X(a_birth_is_1_to_32_letters_and_digits)                                   \
    X(the_prompt_is_the_last_member_of_the_metadata)                           \
    X(nesting_without_end_is_damaged)                                          \
    X(lists_beyond_the_tables_are_left_alone)                                  \
    X(a_damaged_checkpoint_is_set_aside_and_kept)                              \
    X(what_is_planted_as_a_checkpoint_is_foreign)                              \
    X(what_is_planted_before_a_whole_checkpoint_is_passed_over)                \
    X(what_is_planted_as_a_heartbeat_is_foreign)                               \
    X(what_is_planted_as_a_run_is_foreign)                                     \
    X(looking_changes_nothing)                                                 \
    X(format_1_of_a_run_that_has_begun_loads)                                  \
    X(format_1_of_a_run_that_has_saved_loads)                                  \
    X(format_1_with_phases_effects_and_held_loads)                             \
    X(format_1_of_an_interrupted_run_loads)                                    \
    X(format_1_of_a_done_run_says_that_its_work_is_done)                       \
    X(format_1_of_a_dead_run_is_kept_until_it_is_retried)                      \
    X(format_1_of_a_lost_run_is_kept_and_cannot_be_retried)                    \
    X(format_1_of_a_removed_run_is_removed)
TEST_SUITE(record, LIST)

#define HEAD     450        // bytes of a head, with its line feed
#define CRC_AT   17         // where the digits of its sums stand
#define SUM_AT   35
#define FRONT_AT 54
#define FILE_MAX (1 << 20)

static struct {
    char             root[256], run[300], current[400], prev[400];
    ckpt_fs_calls    calls;
    int64_t          now_ms;
    ckpt_store_fs    fs;
    ckpt_ctx         ctx;
    ckpt_run         job;
    ckpt_run_info    info;
    ckpt_checkpoint  last;
    char             birth[CKPT_NONCE_MAX + 1];     // of the run "job"
    char             buf[FILE_MAX];
    char             whole[FILE_MAX], forged[FILE_MAX];
    size_t           size;
} t;

static int fake_clock(void *u, ckpt_moment *now)
{
    (void)u;
    now->mono_ms = t.now_ms;
    now->wall_ms = INT64_C(1700000000000) + t.now_ms;
    return 0;
}

//--- Files --------------------------------------------------------------------

static void put_file(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    CHECK(f != NULL && fwrite(bytes, 1, n, f) == n);
    if (f != NULL) {
        CHECK(fclose(f) == 0);
        CHECK(chmod(path, 0600) == 0);
    }
}

static size_t get_file(const char *path, char *buf)
{
    FILE *f = fopen(path, "rb");
    const size_t n = f != NULL ? fread(buf, 1, FILE_MAX - 1, f) : 0;
    if (f != NULL) {
        fclose(f);
    }
    buf[n] = '\0';
    return n;
}

// A sum over everything in a tree: names, types, owners, modes, sizes, times
// and contents. The probe is touched by whoever looks, and is left out.
static uint64_t mix(uint64_t sum, const void *bytes, size_t n)
{
    const unsigned char *p = (const unsigned char *)bytes;
    for (size_t i = 0; i < n; i++) {
        sum = (sum ^ p[i]) * UINT64_C(0x100000001b3);
    }
    return sum;
}

static uint64_t dump(const char *path)
{
    struct stat st;
    uint64_t sum = UINT64_C(0xcbf29ce484222325), children = 0;
    if (lstat(path, &st) != 0) {
        return 0;
    }
    sum = mix(sum, path, strlen(path));
    sum = mix(sum, &st.st_mode, sizeof(st.st_mode));
    sum = mix(sum, &st.st_uid, sizeof(st.st_uid));
    if (S_ISREG(st.st_mode)) {
        static char bytes[FILE_MAX];
        sum = mix(sum, &st.st_size, sizeof(st.st_size));
        sum = mix(sum, &st.st_ino, sizeof(st.st_ino));
        sum = mix(sum, &st.st_mtim, sizeof(st.st_mtim));
        sum = mix(sum, bytes, get_file(path, bytes));
    }
    DIR *dir = S_ISDIR(st.st_mode) ? opendir(path) : NULL;
    struct dirent *e;
    while (dir != NULL && (e = readdir(dir)) != NULL) {
        char child[1024];
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            strcmp(e->d_name, ".probe") != 0) {
            snprintf(child, sizeof(child), "%s/%s", path, e->d_name);
            children += dump(child);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return sum + children;
}

//--- Runs ---------------------------------------------------------------------

static void teardown(void)
{
    if (t.root[0] != '\0') {
        ckpt_abandon(&t.job);
        ckpt_store_fs_close(&t.fs);
        (void)temp_dir_remove(t.root);
    }
    memset(&t, 0, sizeof(t));
}

// What the last test left; not for a child that exits.
static pid_t setup_pid;

static void at_exit(void)
{
    if (getpid() == setup_pid) {
        teardown();
    }
}

// A store without runs.
static bool setup(void)
{
    if (setup_pid == 0) {
        setup_pid = getpid();
        CHECK(atexit(at_exit) == 0);
    }
    ckpt_store_fs_desc s;
    ckpt_desc d;
    ckpt_error err;
    teardown();
    if (!CHECK(temp_dir_make(t.root, sizeof(t.root), "record"))) {
        return false;
    }
    snprintf(t.run, sizeof(t.run), "%s/r-job", t.root);
    snprintf(t.current, sizeof(t.current), "%s/checkpoint.1.json", t.run);
    snprintf(t.prev, sizeof(t.prev), "%s/checkpoint.1.prev.json", t.run);
    t.calls = *ckpt_store_fs_calls();
    t.calls.clock = fake_clock;
    memset(&s, 0, sizeof(s));
    s.dir = t.root;
    s.durability = CKPT_STORE_FS_PROCESS;
    s.liveness = CKPT_STORE_FS_LOCKS;
    s.calls = &t.calls;
    CHECK_INT(ckpt_store_fs_open(&t.fs, &s, &err), CKPT_OK);
    memset(&d, 0, sizeof(d));
    d.store = &t.fs.base;
    d.throttle_ms = CKPT_OFF;
    CHECK_INT(ckpt_init(&t.ctx, &d), CKPT_OK);
    return true;
}

static ckpt_code open_run(const char *id)
{
    ckpt_run_desc d;
    memset(&d, 0, sizeof(d));
    d.id = id;
    d.meta.prompt = "Check it.";
    return ckpt_open(&t.ctx, &t.job, &d);
}

static ckpt_code save(uint64_t turn, const char *messages, const char *state)
{
    ckpt_save_desc s;
    memset(&s, 0, sizeof(s));
    s.anew = true;
    s.turn = turn;
    s.messages = ckpt_text(messages);
    s.state = ckpt_text(state);
    return ckpt_save(&t.job, &s);
}

// A run "job" that was interrupted, with two generations: turn 1, and turn 2,
// whose bytes are in t.whole.
static bool setup_job(void)
{
    if (!setup() || !CHECK_INT(open_run("job"), CKPT_OK)) {
        return false;
    }
    CHECK_INT(save(1, "[\"one\"]", "{\"n\":1}"), CKPT_OK);
    CHECK_INT(save(2, "[\"one\",\"two\"]", "{\"n\":2}"), CKPT_OK);
    memcpy(t.birth, t.job.birth, sizeof(t.birth));
    ckpt_abandon(&t.job);
    t.size = get_file(t.current, t.whole);
    return CHECK(t.size > HEAD + 100 && t.birth[0] != '\0');
}

// What a look at the run says when these bytes are its newest generation.
static ckpt_run_state judge(const void *bytes, size_t n)
{
    // not cut to nothing first: some file systems flush what was
    const int fd = open(t.current, O_WRONLY);
    const bool put = fd >= 0 && write(fd, bytes, n) == (ssize_t)n &&
                     ftruncate(fd, (off_t)n) == 0;
    if (fd < 0 || close(fd) != 0 || !put) {
        CHECK(false);
    }
    memset(&t.info, 0, sizeof(t.info));
    if (query_whole(&t.ctx, "job", &t.info) != CKPT_OK) {
        CHECK(false);
    }
    return t.info.state;
}

// Whether the generation before is taken in place of these bytes.
static bool older(const void *bytes, size_t n)
{
    return judge(bytes, n) == CKPT_STATE_INTERRUPTED && t.info.older &&
           t.info.turn == 1;
}

static bool accepted(const void *bytes, size_t n)
{
    return judge(bytes, n) == CKPT_STATE_INTERRUPTED && !t.info.older;
}

//--- Forging ------------------------------------------------------------------

// Where the front ends: what a scan reads, up to the prompt and with its key.
static size_t front_end(const char *record, size_t n)
{
    static const char *const marks[] = { "\"prompt\":", "},\n \"messages\":[" };
    for (size_t k = 0; k < 2; k++) {
        const size_t size = strlen(marks[k]);
        for (size_t i = HEAD; i + size <= n; i++) {
            if (memcmp(record + i, marks[k], size) == 0) {
                return k == 0 ? i + size : i;
            }
        }
    }
    return n;
}

static uint32_t front_sum(const char *record, size_t n)
{
    return crc_of(0, record + HEAD, front_end(record, n) - HEAD);
}

// The sum of a head: of all of it but the digits of its sum and of the crc.
static uint32_t head_sum(const char *record)
{
    uint32_t crc = crc_of(0, record, CRC_AT);
    crc = crc_of(crc, record + CRC_AT + 8, SUM_AT - CRC_AT - 8);
    return crc_of(crc, record + SUM_AT + 8, HEAD - SUM_AT - 8);
}

// The sum of a record of that length: its body, then its head but for the sum.
static uint32_t record_crc(const char *record, size_t n)
{
    uint32_t crc = crc_of(0, record + HEAD, n - HEAD);
    crc = crc_of(crc, record, CRC_AT);
    return crc_of(crc, record + CRC_AT + 8, HEAD - CRC_AT - 8);
}

static void put_sum(char *at, uint32_t sum)
{
    char digits[16];
    snprintf(digits, sizeof(digits), "%08lx", (unsigned long)sum);
    memcpy(at, digits, 8);
}

static bool is_sum(const char *at, uint32_t sum)
{
    char digits[8];
    put_sum(digits, sum);
    return memcmp(at, digits, 8) == 0;
}

static void sign_crc(char *record, size_t n)
{
    put_sum(record + CRC_AT, record_crc(record, n));
}

static void sign_head(char *record, size_t n)
{
    put_sum(record + SUM_AT, head_sum(record));
    sign_crc(record, n);
}

static void sign(char *record, size_t n)
{
    put_sum(record + FRONT_AT, front_sum(record, n));
    sign_head(record, n);
}

// Puts a text behind a label in the head of the forged record.
static void put_text(const char *label, const char *value)
{
    char *at = strstr(t.forged, label);
    if (CHECK(at != NULL && at + strlen(label) + strlen(value) <=
              t.forged + HEAD)) {
        memcpy(at + strlen(label), value, strlen(value));
    }
}

static void put_number(const char *label, size_t value)
{
    char digits[24];
    snprintf(digits, sizeof(digits), "%16lu", (unsigned long)value);
    put_text(label, digits);
}

// The whole record with a member of its head replaced, and signed again.
// Returns its size in the file.
static size_t forge_head(const char *label, const char *value)
{
    memcpy(t.forged, t.whole, t.size + 1);
    put_text(label, value);
    sign_head(t.forged, t.size - 1);
    return t.size;
}

// What a head says of the body.
typedef struct counts {
    size_t messages, phases, uncertain, held;
} counts;

// The head of the whole record with those counts before another body, signed.
// body may end in white space that is not part of it.
static size_t forge_body(const char *body, size_t n, counts c)
{
    memcpy(t.forged, t.whole, HEAD);
    t.forged[HEAD] = '\0';
    put_number("\"length\":", HEAD + n);
    put_number("\"messages\":", c.messages);
    put_number("\"phases\":", c.phases);
    put_number("\"uncertain\":", c.uncertain);
    put_number("\"held\":", c.held);
    memcpy(t.forged + HEAD, body, n);
    sign(t.forged, HEAD + n);
    return HEAD + n;
}

static size_t forge_text(const char *body, counts c)
{
    return forge_body(body, strlen(body), c);
}

static const counts none;

//--- Whole records ------------------------------------------------------------

static bool same(ckpt_bytes b, const char *text)
{
    return b.ptr != NULL && b.len == strlen(text) &&
           memcmp(b.ptr, text, b.len) == 0;
}

static int64_t number_of(ckpt_bytes object, const char *key)
{
    int64_t n = -1;
    CHECK_INT(ckpt_json_number(ckpt_json_get(object, key), &n), CKPT_OK);
    return n;
}

// "plain JSON that jq reads": by the reader of the header
static void a_checkpoint_is_json_that_any_reader_reads(void)
{
    if (!setup_job()) {
        return;
    }
    ckpt_bytes json = ckpt_text(t.whole);
    CHECK_INT(json.len, t.size);
    CHECK_INT(ckpt_json_check(json, NULL), CKPT_OK);
    CHECK_INT(number_of(json, "ckpt"), 1);
    CHECK_INT(number_of(json, "length"), (int64_t)t.size - 1);
    CHECK_INT(number_of(json, "epoch"), 1);
    CHECK_INT(number_of(json, "seq"), 3);
    CHECK_INT(number_of(json, "turn"), 2);
    CHECK_INT(number_of(json, "turn_max"), 2);
    CHECK_INT(number_of(json, "attempt"), 0);
    CHECK(same(ckpt_json_get(json, "outcome"), "\"running\""));
    CHECK(same(ckpt_json_get(json, "saved_at"),
               "\"2023-11-14T22:13:20.000Z\""));
    CHECK(same(ckpt_json_get(json, "run"), "\"job\""));
    CHECK(same(ckpt_json_get(json, "meta"), "{\"prompt\":\"Check it.\"}"));
    CHECK(same(ckpt_json_get(json, "messages"), "[\"one\",\"two\"]"));
    CHECK(same(ckpt_json_get(json, "phases"), "[]"));
    CHECK(same(ckpt_json_get(json, "effects"), "[]"));
    CHECK(same(ckpt_json_get(json, "held"), "[]"));
    CHECK(same(ckpt_json_get(json, "reason"), "null"));
    CHECK(same(ckpt_json_get(json, "state"), "{\"n\":2}"));
    ckpt_bytes key, value;
    size_t at = 0, members = 0;
    while (ckpt_json_next(json, &at, &key, &value)) {
        members++;
    }
    CHECK_INT(members, 25);
    ckpt_bytes count = ckpt_json_get(json, "count");
    CHECK_INT(number_of(count, "messages"), 2);
    CHECK_INT(number_of(count, "phases"), 0);
    CHECK_INT(number_of(count, "uncertain"), 0);
    CHECK_INT(number_of(count, "held"), 0);
    CHECK(same(ckpt_json_get(json, "once"), "false"));
    CHECK(same(ckpt_json_get(json, "lost"), "false"));
    char birth[64];
    CHECK_INT(ckpt_json_text(ckpt_json_get(json, "birth"), birth,
                             sizeof(birth), NULL), CKPT_OK);
    CHECK_STR(birth, t.birth);
    struct stat st;
    CHECK(stat(t.current, &st) == 0 && (st.st_mode & 0777) == 0600);
}

// L37; against a sum that goes bit by bit
static void a_checkpoint_sums_up_to_its_crc(void)
{
    if (!setup_job()) {
        return;
    }
    CHECK(is_sum(t.whole + CRC_AT, record_crc(t.whole, t.size - 1)));
    CHECK_INT(t.whole[t.size - 1], '\n');
    CHECK(accepted(t.whole, t.size));
    CHECK_INT(t.info.turn, 2);
    CHECK_INT(forge_head("\"turn\":", "               2"), t.size);
    CHECK(memcmp(t.forged, t.whole, t.size) == 0);
}

// "the head carries a sum of its own", and so has what a scan reads
// behind it
static void a_head_and_a_front_sum_up_to_their_own(void)
{
    if (!setup_job()) {
        return;
    }
    CHECK(is_sum(t.whole + SUM_AT, head_sum(t.whole)));
    CHECK(is_sum(t.whole + FRONT_AT, front_sum(t.whole, t.size - 1)));
    const size_t end = front_end(t.whole, t.size - 1);
    CHECK(memcmp(t.whole + end - 17, "\"meta\":{\"prompt\":\"Check it.\"}",
                 17 + 12) == 0);
    memcpy(t.forged, t.whole, t.size);
    sign(t.forged, t.size - 1);
    CHECK(memcmp(t.forged, t.whole, t.size) == 0);
    // without a prompt the front ends with the metadata
    CHECK_INT(ckpt_remove(&t.ctx, &t.job, "job"), CKPT_OK);
    ckpt_run_desc d;
    memset(&d, 0, sizeof(d));
    d.id = "job";
    d.meta.agent_id = "a";
    CHECK_INT(ckpt_open(&t.ctx, &t.job, &d), CKPT_OK);
    ckpt_abandon(&t.job);
    t.size = get_file(t.current, t.whole);
    CHECK(is_sum(t.whole + FRONT_AT, front_sum(t.whole, t.size - 1)));
    static const char *const meta = ",\n \"meta\":{\"agent_id\":\"a\"";
    const size_t bare = front_end(t.whole, t.size - 1), n = strlen(meta);
    CHECK(memcmp(t.whole + bare - n, meta, n) == 0);
}

// The newest checkpoint of an epoch begins with one line of HEAD bytes, whose
// sum is right, and the next line is that of the run.
static void check_head(int epoch, const char *outcome)
{
    static const char *const second = " \"run\":\"job\",\"birth\":\"";
    char path[512];
    snprintf(path, sizeof(path), "%s/checkpoint.%d.json", t.run, epoch);
    t.size = get_file(path, t.whole);
    const char *line = strchr(t.whole, '\n');
    if (!CHECK(t.size > HEAD && line != NULL)) {
        return;
    }
    CHECK_INT(line + 1 - t.whole, HEAD);
    CHECK(memcmp(line + 1, second, strlen(second)) == 0);
    CHECK(is_sum(t.whole + SUM_AT, head_sum(t.whole)));
    CHECK(is_sum(t.whole + FRONT_AT, front_sum(t.whole, t.size - 1)));
    CHECK_INT(ckpt_json_check(ckpt_text(t.whole), NULL), CKPT_OK);
    CHECK(same(ckpt_json_get(ckpt_text(t.whole), "outcome"), outcome));
}

// "The head (first line) has fixed width", however large its numbers
static void every_head_is_the_first_line_and_fits_a_sector(void)
{
    ckpt_effect effect;
    ckpt_save_desc s;
    ckpt_finish_desc f;
    CHECK(HEAD <= 512);
    if (!setup() || !CHECK_INT(open_run("job"), CKPT_OK)) {
        return;
    }
    check_head(1, "\"running\"");
    CHECK_INT(save(CKPT_TURN_MAX, "[1,2,3]", "{\"n\":1}"), CKPT_OK);
    check_head(1, "\"running\"");
    CHECK_INT(ckpt_phase_end(&t.job, "plan", ckpt_text("1"), NULL), CKPT_OK);
    check_head(1, "\"running\"");
    memset(&s, 0, sizeof(s));
    s.anew = true;
    s.turn = CKPT_TURN_MAX;
    CHECK_INT(ckpt_effect_begin(&t.job, "call", &s, &effect), CKPT_OK);
    check_head(1, "\"running\"");
    memset(&f, 0, sizeof(f));
    f.reason = "so far";
    CHECK_INT(ckpt_finish(&t.job, CKPT_INTERRUPTED, &f), CKPT_OK);
    check_head(1, "\"interrupted\"");
    CHECK_INT(open_run("job"), CKPT_OK);
    check_head(2, "\"running\"");
    CHECK_INT(ckpt_finish(&t.job, CKPT_RETRY, NULL), CKPT_OK);
    check_head(2, "\"retry\"");
    CHECK_INT(open_run("job"), CKPT_OK);
    f.keep = true;
    CHECK_INT(ckpt_finish(&t.job, CKPT_FAILED, &f), CKPT_OK);
    check_head(3, "\"dead\"");
}

// a scan tells the reason, so it stands in front
static void a_reason_stands_in_the_second_line_behind_the_birth(void)
{
    static const char *const old =
        " \"run\":\"job\",\"birth\":\"a1\",\n \"meta\":{},\n \"messages\":["
        "],\n \"phases\":[],\"effects\":[],\"held\":[],\"reason\":null,"
        "\"state\":{}}";
    ckpt_finish_desc f;
    char line[200];
    if (!setup() || !CHECK_INT(open_run("job"), CKPT_OK)) {
        return;
    }
    memset(&f, 0, sizeof(f));
    f.reason = "a \"b\"";
    snprintf(line, sizeof(line), " \"run\":\"job\",\"birth\":\"%s\","
             "\"reason\":\"a \\\"b\\\"\",\n \"meta\":{\"prompt\":",
             t.job.birth);
    CHECK_INT(ckpt_finish(&t.job, CKPT_INTERRUPTED, &f), CKPT_OK);
    t.size = get_file(t.current, t.whole);
    CHECK(t.size > HEAD + strlen(line) &&
          memcmp(t.whole + HEAD, line, strlen(line)) == 0);
    CHECK(accepted(t.whole, t.size));
    CHECK_STR(t.info.reason, "a \"b\"");
    CHECK(unlink(t.prev) == 0);
    CHECK_INT(judge(t.forged, forge_text(old, none)), CKPT_STATE_DAMAGED);
}

// "truncated at every byte"
static void a_checkpoint_cut_at_any_byte_is_never_loaded(void)
{
    unsigned wrong = 0;
    if (!setup_job()) {
        return;
    }
    for (size_t n = 0; n + 1 < t.size; n++) {
        wrong += !older(t.whole, n);
    }
    CHECK_INT(wrong, 0);
    CHECK(accepted(t.whole, t.size - 1));       // but for the line feed
    for (size_t n = 0; n < HEAD; n++) {         // nor is what was read before
        wrong += !accepted(t.whole, t.size) || !older(t.whole, n);
    }
    CHECK_INT(wrong, 0);
    CHECK(unlink(t.prev) == 0);
    for (size_t n = 0; n + 1 < t.size; n++) {
        wrong += judge(t.whole, n) != CKPT_STATE_DAMAGED ||
                 t.info.error.code != CKPT_ERR_DAMAGED;
    }
    CHECK_INT(wrong, 0);
    CHECK(accepted(t.whole, t.size - 1));
}

// "flipped at every bit"
static void a_checkpoint_flipped_at_any_bit_is_never_loaded(void)
{
    unsigned wrong = 0;
    if (!setup_job()) {
        return;
    }
    for (size_t i = 0; i < t.size; i++) {
        for (int bit = 0; bit < 8; bit++) {
            memcpy(t.forged, t.whole, t.size);
            t.forged[i] = (char)(t.forged[i] ^ 1 << bit);
            wrong += !older(t.forged, t.size);
        }
    }
    CHECK_INT(wrong, 0);
}

// Flips every bit from one byte of the whole record to another, lets fix()
// make other sums right again, and counts what is not refused.
static unsigned flip_all(size_t from, size_t to, void (*fix)(char *, size_t))
{
    unsigned wrong = 0;
    for (size_t i = from; i < to; i++) {
        for (int bit = 0; bit < 8; bit++) {
            memcpy(t.forged, t.whole, t.size);
            t.forged[i] = (char)(t.forged[i] ^ 1 << bit);
            fix(t.forged, t.size - 1);
            wrong += judge(t.forged, t.size) != CKPT_STATE_DAMAGED;
        }
    }
    return wrong;
}

static void sign_nothing(char *record, size_t n)
{
    (void)record;
    (void)n;
}

// The head's own sum: each bit of it counts, though the crc is made right.
static void a_bit_flipped_in_the_head_is_damage_whatever_the_crc_says(void)
{
    if (!setup_job()) {
        return;
    }
    CHECK(unlink(t.prev) == 0);
    CHECK_INT(flip_all(0, CRC_AT, sign_crc), 0);
    CHECK_INT(flip_all(CRC_AT + 8, HEAD, sign_crc), 0);
    CHECK_INT(flip_all(CRC_AT, CRC_AT + 8, sign_nothing), 0);
    CHECK(accepted(t.whole, t.size));
}

// The front's sum: what a scan reads is proved by it and by the head.
static void a_bit_flipped_in_the_front_is_damage_whatever_the_crc_says(void)
{
    if (!setup_job()) {
        return;
    }
    CHECK(unlink(t.prev) == 0);
    CHECK_INT(flip_all(HEAD, front_end(t.whole, t.size - 1), sign_head), 0);
    CHECK_INT(flip_all(FRONT_AT, FRONT_AT + 8, sign_head), 0);
    CHECK(accepted(t.whole, t.size));
}

// Flips a bit behind a label, in the body of the whole record, and nothing of
// its head. Returns what the run is then.
static ckpt_run_state flip_behind(const char *label)
{
    memcpy(t.forged, t.whole, t.size + 1);
    char *at = strstr(t.forged + HEAD, label);
    if (CHECK(at != NULL)) {
        at[strlen(label)] ^= 1;
    }
    CHECK(memcmp(t.forged, t.whole, HEAD) == 0);
    CHECK(is_sum(t.forged + SUM_AT, head_sum(t.forged)));
    return judge(t.forged, t.size);
}

// "a torn spare can have a whole head". Each flip leaves valid JSON.
static void a_whole_head_does_not_vouch_for_its_body(void)
{
    if (!setup_job()) {
        return;
    }
    CHECK(unlink(t.prev) == 0);
    CHECK_INT(flip_behind("\"birth\":\""), CKPT_STATE_DAMAGED);
    CHECK_INT(flip_behind("\"prompt\":\"Chec"), CKPT_STATE_DAMAGED);
    CHECK(is_sum(t.forged + FRONT_AT, front_sum(t.forged, t.size - 1)));
    CHECK_INT(flip_behind("\"messages\":[\""), CKPT_STATE_DAMAGED);
    CHECK(is_sum(t.forged + FRONT_AT, front_sum(t.forged, t.size - 1)));
    CHECK_INT(flip_behind("\"state\":{\"n\":"), CKPT_STATE_DAMAGED);
    CHECK(is_sum(t.forged + FRONT_AT, front_sum(t.forged, t.size - 1)));
    CHECK_INT(t.info.error.code, CKPT_ERR_DAMAGED);
    CHECK_INT(open_run("job"), CKPT_ERR_DAMAGED);
    for (size_t n = HEAD; n + 1 < t.size; n++) {        // torn, whole head
        CHECK_INT(judge(t.whole, n), CKPT_STATE_DAMAGED);
    }
    CHECK(accepted(t.whole, t.size));
}

// A head of another save of the run, whole itself, before this body.
static void a_whole_body_does_not_vouch_for_its_head(void)
{
    if (!setup_job()) {
        return;
    }
    const size_t n = get_file(t.prev, t.forged);
    CHECK(n > HEAD && is_sum(t.forged + SUM_AT, head_sum(t.forged)));
    memcpy(t.forged + HEAD, t.whole + HEAD, t.size - HEAD);
    CHECK(older(t.forged, t.size));
    // nor is it enough that the length fits
    put_number("\"length\":", t.size - 1);
    put_sum(t.forged + SUM_AT, head_sum(t.forged));
    CHECK(older(t.forged, t.size));
    memset(t.forged, ' ', HEAD);
    CHECK(older(t.forged, t.size));
    memset(t.forged, 0, HEAD);
    CHECK(older(t.forged, t.size));
}

// "only white space may follow it in the file"
static void white_space_may_follow_a_checkpoint_and_nothing_else(void)
{
    static const char *const junk[] = { "x", "{}", "\n\n0", "]", "}", "\x0b" };
    if (!setup_job()) {
        return;
    }
    memcpy(t.forged, t.whole, t.size);
    memset(t.forged + t.size, ' ', 5000);
    memcpy(t.forged + t.size + 100, "\r\n\t", 3);
    CHECK(accepted(t.forged, t.size + 5000));
    CHECK(accepted(t.forged, t.size + 1));
    t.forged[t.size + 4999] = '\0';
    CHECK(older(t.forged, t.size + 5000));
    for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++) {
        memcpy(t.forged + t.size, junk[i], strlen(junk[i]));
        CHECK(older(t.forged, t.size + strlen(junk[i])));
    }
    memcpy(t.forged + t.size, t.whole, t.size); // twice
    CHECK(older(t.forged, 2 * t.size));
}

// It is room, and no part of the record.
static void white_space_may_go_on_beyond_size_max(void)
{
    ckpt_desc d;
    if (!setup_job()) {
        return;
    }
    memset(&d, 0, sizeof(d));
    d.store = &t.fs.base;
    d.size_max = 2048;
    CHECK_INT(ckpt_init(&t.ctx, &d), CKPT_OK);
    memcpy(t.forged, t.whole, t.size);
    memset(t.forged + t.size, ' ', 4096);
    CHECK(accepted(t.forged, 2048));
    CHECK(accepted(t.forged, 2050));
    CHECK(accepted(t.forged, 4096));
    t.forged[4095] = '0';
    CHECK(older(t.forged, 4096));
}

// "empty, all NUL, ..., 100 MiB"
static void empty_nul_and_huge_files_are_damaged(void)
{
    static const size_t sizes[] = { 0, 1, HEAD - 1, HEAD, HEAD + 1, 1024,
                                    1025, 70000 };
    if (!setup_job()) {
        return;
    }
    memset(t.forged, 0, 70000);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        CHECK(older(t.forged, sizes[i]));
    }
    CHECK(truncate(t.current, 100 << 20) == 0);
    CHECK_INT(query_whole(&t.ctx, "job", &t.info), CKPT_OK);
    CHECK(t.info.older && t.info.turn == 1);
    put_file(t.current, t.whole, t.size);       // whole, and then a hole
    CHECK(truncate(t.current, 100 << 20) == 0);
    CHECK_INT(query_whole(&t.ctx, "job", &t.info), CKPT_OK);
    CHECK(t.info.older && t.info.turn == 1);
    CHECK(unlink(t.prev) == 0);
    CHECK_INT(open_run("job"), CKPT_ERR_DAMAGED);
    CHECK_STR(ckpt_last_error(&t.ctx)->msg,
              ckpt_code_message(CKPT_ERR_DAMAGED));
    struct stat st;
    CHECK(stat(t.current, &st) == 0 && st.st_size == 100 << 20);
}

// "of another run"; R1: never somebody else's
static void a_checkpoint_of_another_run_is_foreign(void)
{
    static char other[FILE_MAX];
    char path[400];
    if (!setup_job() || !CHECK_INT(open_run("jo"), CKPT_OK)) {
        return;
    }
    ckpt_abandon(&t.job);
    snprintf(path, sizeof(path), "%s/r-jo/checkpoint.1.json", t.root);
    const size_t n = get_file(path, other);
    CHECK(older(other, n));
    CHECK(unlink(t.prev) == 0);
    CHECK_INT(judge(other, n), CKPT_STATE_FOREIGN);
    CHECK_INT(t.info.error.code, CKPT_ERR_FOREIGN);
    const uint64_t before = dump(t.root);
    CHECK_INT(open_run("job"), CKPT_ERR_FOREIGN);
    CHECK_INT(ckpt_last_error(&t.ctx)->code, CKPT_ERR_FOREIGN);
    CHECK(dump(t.root) == before);
}

static void a_checkpoint_under_another_name_is_damaged(void)
{
    char second[400];
    if (!setup_job()) {
        return;
    }
    snprintf(second, sizeof(second), "%s/checkpoint.2.json", t.run);
    put_file(second, t.whole, t.size);
    CHECK_INT(query_whole(&t.ctx, "job", &t.info), CKPT_OK);
    CHECK(t.info.older && t.info.turn == 2 && t.info.epoch == 1);
    CHECK(unlink(second) == 0);
    CHECK(unlink(t.current) == 0);      // the claim knows that it was there
    CHECK_INT(query_whole(&t.ctx, "job", &t.info), CKPT_OK);
    CHECK(t.info.older && t.info.turn == 1);
    snprintf(second, sizeof(second), "%s/heartbeat.1", t.run);
    CHECK(unlink(second) == 0);         // a lost name alone is no damage
    CHECK_INT(query_whole(&t.ctx, "job", &t.info), CKPT_OK);
    CHECK(!t.info.older && t.info.turn == 1);
}

// "of a higher format": "A higher one is refused and left alone"
static void a_higher_format_is_refused_and_left_alone(void)
{
    static const char *const newer[] = { "2,", "9,", "10,", "99999999," };
    static const char *const small = "{\"ckpt\":2,\"run\":\"job\"}";
    static const char *const bad[] = { "123456789,", "0,", "01,", "1.5,", "-2,",
                                       "2 ,",
                                       "x,", "\"2\",", "02,", "," };
    if (!setup_job()) {
        return;
    }
    for (size_t i = 0; i < sizeof(newer) / sizeof(newer[0]); i++) {
        (void)forge_head("{\"ckpt\":", newer[i]);
        CHECK_INT(judge(t.forged, t.size), CKPT_STATE_NEWER);
        CHECK_INT(t.info.error.code, CKPT_ERR_FORMAT);
        const uint64_t before = dump(t.root);
        CHECK_INT(open_run("job"), CKPT_ERR_FORMAT);
        CHECK_STR(ckpt_last_error(&t.ctx)->msg,
                  ckpt_code_message(CKPT_ERR_FORMAT));
        CHECK(dump(t.root) == before);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        (void)forge_head("{\"ckpt\":", bad[i]);
        CHECK(older(t.forged, t.size));
    }
    // its head may be shorter than ours
    CHECK_INT(judge(small, strlen(small)), CKPT_STATE_NEWER);
    CHECK(older(small, 19));
}

//--- Wrong heads and bodies ---------------------------------------------------

// "head numbers out of range", each with a sum that is right
static void numbers_of_the_head_have_limits(void)
{
    static const struct {
        const char *label, *value;
    } bad[] = {
        { "\"length\":", "               0" },
        { "\"length\":", "             422" },
        { "\"length\":", "             450" },
        { "\"length\":", "             500" },
        { "\"epoch\":", "               0" },
        { "\"epoch\":", "               2" },
        { "\"epoch\":", "9007199254740992" },
        { "\"seq\":", "               0" },
        { "\"seq\":", "9007199254740992" },
        { "\"seq\":", "              -3" },
        { "\"seq\":", "             3  " },
        { "\"seq\":", "              03" },
        { "\"seq\":", "0000000000000003" },
        { "\"seq\":", "                " },
        { "\"seq\":", "             1e1" },
        { "\"turn\":", "               3" },
        { "\"turn_max\":", "               1" },
        { "\"turn_max\":", "9007199254740992" },
        { "\"attempt\":", "      4294967296" },
        { "\"attempt\":", "9007199254740991" },
        { "\"outcome\":", "\"stopped\",    " },
        { "\"outcome\":", "\"running\", x  " },
        { "\"outcome\":", "\"Running\",    " },
        { "\"saved_at\":", "\"2023-02-29T22:13:20.000Z\"" },
        { "\"saved_at\":", "\"1969-12-31T22:13:20.000Z\"" },
        { "\"saved_at\":", "\"2023-11-14 22:13:20.000Z\"" },
        { "\"crc\"", ": " },
        { "\"head\"", ": " },
        { "\"front\"", ": " },
        { "\"front\":", "\"00000000\"" },
        { "\"count\":", "[" },
        { "\"lost\":false", ";" },
        { "\"ckpt\":1", " " }
    };
    if (!setup_job()) {
        return;
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        (void)forge_head(bad[i].label, bad[i].value);
        if (!CHECK(older(t.forged, t.size))) {
            printf("    %s%s\n", bad[i].label, bad[i].value);
        }
    }
    char length[32];                            // 2^32 more than there are
    snprintf(length, sizeof(length), "%16llu",
             4294967296ULL + (unsigned long long)t.size - 1);
    (void)forge_head("\"length\":", length);
    CHECK(older(t.forged, t.size));
    (void)forge_head("\"turn_max\":", "9007199254740991");
    CHECK(accepted(t.forged, t.size) && t.info.turn_max == CKPT_TURN_MAX);
    (void)forge_head("\"seq\":", "9007199254740991");
    CHECK(accepted(t.forged, t.size) && t.info.seq == CKPT_TURN_MAX);
    (void)forge_head("\"attempt\":", "      4294967295");
    CHECK_INT(judge(t.forged, t.size), CKPT_STATE_EXHAUSTED);
    CHECK(t.info.attempt == UINT32_MAX);
    static const size_t sums[] = { CRC_AT, SUM_AT, FRONT_AT };
    for (size_t i = 0; i < 3; i++) {            // capital digits of a sum
        memcpy(t.forged, t.whole, t.size);
        memcpy(t.forged + sums[i], "ABCDEF01", 8);
        CHECK(older(t.forged, t.size));
    }
}

static void an_outcome_that_nobody_writes_is_damage(void)
{
    static const struct {
        const char    *text;
        ckpt_run_state state;
    } good[] = {
        { "\"running\",    ", CKPT_STATE_INTERRUPTED },
        { "\"completed\",  ", CKPT_STATE_FINISHED },
        { "\"failed\",     ", CKPT_STATE_FINISHED },
        { "\"interrupted\",", CKPT_STATE_INTERRUPTED },
        { "\"retry\",      ", CKPT_STATE_INTERRUPTED },
        { "\"done\",       ", CKPT_STATE_DONE },
        { "\"dead\",       ", CKPT_STATE_FAILED },
        { "\"removed\",    ", CKPT_STATE_FINISHED }
    };
    static const char *const bad[] = {
        "\"kept\",       ", "\"waiting\",    ", "\"finished\",   ",
        "\"lost\",       ", "\"Done\",       ", "\"done\" ,      ",
        "\"done \",      ", " \"done\",      ", "\"done\",      x",
        "\"\",           ", "\"don\",        ", "\"donee\",      ",
        "null,         ", "\"interrupte\", ", "              "
    };
    if (!setup_job()) {
        return;
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        CHECK_INT(strlen(good[i].text), 14);
        (void)forge_head("\"outcome\":", good[i].text);
        CHECK_INT(judge(t.forged, t.size), good[i].state);
        CHECK_INT(t.info.outcome, CKPT_RUNNING + (int)i);
        CHECK(!t.info.older && t.info.turn == 2);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK_INT(strlen(bad[i]), 14);
        (void)forge_head("\"outcome\":", bad[i]);
        if (!CHECK(older(t.forged, t.size))) {
            printf("    %s\n", bad[i]);
        }
    }
}

static void once_and_lost_are_true_or_false(void)
{
    static const char *const labels[] = { "\"once\":", "\"lost\":" };
    static const char *const bad[] = {
        " true", "True ", "TRUE ", "truee", "true,", "tru  ", "t    ", "     ",
        "False", "fals ", "falsE", "fal\"e", "null ", "1    ", "    0", "yes  "
    };
    if (!setup_job()) {
        return;
    }
    for (size_t k = 0; k < 2; k++) {
        (void)forge_head(labels[k], "true ");
        CHECK_INT(judge(t.forged, t.size), CKPT_STATE_INTERRUPTED);
        CHECK(t.info.turn == 2 && !t.info.lost);    // lost is of a kept run
        CHECK(t.info.once == (k == 0) && t.info.older == (k == 1));
        (void)forge_head(labels[k], "false");
        CHECK(accepted(t.forged, t.size));
        CHECK(!t.info.once && !t.info.lost);
        CHECK(memcmp(t.forged, t.whole, t.size) == 0);
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
            CHECK_INT(strlen(bad[i]), 5);
            (void)forge_head(labels[k], bad[i]);
            if (!CHECK(older(t.forged, t.size))) {
                printf("    %s%s\n", labels[k], bad[i]);
            }
        }
        (void)forge_head(labels[k], "true ");
        strstr(t.forged, labels[k])[strlen(labels[k]) + 4] = '\0';
        sign_head(t.forged, t.size - 1);
        CHECK(older(t.forged, t.size));
    }
}

#define BIRTH "mem1"
#define BEGIN " \"run\":\"job\",\"birth\":\"" BIRTH "\",\"reason\":null,\n"
#define INTRO BEGIN " \"meta\":{},\n \"messages\":["
#define TAIL  "],\n \"phases\":[],\"effects\":[],\"held\":[],\"state\":{}}"
#define EFFECT(id, state)                                                      \
    "{\"turn\":1,\"epoch\":1,\"id\":\"" id "\",\"state\":" state
#define LISTS                                                                  \
    INTRO "1,[2,2],{\"a\":3}],\n \"phases\":[{\"name\":\"p\",\"output\":1},"   \
    "{\"name\":\"q\",\"output\":[2,2]}],\"effects\":["                         \
    EFFECT("a", "\"begun\"},") EFFECT("b", "\"ended\",\"result\":2},")         \
    EFFECT("c", "\"begun\"}") "],\"held\":[{\"id\":\"h\",\"steps\":1,"         \
    "\"timestep\":null}],\"state\":{}}"

// What a scan reads of a run must be what its body says, one more or less.
static void counts_of_the_head_must_be_those_of_the_body(void)
{
    static const counts right = { 3, 2, 2, 1 };
    if (!setup_job()) {
        return;
    }
    CHECK(accepted(t.forged, forge_text(LISTS, right)));
    CHECK(t.info.messages == 3 && t.info.phases == 2);
    CHECK(t.info.uncertain == 2 && t.info.held == 1);
    for (int i = 0; i < 4; i++) {
        for (int by = -1; by <= 1; by += 2) {
            counts c = right;
            size_t *n = i == 0 ? &c.messages : i == 1 ? &c.phases :
                        i == 2 ? &c.uncertain : &c.held;
            *n += (size_t)by;
            CHECK(older(t.forged, forge_text(LISTS, c)));
        }
    }
    const counts swapped = { 2, 3, 2, 1 }, nothing = { 0, 0, 0, 0 };
    CHECK(older(t.forged, forge_text(LISTS, swapped)));
    CHECK(older(t.forged, forge_text(LISTS, nothing)));
    CHECK(older(t.forged, forge_text(INTRO TAIL, right)));
    CHECK(accepted(t.forged, forge_text(INTRO TAIL, nothing)));
}

static void counts_of_the_head_have_limits(void)
{
    static const char *const labels[] = { "\"messages\":", "\"phases\":",
                                          "\"uncertain\":", "\"held\":" };
    static const char *const bad[] = {
        "      4294967296", "      4294967298", "9007199254740991",
        "9007199254740992", "              -0", "                ",
        "              00", "             0  ", "             0.0"
    };
    if (!setup_job()) {
        return;
    }
    for (size_t k = 0; k < 4; k++) {
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
            (void)forge_head(labels[k], bad[i]);
            CHECK(older(t.forged, t.size));
        }
    }
}

static void a_length_beyond_size_max_is_refused(void)
{
    ckpt_desc d;
    static char big[4096];
    if (!setup() || !CHECK_INT(open_run("job"), CKPT_OK)) {
        return;
    }
    memset(big, ' ', sizeof(big) - 1);
    big[0] = '[';
    big[sizeof(big) - 2] = ']';
    memcpy(big + 1, "\"", 1);
    memset(big + 2, 'x', sizeof(big) - 5);
    big[sizeof(big) - 3] = '"';
    CHECK_INT(save(1, big, NULL), CKPT_OK);
    ckpt_abandon(&t.job);
    memset(&d, 0, sizeof(d));
    d.store = &t.fs.base;
    d.size_max = 2048;
    CHECK_INT(ckpt_init(&t.ctx, &d), CKPT_OK);
    const uint64_t before = dump(t.root);
    CHECK_INT(query_whole(&t.ctx, "job", &t.info), CKPT_OK);
    CHECK_INT(t.info.state, CKPT_STATE_UNREADABLE);
    CHECK_INT(t.info.error.code, CKPT_ERR_TOO_LARGE);
    CHECK_INT(open_run("job"), CKPT_ERR_TOO_LARGE);
    CHECK(dump(t.root) == before);
}

// R1: a head full of rubbish is damage, whatever length it claims
static void a_wild_length_does_not_hide_the_generation_before(void)
{
    if (!setup_job()) {
        return;
    }
    memcpy(t.forged, t.whole, t.size);
    memcpy(strstr(t.forged, "\"length\":") + 9, "       999999999", 16);
    CHECK(older(t.forged, t.size));
    sign_head(t.forged, t.size - 1);            // nor is it if its sums say so
    CHECK(older(t.forged, t.size));
}

#define NAME_60 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz12345678"
#define META(members) BEGIN " \"meta\":{" members "},\n \"messages\":[" TAIL

// "Everything else is ours and strict": each with sums that are right, and with
// the counts that a reader would arrive at who overlooks what is wrong
static void a_body_must_be_what_we_write(void)
{
    static const struct {
        const char *body;
        counts      n;
    } good[] = {
        { INTRO TAIL, { 0, 0, 0, 0 } },
        { INTRO "1, 2" TAIL, { 2, 0, 0, 0 } },
        { INTRO " 1 " TAIL, { 1, 0, 0, 0 } },
        { INTRO "],\n \"phases\":[{\"name\":\"" NAME_60 NAME_60 NAME_60 NAME_60
          "\",\"output\":1}],\"effects\":[{\"turn\":1,\"epoch\":1,"
          "\"id\":\"a\",\"state\":\"begun\"}],\"held\":[{\"id\":\"a\","
          "\"steps\":1000000000000000000,\"timestep\":null}],"
          "\"state\":{}}", { 0, 1, 1, 1 } },
        { META("\"agent_id\":\"\",\"prompt\":\"\\ud800\""), { 0, 0, 0, 0 } },
        { META("\"prompt\":\"\""), { 0, 0, 0, 0 } },
        { META("\"agent_id\":\"a\",\"agent_name\":\"b\",\"task_id\":\"c\","
          "\"caller_id\":\"d\",\"channel_id\":\"e\",\"guild_id\":\"f\","
          "\"model_tier\":\"g\",\"parent_run_id\":\"h\",\"fingerprint\":\"i\","
          "\"prompt\":\"j\""), { 0, 0, 0, 0 } },
        { " \"run\":\"job\",\"birth\":\"0\",\"reason\":\"\",\n \"meta\":{},\n"
          " \"messages\":[" TAIL, { 0, 0, 0, 0 } }
    }, bad[] = {
        { "", { 0, 0, 0, 0 } }, { "}", { 0, 0, 0, 0 } },
        { INTRO, { 0, 0, 0, 0 } },
        { INTRO TAIL "}", { 0, 0, 0, 0 } }, { INTRO TAIL " ", { 0, 0, 0, 0 } },
        { INTRO "," TAIL, { 0, 0, 0, 0 } }, { INTRO "," TAIL, { 1, 0, 0, 0 } },
        { INTRO "," TAIL, { 2, 0, 0, 0 } },
        { INTRO "1," TAIL, { 1, 0, 0, 0 } },
        { INTRO "1," TAIL, { 2, 0, 0, 0 } },
        { INTRO "1 2" TAIL, { 1, 0, 0, 0 } },
        { INTRO "1 2" TAIL, { 2, 0, 0, 0 } },
        { INTRO "\"\xff\"" TAIL, { 1, 0, 0, 0 } },
        { INTRO "\"\n\"" TAIL, { 1, 0, 0, 0 } },
        { INTRO "nul" TAIL, { 1, 0, 0, 0 } },
        { INTRO "]" TAIL, { 0, 0, 0, 0 } },
        { " " INTRO TAIL, { 0, 0, 0, 0 } },
        { " \"run\": \"job\",\"birth\":\"a\",\"reason\":null,\n \"meta\":{},\n"
          " \"messages\":[" TAIL, { 0, 0, 0, 0 } },
        { " \"run\":job,\"birth\":\"a\",\"reason\":null,\n \"meta\":{},\n"
          " \"messages\":[" TAIL, { 0, 0, 0, 0 } },
        { " \"birth\":\"a\",\"run\":\"job\",\"reason\":null,\n \"meta\":{},\n"
          " \"messages\":[" TAIL, { 0, 0, 0, 0 } },
        { " \"run\":\"job\",\"reason\":null,\n \"meta\":{},\n"
          " \"messages\":[" TAIL, { 0, 0, 0, 0 } },
        { " \"run\":\"job\",\"birth\":\"a\",\n \"meta\":{},\n"
          " \"messages\":[" TAIL, { 0, 0, 0, 0 } },
        { " \"run\":\"job\",\"birth\":\"a\",\"reason\":1,\n \"meta\":{},\n"
          " \"messages\":[" TAIL, { 0, 0, 0, 0 } },
        { " \"run\":\"job\",\"birth\":\"a\",\"reason\":nil,\n \"meta\":{},\n"
          " \"messages\":[" TAIL, { 0, 0, 0, 0 } },
        { " \"run\":\"job\",\"birth\":\"a\",\"reason\":\"\n\",\n \"meta\":{},\n"
          " \"messages\":[" TAIL, { 0, 0, 0, 0 } },
        { " \"run\":\"job\",\"birth\":\"a\",\"reason\":,\n \"meta\":{},\n"
          " \"messages\":[" TAIL, { 0, 0, 0, 0 } },
        { " \"run\":\"job\",\"birth\":\"a\",\"reason\":null,\"meta\":{},\n"
          " \"messages\":[" TAIL, { 0, 0, 0, 0 } },
        { " \"meta\":{},\n \"run\":\"job\",\"birth\":\"a\",\"reason\":null,\n"
          " \"messages\":[" TAIL, { 0, 0, 0, 0 } },
        { META(" "), { 0, 0, 0, 0 } }, { META("\"x\":\"\""), { 0, 0, 0, 0 } },
        { META("\"agent_id\":1"), { 0, 0, 0, 0 } },
        { META("\"agent_id\":"), { 0, 0, 0, 0 } },
        { META("\"agent_id\":\"\","), { 0, 0, 0, 0 } },
        { META("\"task_id\":\"\",\"agent_id\":\"\""), { 0, 0, 0, 0 } },
        { META("\"agent_id\":\"\",\"agent_id\":\"\""), { 0, 0, 0, 0 } },
        { INTRO "],\n \"phases\":[]}", { 0, 0, 0, 0 } },
        { INTRO "],\n \"effects\":[]}", { 0, 0, 0, 0 } },
        { INTRO "],\n \"phases\":[1],\"effects\":[],\"held\":[],"
          "\"state\":{}}", { 0, 1, 0, 0 } },
        { INTRO "],\n \"phases\":[{\"name\":\"a\"}],\"effects\":[],\"held\":[],"
          "\"state\":{}}", { 0, 1, 0, 0 } },
        { INTRO "],\n \"phases\":[],\"effects\":[{\"turn\":1,\"epoch\":1,"
          "\"id\":\"a\",\"state\":\"maybe\"}],\"held\":[],"
          "\"state\":{}}", { 0, 0, 1, 0 } },
        { INTRO "],\n \"phases\":[],\"effects\":[{\"turn\":-1,\"epoch\":1,"
          "\"id\":\"a\",\"state\":\"begun\"}],\"held\":[],"
          "\"state\":{}}", { 0, 0, 1, 0 } },
        { INTRO "],\n \"phases\":[],\"effects\":[{\"turn\":9007199254740992,"
          "\"epoch\":1,\"id\":\"a\",\"state\":\"begun\"}],\"held\":[],"
          "\"state\":{}}", { 0, 0, 1, 0 } },
        { INTRO "],\n \"phases\":[],\"effects\":[{\"turn\":01,\"epoch\":1,"
          "\"id\":\"a\",\"state\":\"begun\"}],\"held\":[],"
          "\"state\":{}}", { 0, 0, 1, 0 } },
        { INTRO "],\n \"phases\":[],\"effects\":[{\"turn\":1}],\"held\":[],"
          "\"state\":{}}", { 0, 0, 1, 0 } },
        { INTRO "],\n \"phases\":[],\"effects\":[],\"held\":[{\"id\":\"a\","
          "\"steps\":10000000000000000000,\"timestep\":null}],"
          "\"state\":{}}", { 0, 0, 0, 1 } },
        { INTRO "],\n \"phases\":[{\"name\":\"" NAME_60 NAME_60 NAME_60 NAME_60
          "x\",\"output\":1}],\"effects\":[],\"held\":[],"
          "\"state\":{}}", { 0, 1, 0, 0 } },
        { INTRO "],\n \"phases\":[],\"effects\":[],\"held\":[{\"id\":\"a\"}],"
          "\"state\":{}}", { 0, 0, 0, 1 } },
        { INTRO "],\n \"phases\":[],\"effects\":[],\"held\":[],\"reason\":null,"
          "\"state\":{}}", { 0, 0, 0, 0 } },
        { INTRO "],\n \"phases\":[],\"effects\":[],\"held\":[],"
          "\"state\":[]}", { 0, 0, 0, 0 } },
        { INTRO "],\n \"phases\":[],\"effects\":[],\"held\":[],"
          "\"state\":{},\"more\":1}", { 0, 0, 0, 0 } }
    };
    if (!setup_job()) {
        return;
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (!CHECK(accepted(t.forged, forge_text(good[i].body, good[i].n)))) {
            printf("    %s\n", good[i].body);
        }
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (!CHECK(older(t.forged, forge_text(bad[i].body, bad[i].n)))) {
            printf("    %s\n", bad[i].body);
        }
    }
    const counts one = { 1, 0, 0, 0 };
    CHECK(older(t.forged, forge_body(INTRO "\"\0\"" TAIL,
                                     sizeof(INTRO "\"\0\"" TAIL) - 1, one)));
}

// The size of the forged record whose run was born under that nonce.
static size_t forge_birth(const char *birth)
{
    static char body[1000];
    snprintf(body, sizeof(body), " \"run\":\"job\",\"birth\":\"%s\",\"reason\":"
             "null,\n \"meta\":{},\n \"messages\":[" TAIL, birth);
    return forge_text(body, none);
}

static void a_birth_is_1_to_32_letters_and_digits(void)
{
    static const char *const good[] = {
        "a", "z", "0", "9", "0123456789abcdefghijklmnopqrstuv",
        "wxyzwxyzwxyzwxyzwxyzwxyzwxyzwxyz"
    };
    static const char *const bad[] = {
        "", "A", "aB", "0123456789abcdefghijklmnopqrstuvw", NAME_60 NAME_60,
        "a ", " a", "a-b", "a_b", "a.b", "a/b", "a`", "a{", "a:", "/0", "a%41",
        "a\\u0061", "\\u0061", "a\\n", "\\\\", "\\\"", "\xc3\xa9", "a\xc3\xa9",
        "a\x7f", "0123456789abcdefghijklmnopqrstu\\u0061",
        "0123456789abcdefghijklmnopqrstuv ",
        "0123456789abcdefghijklmnopqrst\xc3\xa9"
    };
    if (!setup_job()) {
        return;
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        CHECK(accepted(t.forged, forge_birth(good[i])));
        CHECK_STR(t.info.birth, good[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (!CHECK(older(t.forged, forge_birth(bad[i])))) {
            printf("    %s\n", bad[i]);
        }
    }
    for (int c = 1; c < 256; c++) {             // each byte, as the last one
        const char birth[] = { 'a', (char)c, '\0' };
        const bool fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        CHECK(fits ? accepted(t.forged, forge_birth(birth))
                   : older(t.forged, forge_birth(birth)));
    }
    // what was adopted is born then, too
    const size_t size = forge_birth(good[4]);
    CHECK(accepted(t.forged, size));
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK_STR(t.job.birth, good[4]);
    CHECK_INT(ckpt_load(&t.job, &t.last, t.buf, sizeof(t.buf)), CKPT_OK);
    CHECK_STR(t.last.birth, good[4]);
    CHECK_INT(t.job.epoch, 2);
    ckpt_abandon(&t.job);
    CHECK_INT(query_whole(&t.ctx, "job", &t.info), CKPT_OK);
    CHECK_STR(t.info.birth, good[4]);
}

// "in meta the long member (prompt) comes last"
static void the_prompt_is_the_last_member_of_the_metadata(void)
{
    static const char *const bad[] = {
        META("\"prompt\":\"\",\"agent_id\":\"\""),
        META("\"prompt\":\"\",\"model_tier\":\"\""),
        META("\"agent_id\":\"\",\"prompt\":\"\",\"fingerprint\":\"\""),
        META("\"prompt\":\"\",\"prompt\":\"\""),
        META("\"prompt\":\"\","), META("\"prompt\":"), META("\"prompt\":1"),
        META("\"prompt\":null"), META("\"prompt\": \"\""),
        META("\"agent_id\":\"\",\"prompt\":"), META("\"prompt\""),
        META("\"agent_id\":\"\"\"prompt\":\"\""), META("\"\""), META("\"x\"")
    };
    if (!setup_job()) {
        return;
    }
    CHECK(accepted(t.forged, forge_text(
        META("\"agent_id\":\"a\",\"prompt\":\"p\""), none)));
    CHECK_STR(t.info.agent_id, "a");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (!CHECK(older(t.forged, forge_text(bad[i], none)))) {
            printf("    %s\n", bad[i]);
        }
    }
    // nor is another one taken for it, with a front that ends behind its key
    static const char *const others[] = { "\"x\":", "\"\":", "\"prompt \":" };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        char body[300];
        snprintf(body, sizeof(body), BEGIN " \"meta\":{%s\"\"},\n"
                 " \"messages\":[" TAIL, others[i]);
        const size_t size = forge_text(body, none);
        const char *end = strstr(t.forged + HEAD, others[i]) +
                          strlen(others[i]);
        put_sum(t.forged + FRONT_AT,
                crc_of(0, t.forged + HEAD, (size_t)(end - t.forged) - HEAD));
        sign_head(t.forged, size);
        CHECK(older(t.forged, size));
    }
}

// "nested 100,000 deep", with a sum that is right
static void nesting_without_end_is_damaged(void)
{
    static char body[250000];
    const counts one = { 1, 0, 0, 0 };
    size_t n = strlen(INTRO);
    if (!setup_job()) {
        return;
    }
    for (size_t depth = CKPT_DEPTH_MAX; depth <= 100000; depth +=
         depth == CKPT_DEPTH_MAX ? 1 : 100000 - CKPT_DEPTH_MAX - 1) {
        memcpy(body, INTRO, n);
        memset(body + n, '[', depth);
        memset(body + n + depth, ']', depth);
        memcpy(body + n + 2 * depth, TAIL, sizeof(TAIL));
        const size_t size = forge_text(body, one);
        if (depth == CKPT_DEPTH_MAX) {
            CHECK(accepted(t.forged, size));
        } else {
            CHECK(older(t.forged, size));
        }
    }
    CHECK(unlink(t.prev) == 0);
    CHECK_INT(judge(t.forged, forge_text(body, one)), CKPT_STATE_DAMAGED);
    CHECK_INT(t.info.error.pos, HEAD + strlen(INTRO) + CKPT_DEPTH_MAX);
}

static size_t list_of(char *out, const char *before, const char *entry,
                      size_t count, const char *behind)
{
    size_t n = (size_t)sprintf(out, "%s", before);
    for (size_t i = 0; i < count; i++) {
        n += (size_t)sprintf(out + n, "%s%s", i > 0 ? "," : "", entry);
    }
    return n + (size_t)sprintf(out + n, "%s", behind);
}

static void lists_beyond_the_tables_are_left_alone(void)
{
    static char body[100000];
    static const struct {
        const char *before, *entry, *behind;
        size_t      max;
        int         kind;
    } rows[] = {
        { INTRO "],\n \"phases\":[", "{\"name\":\"p\",\"output\":1}",
          "],\"effects\":[],\"held\":[],\"state\":{}}",
          CKPT_PHASES_MAX, 0 },
        { INTRO "],\n \"phases\":[],\"effects\":[",
          "{\"turn\":1,\"epoch\":1,\"id\":\"e\",\"state\":\"begun\"}",
          "],\"held\":[],\"state\":{}}", CKPT_EFFECTS_MAX, 1 },
        { INTRO "],\n \"phases\":[],\"effects\":[],\"held\":[",
          "{\"id\":\"h\",\"steps\":-9223372036854775808,\"timestep\":null}",
          "],\"state\":{}}", CKPT_HELD_MAX, 2 }
    };
    if (!setup_job()) {
        return;
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t more = 0; more < 2; more++) {
            const size_t n = list_of(body, rows[i].before, rows[i].entry,
                                     rows[i].max + more, rows[i].behind);
            const size_t entries = rows[i].max + more;
            const counts c = { 0, rows[i].kind == 0 ? entries : 0,
                               rows[i].kind == 1 ? entries : 0,
                               rows[i].kind == 2 ? entries : 0 };
            const size_t size = forge_body(body, n, c);
            CHECK(more == 0 ? accepted(t.forged, size)
                            : judge(t.forged, size) == CKPT_STATE_NEWER);
            CHECK(more != 0 || t.info.phases + t.info.uncertain +
                  t.info.held == rows[i].max);
            // The head has no count of effects, so a scan cannot tell.
            CHECK_INT(ckpt_query(&t.ctx, "job", &t.info), CKPT_OK);
            CHECK_INT(t.info.state, more == 0 || rows[i].kind == 1 ?
                      CKPT_STATE_INTERRUPTED : CKPT_STATE_NEWER);
        }
    }
}

// L24: kept with its reason in its name; R3
static void a_damaged_checkpoint_is_set_aside_and_kept(void)
{
    char bad[400];
    static char kept[FILE_MAX];
    if (!setup_job()) {
        return;
    }
    t.whole[t.size / 2] ^= 1;
    put_file(t.current, t.whole, t.size);
    CHECK_INT(open_run("job"), CKPT_OK);
    CHECK(t.job.older && t.job.turn == 1);
    CHECK_INT(ckpt_load(&t.job, &t.last, t.buf, sizeof(t.buf)), CKPT_OLDER);
    CHECK(same(t.last.messages, "[\"one\"]"));
    DIR *dir = opendir(t.run);
    struct dirent *e;
    unsigned found = 0;
    while (dir != NULL && (e = readdir(dir)) != NULL) {
        if (strncmp(e->d_name, "bad.", 4) == 0) {
            found++;
            CHECK(strstr(e->d_name, "damaged") != NULL);
            snprintf(bad, sizeof(bad), "%.120s/%.30s", t.run, e->d_name);
            CHECK_INT(get_file(bad, kept), t.size);
            CHECK(memcmp(kept, t.whole, t.size) == 0);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    CHECK_INT(found, 1);
}

//--- Plants -------------------------------------------------------------------

typedef enum plant {
    PLANT_FIFO, PLANT_DIRECTORY, PLANT_SYMLINK, PLANT_DANGLING, PLANT_OWNER,
    PLANT_COUNT
} plant;

// Puts something in the place of what is at path, which is kept elsewhere.
static bool put_plant(const char *path, plant what)
{
    char away[300];
    struct stat st;
    snprintf(away, sizeof(away), "%s/away-%d", t.root, (int)what);
    (void)temp_dir_remove(away);
    if (lstat(path, &st) != 0 || rename(path, away) != 0) {
        return false;
    }
    switch (what) {
    case PLANT_FIFO:      return mkfifo(path, 0600) == 0;
    case PLANT_DIRECTORY: return S_ISDIR(st.st_mode) ?
                                 symlink("/", path) == 0 :
                                 mkdir(path, 0700) == 0;
    case PLANT_SYMLINK:   return symlink(away, path) == 0;
    case PLANT_DANGLING:  return symlink("nowhere", path) == 0;
    default:
        return rename(away, path) == 0 && chown(path, 65534, 65534) == 0;
    }
}

// Whether every way in is refused as foreign, and nothing changes.
static void check_foreign(void)
{
    ckpt_run_desc d;
    const uint64_t before = dump(t.root);
    memset(&d, 0, sizeof(d));
    d.id = "job";
    CHECK_INT(open_run("job"), CKPT_ERR_FOREIGN);
    CHECK_INT(ckpt_last_error(&t.ctx)->code, CKPT_ERR_FOREIGN);
    CHECK_STR(ckpt_last_error(&t.ctx)->msg,
              ckpt_code_message(CKPT_ERR_FOREIGN));
    CHECK_INT(ckpt_resume(&t.ctx, &t.job, &d), CKPT_ERR_FOREIGN);
    CHECK_INT(query_whole(&t.ctx, "job", &t.info), CKPT_OK);
    CHECK_INT(t.info.state, CKPT_STATE_FOREIGN);
    CHECK_INT(t.info.error.code, CKPT_ERR_FOREIGN);
    CHECK(dump(t.root) == before);
}

static void what_is_planted_as_a_checkpoint_is_foreign(void)
{
    for (int i = 0; i < PLANT_COUNT; i++) {
        if (i == PLANT_OWNER && geteuid() != 0) {
            test_skip("all but a foreign owner, which only root can plant");
            break;
        }
        if (i == PLANT_DIRECTORY) {
            continue;                   // is no file of the store
        }
        if (!setup_job()) {
            return;
        }
        CHECK(unlink(t.prev) == 0);
        CHECK(put_plant(t.current, (plant)i));
        check_foreign();
    }
}

static void what_is_planted_before_a_whole_checkpoint_is_passed_over(void)
{
    for (int i = 0; i < PLANT_COUNT; i++) {
        if (i == PLANT_OWNER && geteuid() != 0) {
            test_skip("all but a foreign owner, which only root can plant");
            break;
        }
        if (!setup_job()) {
            return;
        }
        CHECK(put_plant(t.current, (plant)i));
        CHECK_INT(query_whole(&t.ctx, "job", &t.info), CKPT_OK);
        CHECK_INT(t.info.state, CKPT_STATE_INTERRUPTED);
        CHECK(t.info.older && t.info.turn == 1);
        CHECK_INT(open_run("job"), CKPT_OK);
        CHECK_INT(ckpt_load(&t.job, &t.last, t.buf, sizeof(t.buf)),
                  CKPT_OLDER);
        CHECK(same(t.last.messages, "[\"one\"]"));
        CHECK_INT(save(3, "[3]", NULL), CKPT_OK);
        CHECK_INT(ckpt_load(&t.job, &t.last, t.buf, sizeof(t.buf)), CKPT_OK);
        char away[300];                         // what a link points to
        snprintf(away, sizeof(away), "%s/away-%d", t.root, i);
        CHECK(i == PLANT_OWNER || (get_file(away, t.forged) == t.size &&
              memcmp(t.forged, t.whole, t.size) == 0));
    }
}

static void what_is_planted_as_a_heartbeat_is_foreign(void)
{
    for (int i = 0; i < PLANT_COUNT; i++) {
        char path[400];
        if (i == PLANT_OWNER && geteuid() != 0) {
            test_skip("all but a foreign owner, which only root can plant");
            break;
        }
        if (i == PLANT_DIRECTORY) {
            continue;                   // is no file of the store
        }
        if (!setup_job()) {
            return;
        }
        snprintf(path, sizeof(path), "%s/heartbeat.1", t.run);
        CHECK(put_plant(path, (plant)i));
        check_foreign();
    }
}

static void what_is_planted_as_a_run_is_foreign(void)
{
    for (int i = 0; i < PLANT_COUNT; i++) {
        ckpt_run_desc d;
        if (i == PLANT_OWNER && geteuid() != 0) {
            test_skip("all but a foreign owner, which only root can plant");
            break;
        }
        if (!setup_job()) {
            return;
        }
        CHECK(put_plant(t.run, (plant)i));
        check_foreign();
        memset(&d, 0, sizeof(d));
        d.id = "job";
        const uint64_t before = dump(t.root);
        CHECK(ckpt_start(&t.ctx, &t.job, &d) < 0);
        CHECK(dump(t.root) == before);
    }
    if (!setup_job()) {
        return;
    }
    (void)temp_dir_remove(t.run);
    put_file(t.run, "x", 1);
    check_foreign();
}

static bool ignore_run(void *user, const ckpt_run_info *info)
{
    (void)user;
    (void)info;
    return true;
}

// R3: "Nothing in a run is changed by looking"
static void looking_changes_nothing(void)
{
    ckpt_run_info infos[4];
    size_t n;
    if (!setup_job()) {
        return;
    }
    for (int i = 0; i < 4; i++) {
        if (i == 1) {
            t.whole[HEAD + 20] ^= 4;
            put_file(t.current, t.whole, t.size);
        } else if (i == 2) {
            CHECK(unlink(t.prev) == 0);
        } else if (i == 3) {
            put_file(t.current, "", 0);
        }
        const uint64_t before = dump(t.root);
        CHECK_INT(query_whole(&t.ctx, "job", &t.info), CKPT_OK);
        CHECK_INT(ckpt_scan(&t.ctx, 0, ignore_run, NULL), CKPT_OK);
        CHECK_INT(ckpt_stale(&t.ctx, 0, infos, 4, &n), CKPT_OK);
        CHECK_INT(ckpt_verify(&t.ctx, "job", NULL),
                  i == 0 ? CKPT_OK : CKPT_ERR_DAMAGED);
        (void)!ckpt_latest(&t.ctx, "nobody", NULL, &t.info);
        CHECK(dump(t.root) == before);
    }
}

//--- Golden files -------------------------------------------------------------

// Makes a run of a file in tests/data/, of which nothing else is there, and
// looks at it: what was saved last is in t.info.
static bool put_golden(const char *name, const char *id, ckpt_run_state state)
{
    char path[512], dir[400];
    if (!setup()) {
        return false;
    }
    snprintf(path, sizeof(path), "%s", __FILE__);
    char *slash = strrchr(path, '/');
    snprintf(slash != NULL ? slash + 1 : path, 64, "../data/%s", name);
    t.size = get_file(path, t.whole);
    if (!CHECK(t.size > HEAD)) {
        printf("    cannot read %s\n", path);
        return false;
    }
    ckpt_bytes json = ckpt_text(t.whole);
    CHECK_INT(ckpt_json_check(json, NULL), CKPT_OK);
    char id_name[256];
    ckpt_store_fs_name(id, id_name);
    snprintf(dir, sizeof(dir), "%s/%.100s", t.root, id_name);
    CHECK(mkdir(dir, 0700) == 0);
    snprintf(path, sizeof(path), "%s/checkpoint.%d.json", dir,
             (int)number_of(json, "epoch"));
    put_file(path, t.whole, t.size);
    CHECK_INT(query_whole(&t.ctx, id, &t.info), CKPT_OK);
    CHECK_INT(t.info.state, state);
    CHECK(!t.info.older && t.info.size == t.size - 1);
    CHECK_INT(t.info.epoch, number_of(json, "epoch"));
    CHECK_INT(ckpt_verify(&t.ctx, id, NULL), CKPT_OK);
    char birth[64];
    snprintf(birth, sizeof(birth), "\"%s\"", t.info.birth);
    return CHECK(same(ckpt_json_get(json, "birth"), birth));
}

// The same of a run that was interrupted, which is resumed and loaded. What is
// loaded is adopted, so epoch and attempt are one more.
static bool load_golden(const char *name, const char *id)
{
    return put_golden(name, id, CKPT_STATE_INTERRUPTED) &&
           CHECK_INT(t.info.epoch, 1) && CHECK_INT(open_run(id), CKPT_OK) &&
           CHECK_INT(ckpt_load(&t.job, &t.last, t.buf, sizeof(t.buf)),
                     CKPT_OK) &&
           CHECK_STR(t.last.birth, t.info.birth) &&
           CHECK(!t.info.once && !t.info.lost);
}

static void format_1_of_a_run_that_has_begun_loads(void)
{
    if (!load_golden("format1-begun.json", "begun run/1")) {
        return;
    }
    CHECK(t.info.seq == 1 && t.info.turn == 0 && t.info.attempt == 0);
    CHECK_INT(t.info.outcome, CKPT_RUNNING);
    CHECK_INT(t.info.saved_at_ms, INT64_C(1700000000000));
    CHECK(t.last.seq == 2 && t.last.epoch == 2 && t.last.attempt == 1);
    CHECK(same(t.last.messages, "[]") && same(t.last.state, "{}"));
    CHECK(t.last.meta.agent_id == NULL && t.last.meta.fingerprint == NULL);
    CHECK(t.last.reason == NULL);
}

static void format_1_of_a_run_that_has_saved_loads(void)
{
    if (!load_golden("format1-saved.json", "invoice-4711")) {
        return;
    }
    CHECK(t.info.seq == 3 && t.info.turn == 7 && t.info.turn_max == 9);
    CHECK_INT(t.info.saved_at_ms, INT64_C(1700000001500));
    CHECK_STR(t.last.meta.agent_id, "clerk");
    CHECK_STR(t.last.meta.agent_name, "Clerk \"7\"\n");
    CHECK_STR(t.last.meta.task_id, "t-1");
    CHECK_STR(t.last.meta.caller_id, "caller");
    CHECK_STR(t.last.meta.channel_id, "channel");
    CHECK_STR(t.last.meta.guild_id, "guild");
    CHECK_STR(t.last.meta.prompt, "Check it: \xe2\x82\xac \xf0\x9f\x98\x80");
    CHECK_STR(t.last.meta.model_tier, "large");
    CHECK_STR(t.last.meta.parent_run_id, "invoice-4710");
    CHECK_STR(t.last.meta.fingerprint, "v1");
    CHECK(same(t.last.messages, "[{\"role\":\"user\",\"content\":"
               "\"caf\xc3\xa9 \\u0041\"}, {\"role\":\"assistant\"},9]"));
    CHECK(same(t.last.state, "{ \"n\" : 1.50 }"));
    CHECK_INT(t.job.messages, 3);
    CHECK_INT(t.last.turn, 7);
    CHECK_INT(t.last.turn_max, 9);
}

static void format_1_with_phases_effects_and_held_loads(void)
{
    ckpt_effect e;
    ckpt_held h;
    char buf[64];
    size_t size = 0;
    if (!load_golden("format1-lists.json", "\xff%../A")) {
        return;
    }
    CHECK(t.info.phases == 3 && t.info.uncertain == 1 && t.info.held == 2);
    CHECK(same(t.last.phases, "[{\"name\":\"plan\",\"output\":{\"a\":[1]}},"
               "{\"name\":\"ask \\\"it\\\"\",\"output\":null},"
               "{\"name\":\"plan\",\"output\":\"2\"}]"));
    CHECK(!ckpt_phase(&t.job, "plan") && !ckpt_phase(&t.job, "plan"));
    CHECK(ckpt_phase(&t.job, "plan"));
    CHECK(!ckpt_phase(&t.job, "ask \"it\""));
    CHECK_INT(ckpt_phase_output(&t.job, "plan", buf, sizeof(buf), &size),
              CKPT_OK);
    CHECK(size == 3 && memcmp(buf, "\"2\"", 3) == 0);
    memset(&e, 0, sizeof(e));
    CHECK_INT(ckpt_effect_next(&t.job, &e), CKPT_OK);
    CHECK_STR(e.id, "call_1");
    CHECK(e.turn == 3 && e.state == CKPT_EFFECT_ENDED);
    CHECK_INT(ckpt_effect_result(&t.job, &e, buf, sizeof(buf), &size),
              CKPT_OK);
    CHECK(size == 8 && memcmp(buf, "{\"ok\":1}", 8) == 0);
    CHECK_INT(ckpt_effect_next(&t.job, &e), CKPT_OK);
    CHECK_STR(e.id, "call_\xe2\x82\xac");
    CHECK(e.turn == 3 && e.state == CKPT_EFFECT_UNCERTAIN);
    CHECK_INT(ckpt_effect_next(&t.job, &e), CKPT_END);
    memset(&h, 0, sizeof(h));
    CHECK_INT(ckpt_held_next(&t.job, &h), CKPT_OK);
    CHECK_STR(h.id, "env-1");
    CHECK(h.step_count == 42 && h.timestep_size == 7);
    CHECK_INT(ckpt_held_next(&t.job, &h), CKPT_OK);
    CHECK(h.step_count == INT64_MIN && h.timestep_size == 4);
    CHECK_INT(ckpt_held_next(&t.job, &h), CKPT_END);
}

static void format_1_of_an_interrupted_run_loads(void)
{
    if (!load_golden("format1-interrupted.json", "interrupted")) {
        return;
    }
    CHECK_INT(t.info.outcome, CKPT_INTERRUPTED);
    CHECK_STR(t.info.reason, "shut down: \"now\"\n\xef\xbf\xbd");
    CHECK_STR(t.last.reason, "shut down: \"now\"\n\xef\xbf\xbd");
    CHECK(t.info.turn == 5 && t.info.seq == 2 && t.info.attempt == 0);
    CHECK_INT(t.last.attempt, 1);
    CHECK_INT(t.last.outcome, CKPT_RUNNING);
    CHECK(same(t.last.messages, "[1]") && same(t.last.state, "{\"s\":[]}"));
    CHECK_INT(t.info.saved_at_ms, INT64_C(1700000000000));
}

static void format_1_of_a_done_run_says_that_its_work_is_done(void)
{
    if (!put_golden("format1-done.json", "done", CKPT_STATE_DONE)) {
        return;
    }
    CHECK(t.info.outcome == CKPT_DONE && t.info.once && !t.info.lost);
    CHECK(t.info.seq == 3 && t.info.turn == 4 && t.info.attempt == 0);
    CHECK(t.info.messages == 2 && t.info.phases == 1 && t.info.held == 0);
    CHECK_STR(t.info.reason, "all paid");
    CHECK_STR(t.info.agent_id, "clerk");
    const uint64_t before = dump(t.root);
    CHECK_INT(open_run("done"), CKPT_FINISHED);
    CHECK(!ckpt_phase(&t.job, "pay") && !ckpt_due(&t.job, 5));
    CHECK_INT(save(5, "[]", NULL), CKPT_FINISHED);
    CHECK_INT(ckpt_retry(&t.ctx, &t.job, "done"), CKPT_FINISHED);
    CHECK(dump(t.root) == before);
    CHECK_INT(ckpt_remove(&t.ctx, &t.job, "done"), CKPT_OK);
    CHECK_INT(query_whole(&t.ctx, "done", &t.info), CKPT_ERR_NOT_FOUND);
}

static void format_1_of_a_dead_run_is_kept_until_it_is_retried(void)
{
    ckpt_effect e;
    ckpt_held h;
    if (!put_golden("format1-dead.json", "dead", CKPT_STATE_FAILED)) {
        return;
    }
    CHECK(t.info.outcome == CKPT_DEAD && !t.info.once && !t.info.lost);
    CHECK(t.info.seq == 4 && t.info.turn == 2 && t.info.messages == 1);
    CHECK(t.info.uncertain == 1 && t.info.held == 1);
    CHECK_STR(t.info.reason, "no answer");
    CHECK_STR(t.info.task_id, "t-9");
    const uint64_t before = dump(t.root);
    CHECK_INT(open_run("dead"), CKPT_ERR_FAILED);
    CHECK_INT(ckpt_remove(&t.ctx, &t.job, "dead"), CKPT_ERR_HELD);
    CHECK(dump(t.root) == before);
    CHECK_INT(ckpt_retry(&t.ctx, &t.job, "dead"), CKPT_OK);
    CHECK_INT(open_run("dead"), CKPT_OK);
    CHECK_INT(ckpt_load(&t.job, &t.last, t.buf, sizeof(t.buf)), CKPT_OK);
    CHECK_STR(t.last.birth, t.info.birth);
    CHECK_STR(t.last.meta.prompt, "Try.");
    CHECK(same(t.last.messages, "[\"try\"]") && same(t.last.state, "{}"));
    memset(&e, 0, sizeof(e));
    memset(&h, 0, sizeof(h));
    CHECK_INT(ckpt_effect_next(&t.job, &e), CKPT_OK);
    CHECK_STR(e.id, "call_1");
    CHECK(e.turn == 2 && e.state == CKPT_EFFECT_UNCERTAIN);
    CHECK_INT(ckpt_held_next(&t.job, &h), CKPT_OK);
    CHECK_STR(h.id, "env-1");
    CHECK_INT(h.step_count, 7);
}

static void format_1_of_a_lost_run_is_kept_and_cannot_be_retried(void)
{
    if (!put_golden("format1-lost.json", "lost", CKPT_STATE_FAILED)) {
        return;
    }
    CHECK(t.info.outcome == CKPT_DEAD && t.info.lost);
    CHECK(t.info.seq == 3 && t.info.turn == 0 && t.info.messages == 0);
    CHECK_STR(t.info.reason, "nothing was whole");
    const uint64_t before = dump(t.root);
    CHECK_INT(open_run("lost"), CKPT_ERR_FAILED);
    CHECK_INT(ckpt_retry(&t.ctx, &t.job, "lost"), CKPT_ERR_DAMAGED);
    CHECK(dump(t.root) == before);
    CHECK_INT(ckpt_remove(&t.ctx, &t.job, "lost"), CKPT_OK);
    CHECK_INT(query_whole(&t.ctx, "lost", &t.info), CKPT_ERR_NOT_FOUND);
}

static void format_1_of_a_removed_run_is_removed(void)
{
    if (!put_golden("format1-removed.json", "removed", CKPT_STATE_FINISHED)) {
        return;
    }
    CHECK(t.info.outcome == CKPT_REMOVED && t.info.once && !t.info.lost);
    CHECK(t.info.seq == 3 && t.info.turn == 6);
    char birth[CKPT_NONCE_MAX + 1];
    memcpy(birth, t.info.birth, sizeof(birth));
    CHECK_INT(open_run("removed"), CKPT_OK);    // it begins anew
    CHECK(!t.job.resumed && t.job.epoch == 1 && t.job.turn == 0);
    CHECK(strcmp(t.job.birth, birth) != 0);
    CHECK_INT(ckpt_load(&t.job, &t.last, t.buf, sizeof(t.buf)), CKPT_OK);
    CHECK(same(t.last.messages, "[]") && same(t.last.state, "{}"));
    CHECK_STR(t.last.birth, t.job.birth);
}
