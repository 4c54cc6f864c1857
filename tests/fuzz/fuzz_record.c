// SPDX-License-Identifier: MIT-0
// fuzz_record.c -- the decoder of checkpoints
//
// A run with one checkpoint and a dead owner; the input decides what stands in
// checkpoint.1.json. Its first byte is an OR of:
//      1   the input is a list of changes to a good record, else the record
//      2   length, counts and sums are made right, so that what is behind them
//          is reached, too
//      4   the good record stands there as the one before it
// Whatever it is, it is refused and left alone, or it is what its sums say, it
// is JSON, and it survives a save, a load and a new message unchanged; or it
// says how the run ended, and that is what is done with it.
#include "fuzz.h"

#include "crc.h"

#define FILE_1    "/runs/r-job/checkpoint.1.json"
#define FILE_PREV "/runs/r-job/checkpoint.1.prev.json"
#define HEAD_SIZE 450
#define LENGTH_AT 73                    // where its length stands
#define CRC_AT    17                    // and the digits of its sums
#define SUM_AT    35
#define FRONT_AT  54

static sim_disk *base;
static sim_blob *good;                  // the record on it

static ckpt_ctx *new_ctx(ckpt_store_fs *fs)
{
    static ckpt_ctx ctx;
    ckpt_desc desc;
    memset(&desc, 0, sizeof(desc));
    desc.store = &fs->base;
    desc.owner = "fuzz";
    desc.throttle_ms = CKPT_OFF;
    desc.resume_max = CKPT_UNLIMITED;
    FUZZ_CHECK(ckpt_init(&ctx, &desc) == CKPT_OK);
    return &ctx;
}

static int nothing(void *user, const ckpt_env *env, void *out)
{
    (void)user, (void)env, (void)out;
    return 0;
}

// What a run can hold, some of everything.
static void fill_run(ckpt_run *run)
{
    ckpt_save_desc save;
    ckpt_effect effect;
    ckpt_env env;
    ckpt_env_desc held;
    memset(&save, 0, sizeof(save));
    save.anew = true;
    memset(&held, 0, sizeof(held));
    save.turn = 7;
    save.messages = ckpt_text("[{\"role\":\"user\"},\"a\\u00e9\",3]");
    save.state = ckpt_text("{\"k\":[1,true,null]}");
    FUZZ_CHECK(ckpt_phase_end(run, "plan", ckpt_text("{\"ok\":1}"), &save) ==
               CKPT_OK);
    save.messages = save.state = ckpt_text(NULL);
    FUZZ_CHECK(ckpt_effect_begin(run, "call-1", &save, &effect) == CKPT_OK);
    FUZZ_CHECK(ckpt_effect_begin(run, "call-2", &save, &effect) == CKPT_OK);
    FUZZ_CHECK(ckpt_effect_end(run, "call-1", ckpt_text("[2]")) == CKPT_OK);
    held.id = "box";
    held.restore = nothing;
    held.step_count = -12;
    held.run = run;
    FUZZ_CHECK(ckpt_env_init(&env, &held) == CKPT_OK);
    ckpt_finish_desc finish;
    memset(&finish, 0, sizeof(finish));
    finish.reason = "so far";
    FUZZ_CHECK(ckpt_finish(run, CKPT_INTERRUPTED, &finish) == CKPT_OK);
}

static void make_base(void)
{
    static ckpt_run run;
    ckpt_store_fs fs;
    ckpt_run_desc desc;
    size_t size;
    base = sim_disk_new(1);
    sim_proc *p = fuzz_proc(base, 100);
    memset(&desc, 0, sizeof(desc));
    desc.id = "job";
    desc.meta.agent_id = "clerk";
    desc.meta.prompt = "say \"hi\"\n";
    desc.meta.fingerprint = "v1";
    FUZZ_CHECK(fuzz_store(&fs, p) == CKPT_OK);
    FUZZ_CHECK(ckpt_open(new_ctx(&fs), &run, &desc) == CKPT_OK);
    fill_run(&run);
    fuzz_store_end(&fs, p);
    sim_kill(p);
    const unsigned char *bytes = sim_get(base, FILE_1, &size);
    FUZZ_CHECK(bytes != NULL);
    good = sim_blob_new(bytes, size);
    sim_place at;
    if (sim_path(base, FILE_PREV, &at) == 0 && at.node != NULL) {
        sim_names_remove(&at.dir->names, at.name);
    }
    sim_settle(base);
}

//--- The record of an input ---------------------------------------------------

// How long a record is without the space behind it.
static size_t record_size(const uint8_t *p, size_t size)
{
    while (size > 0 && memchr(" \n\r\t", p[size - 1], 4) != NULL) {
        size--;
    }
    return size;
}

// Where the front ends: what a scan reads, up to the prompt and with its key.
static size_t front_end(const uint8_t *p, size_t size)
{
    static const char *const marks[] = { "\"prompt\":", "},\n \"messages\":[" };
    for (size_t k = 0; k < 2; k++) {
        const size_t n = strlen(marks[k]);
        for (size_t i = HEAD_SIZE; i + n <= size; i++) {
            if (memcmp(p + i, marks[k], n) == 0) {
                return k == 0 ? i + n : i;
            }
        }
    }
    return size;
}

// The sums of a record: of its front; of its head, but for the digits of the
// sums over it; of its body, then of its head without this sum.
typedef struct sums {
    char front[9], head[9], crc[9];
} sums;

static void put_sum(char out[9], uint32_t sum)
{
    snprintf(out, 9, "%08x", (unsigned)sum);
}

static sums sums_of(const uint8_t *p, size_t size)
{
    sums s;
    uint32_t sum = crc_of(0, p, CRC_AT);
    sum = crc_of(sum, p + CRC_AT + 8, SUM_AT - CRC_AT - 8);
    put_sum(s.head, crc_of(sum, p + SUM_AT + 8, HEAD_SIZE - SUM_AT - 8));
    put_sum(s.front, crc_of(0, p + HEAD_SIZE, front_end(p, size) - HEAD_SIZE));
    sum = crc_of(crc_of(0, p + HEAD_SIZE, size - HEAD_SIZE), p, CRC_AT);
    put_sum(s.crc, crc_of(sum, p + CRC_AT + 8, HEAD_SIZE - CRC_AT - 8));
    return s;
}

// How many items a list has, or how many of its effects are begun.
static size_t count_of(ckpt_bytes all, const char *list, bool begun)
{
    const ckpt_bytes items = ckpt_json_get(all, list);
    ckpt_bytes key, item;
    size_t n = 0;
    for (size_t at = 0; ckpt_json_next(items, &at, &key, &item); ) {
        n += !begun || fuzz_same(ckpt_json_get(item, "state"),
                                 ckpt_text("\"begun\""));
    }
    return n;
}

// The counts of a head, for a record that is JSON.
typedef struct counts {
    size_t n[4];
} counts;

static const size_t counts_at[4] = { 325, 351, 380, 404 };

static counts counts_of(const uint8_t *p, size_t size)
{
    ckpt_bytes all;
    counts c;
    all.ptr = p;
    all.len = size;
    c.n[0] = count_of(all, "messages", false);
    c.n[1] = count_of(all, "phases", false);
    c.n[2] = count_of(all, "effects", true);
    c.n[3] = count_of(all, "held", false);
    return c;
}

static void make_right(uint8_t *p, size_t all)
{
    char text[24];
    const size_t size = record_size(p, all);
    if (size < HEAD_SIZE) {
        return;
    }
    snprintf(text, sizeof(text), "%16zu", size);
    memcpy(p + LENGTH_AT, text, 16);
    ckpt_bytes json;
    json.ptr = p;
    json.len = size;
    if (ckpt_json_check(json, NULL) == CKPT_OK) {
        const counts c = counts_of(p, size);
        for (size_t i = 0; i < 4; i++) {
            snprintf(text, sizeof(text), "%16zu", c.n[i]);
            memcpy(p + counts_at[i], text, 16);
        }
    }
    memcpy(p + FRONT_AT, sums_of(p, size).front, 8);
    memcpy(p + SUM_AT, sums_of(p, size).head, 8);
    memcpy(p + CRC_AT, sums_of(p, size).crc, 8);
}

// Applies changes (where, how many bytes go, how many come, these) to the good
// record.
static sim_blob *change(fuzz_in *in)
{
    sim_blob *b = sim_blob_new(good->bytes, good->len);
    for (int n = 0; in->left > 0 && n < 16; n++) {
        const size_t at = fuzz_word(in) % (b->len + 1);
        const unsigned sizes = fuzz_byte(in);
        const size_t left = b->len - at;
        const size_t gone = sizes >> 4 < left ? sizes >> 4 : left;
        const ckpt_bytes bytes = fuzz_take(in, sizes & 15);
        sim_blob *next = sim_blob_new(b->bytes, at);
        next = sim_blob_write(next, at, bytes.ptr, bytes.len);
        next = sim_blob_write(next, next->len, b->bytes + at + gone,
                              left - gone);
        sim_blob_drop(b);
        b = next;
    }
    return b;
}

static sim_blob *make_record(unsigned how, fuzz_in *in)
{
    sim_blob *b = how & 1 ? change(in) : sim_blob_new(in->at, in->left);
    if (how & 2) {
        make_right(b->bytes, b->len);
    }
    return b;
}

//--- What a run says ----------------------------------------------------------

typedef struct content {
    ckpt_checkpoint at;
    void           *buf;
} content;

static void content_load(ckpt_run *run, content *c)
{
    const size_t size = (size_t)run->checkpoint_size;
    c->buf = malloc(size);
    const ckpt_code rc = ckpt_load(run, &c->at, c->buf, size);
    FUZZ_CHECK(rc == CKPT_OK || rc == CKPT_OLDER);
}

static bool same_text(const char *a, const char *b)
{
    return (a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0);
}

static void check_same_but_messages(const content *a, const content *b)
{
    ckpt_meta left = a->at.meta, right = b->at.meta;
    for (uint32_t i = 0; i < CKPT__META_COUNT; i++) {
        FUZZ_CHECK(same_text(ckpt__meta_text(&left, i),
                             ckpt__meta_text(&right, i)));
    }
    FUZZ_CHECK(a->at.turn == b->at.turn && a->at.turn_max == b->at.turn_max);
    FUZZ_CHECK(fuzz_same(a->at.phases, b->at.phases));
    FUZZ_CHECK(fuzz_same(a->at.effects, b->at.effects));
    FUZZ_CHECK(fuzz_same(a->at.held, b->at.held));
    FUZZ_CHECK(fuzz_same(a->at.state, b->at.state));
    FUZZ_CHECK(same_text(a->at.reason, b->at.reason));
    FUZZ_CHECK(same_text(a->at.birth, b->at.birth));
}

// Whether the sections that were loaded are those of a record.
static bool is_of(const sim_blob *b, const content *c)
{
    const ckpt_bytes all = { b->bytes, record_size(b->bytes, b->len) };
    char birth[CKPT_NONCE_MAX + 1];
    return ckpt_json_text(ckpt_json_get(all, "birth"), birth, sizeof(birth),
                          NULL) == CKPT_OK &&
           strcmp(birth, c->at.birth) == 0 &&
           fuzz_same(ckpt_json_get(all, "messages"), c->at.messages) &&
           fuzz_same(ckpt_json_get(all, "phases"), c->at.phases) &&
           fuzz_same(ckpt_json_get(all, "effects"), c->at.effects) &&
           fuzz_same(ckpt_json_get(all, "held"), c->at.held) &&
           fuzz_same(ckpt_json_get(all, "state"), c->at.state);
}

// What was adopted is what its own sum says, and JSON all through, with the
// sections that were loaded from it.
static void check_record(const sim_blob *b, const content *c)
{
    ckpt_bytes all;
    const size_t size = record_size(b->bytes, b->len);
    int64_t length = -1;
    FUZZ_CHECK(size > HEAD_SIZE && b->bytes[HEAD_SIZE - 1] == '\n');
    const sums s = sums_of(b->bytes, size);
    FUZZ_CHECK(memcmp(s.front, b->bytes + FRONT_AT, 8) == 0);
    FUZZ_CHECK(memcmp(s.head, b->bytes + SUM_AT, 8) == 0);
    FUZZ_CHECK(memcmp(s.crc, b->bytes + CRC_AT, 8) == 0);
    all.ptr = b->bytes;
    all.len = size;
    const ckpt_code rc = ckpt_json_check(all, NULL);
    FUZZ_CHECK(rc == CKPT_OK || rc == CKPT_ERR_DEPTH);
    if (rc == CKPT_OK) {
        FUZZ_CHECK(ckpt_json_number(ckpt_json_get(all, "length"), &length) ==
                   CKPT_OK);
        FUZZ_CHECK((size_t)length == size);
        const counts n = counts_of(b->bytes, size);
        const ckpt_bytes told = ckpt_json_get(all, "count");
        static const char *const names[] = { "messages", "phases", "uncertain",
                                             "held" };
        for (size_t i = 0; i < 4; i++) {
            int64_t count = -1;
            FUZZ_CHECK(ckpt_json_number(ckpt_json_get(told, names[i]),
                                        &count) == CKPT_OK);
            FUZZ_CHECK((size_t)count == n.n[i]);
        }
        FUZZ_CHECK(c->at.birth[0] != '\0' && is_of(b, c));
    }
}

// Everything that can be asked ends, whatever it says about odd names.
static void walk(ckpt_run *run)
{
    char buf[256];
    size_t size;
    ckpt_effect effect;
    ckpt_held held;
    ckpt_note_info note;
    ckpt_code rc;
    memset(&effect, 0, sizeof(effect));
    memset(&held, 0, sizeof(held));
    while ((rc = ckpt_effect_next(run, &effect)) == CKPT_OK) {
        (void)!ckpt_effect_result(run, &effect, buf, sizeof(buf), &size);
    }
    FUZZ_CHECK(rc == CKPT_END || rc == CKPT_ERR_DAMAGED);
    while ((rc = ckpt_held_next(run, &held)) == CKPT_OK) {
        (void)!ckpt_held_timestep(run, held.id, buf, sizeof(buf), &size);
    }
    FUZZ_CHECK(rc == CKPT_END || rc == CKPT_ERR_DAMAGED);
    (void)!ckpt_phase_output(run, "plan", buf, sizeof(buf), &size);
    (void)ckpt_phase(run, "plan");
    (void)!ckpt_note(run, &note, buf, sizeof(buf));
}

//--- One input ----------------------------------------------------------------

static void check_append(ckpt_run *run, const content *before)
{
    ckpt_save_desc save;
    content after;
    memset(&save, 0, sizeof(save));
    save.anew = true;
    save.turn = run->turn;
    save.force = true;
    save.append_at = run->messages;
    save.messages = ckpt_text("[\"new\"]");
    if (ckpt_save(run, &save) != CKPT_OK) {
        return;                                 // at the end of the numbers
    }
    content_load(run, &after);
    const ckpt_bytes old = before->at.messages, now = after.at.messages;
    FUZZ_CHECK(now.len > old.len);
    FUZZ_CHECK(memcmp(old.ptr, now.ptr, old.len - 1) == 0);
    FUZZ_CHECK(memcmp((const char *)now.ptr + now.len - 6, "\"new\"]", 6) ==
               0);
    FUZZ_CHECK(ckpt_json_check(now, NULL) == CKPT_OK);
    FUZZ_CHECK(ckpt_effect_end(run, "call-2", ckpt_text("4")) <= CKPT_OK);
    free(after.buf);
}

// prev: there was a good record besides. If the other one is torn, and was not
// acknowledged, that one is adopted without a word.
static void check_adopted(ckpt_run *run, const sim_blob *b, bool prev)
{
    content first, second;
    ckpt_save_desc save;
    FUZZ_CHECK(run->resumed);
    content_load(run, &first);
    FUZZ_CHECK(ckpt_json_check(first.at.state, NULL) == CKPT_OK);
    FUZZ_CHECK(ckpt_json_check(first.at.messages, NULL) != CKPT_ERR_JSON);
    if (!run->older && !(prev && is_of(good, &first))) {
        check_record(b, &first);
    }
    walk(run);
    memset(&save, 0, sizeof(save));
    save.anew = true;
    save.turn = run->turn;
    save.force = true;
    if (ckpt_save(run, &save) == CKPT_OK) {
        content_load(run, &second);
        check_same_but_messages(&first, &second);
        FUZZ_CHECK(fuzz_same(first.at.messages, second.at.messages));
        free(second.buf);
        check_append(run, &first);
    } else {
        FUZZ_CHECK(run->error.code == CKPT_ERR_TOO_LARGE);
    }
    free(first.buf);
}

// What cannot be opened stays as it is, unless it was completed and is removed.
static void check_refused(sim_disk *disk, const sim_blob *b,
                          const ckpt_run_info *info, ckpt_code rc)
{
    size_t size;
    const unsigned char *bytes = sim_get(disk, FILE_1, &size);
    FUZZ_CHECK((rc == CKPT_ERR_FAILED) == (info->state == CKPT_STATE_FAILED));
    FUZZ_CHECK((rc == CKPT_FINISHED) == (info->state == CKPT_STATE_DONE ||
               (info->state == CKPT_STATE_FINISHED &&
                info->outcome == CKPT_COMPLETED)));
    if (info->state == CKPT_STATE_FINISHED) {
        FUZZ_CHECK(bytes == NULL);
    } else {
        FUZZ_CHECK(bytes != NULL && size == b->len);
        FUZZ_CHECK(size == 0 || memcmp(bytes, b->bytes, size) == 0);
    }
}

// What failed or was removed, but not wholly, makes room for a run that begins.
static void check_anew(const ckpt_run *run, const ckpt_run_info *info)
{
    FUZZ_CHECK(info->outcome == CKPT_FAILED || info->outcome == CKPT_REMOVED);
    FUZZ_CHECK(!run->resumed && run->epoch == 1 && run->messages == 0);
    FUZZ_CHECK(strcmp(run->birth, info->birth) != 0);
}

static void fuzz_one(const uint8_t *data, size_t size)
{
    static ckpt_run run;
    fuzz_in in = { data, size };
    ckpt_store_fs fs;
    ckpt_run_info info, quick;
    ckpt_run_desc desc;
    if (base == NULL) {
        make_base();
    }
    const unsigned how = fuzz_byte(&in);
    sim_disk *disk = sim_clone(base);
    sim_blob *b = make_record(how, &in);
    sim_proc *p = fuzz_proc(disk, 200);
    sim_put(disk, FILE_1, SIM_FILE, b->bytes, b->len)->uid = p->uid;
    if (how & 4) {
        sim_put(disk, FILE_PREV, SIM_FILE, good->bytes, good->len)->uid =
            p->uid;
    }
    FUZZ_CHECK(fuzz_store(&fs, p) == CKPT_OK);
    ckpt_ctx *ctx = new_ctx(&fs);
    FUZZ_CHECK(ckpt_query(ctx, "job", &quick) == CKPT_OK);
    (void)!ckpt_verify(ctx, "job", &info);
    // A query that has read only a head leaves open whether the body is whole.
    FUZZ_CHECK(quick.state == info.state ||
               (quick.state == CKPT_STATE_INTERRUPTED && !quick.verified));
    memset(&desc, 0, sizeof(desc));
    desc.id = "job";
    const ckpt_code rc = ckpt_open(ctx, &run, &desc);
    // Only what can be written once more can be adopted.
    const bool anew = info.state == CKPT_STATE_FINISHED &&
                      info.outcome != CKPT_COMPLETED;
    FUZZ_CHECK((rc == CKPT_OK) ==
               (info.state == CKPT_STATE_INTERRUPTED || anew) ||
               rc == CKPT_ERR_TOO_LARGE);
    if (rc == CKPT_OK) {
        if (anew) {
            check_anew(&run, &info);
        } else {
            check_adopted(&run, b, how & 4);
        }
        (void)!ckpt_finish(&run, CKPT_COMPLETED, NULL);
        ckpt_abandon(&run);
    } else {
        check_refused(disk, b, &info, rc);
    }
    FUZZ_CHECK(ckpt_sweep(ctx, &run, NULL) == CKPT_OK);
    fuzz_store_end(&fs, p);
    sim_blob_drop(b);
    sim_disk_free(disk);
}
