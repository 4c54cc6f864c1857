// SPDX-License-Identifier: MIT-0
// fuzz_dir.c -- whatever lies about in the directories of a store
//
// The input says what stands where: names, kinds, owners, contents, some of
// them as the store would make them. Then everything that looks after runs is
// called. It ends, closes what it opened, and what is not the store's own
// stands as it stood; and so does a run that is kept, but for calls that are
// made to retry or to remove it.
#include "fuzz.h"

#define THINGS_MAX 24

// Something that is none of the store's business.
typedef struct thing {
    char     path[2 * SIM_NAME + 16];
    uint64_t ino, hash;
} thing;

typedef struct world {
    sim_disk *disk;
    thing     foreign[THINGS_MAX];
    size_t    count;
} world;

#define RECORDS 7

// As the store writes them: records of one run, each at another end of it.
static sim_blob *records[RECORDS], *claim;

//--- Names, as the manual has them --------------------------------------------

static const char *digits_end(const char *p)
{
    const char *end = p + strspn(p, "0123456789");
    return *p >= '1' && *p <= '9' ? end : NULL;
}

static bool begins(const char *name, const char *with, const char **rest)
{
    *rest = name + strlen(with);
    return strncmp(name, with, strlen(with)) == 0;
}

static bool ours_in_run(const char *name)
{
    const char *p;
    if (begins(name, "bad.", &p)) {
        return true;
    }
    if (begins(name, "heartbeat.", &p)) {
        p = digits_end(p);
        return p != NULL && *p == '\0';
    }
    if (begins(name, "checkpoint.", &p)) {
        p = digits_end(p);
        return p != NULL && (strcmp(p, ".json") == 0 ||
                             strcmp(p, ".prev.json") == 0);
    }
    p = begins(name, ".t.", &p) ? digits_end(p) : NULL;
    return p != NULL && *p == '.';
}

static bool ours_in_root(const char *name)
{
    char id[CKPT_ID_MAX + 1];
    return ckpt_store_fs_id(name, id) || strncmp(name, ".new-", 5) == 0 ||
           strcmp(name, ".probe") == 0;
}

//--- The contents of the directories ------------------------------------------

// Directories that things are put into: the root, a run, one made aside, two
// of other names, and one outside.
static const char *const dirs[] = {
    "/runs", "/runs/r-job", "/runs/.new-abc", "/runs/.failed", "/runs/other",
    "/outside"
};

static const char *const shapes[] = {
    "heartbeat.%u", "checkpoint.%u.json", "checkpoint.%u.prev.json",
    ".t.%u.abc", "bad.%u.damaged.json", "r-job.%u.json", "r-x%u", ".new-%u",
    "checkpoint.0%u.json", "heartbeat.%u ", ".t.%uabc", "R-job%u",
    "checkpoint.900719925474099%u.json", "heartbeat.1844674407370955161%u",
    ".probe", ".failed"
};

// A name of the input. False: a directory cannot have it.
static bool take_name(fuzz_in *in, char name[SIM_NAME])
{
    const unsigned shape = fuzz_byte(in);
    if (shape < 0xc0) {
#if defined(__GNUC__) || defined(__clang__)
    #pragma GCC diagnostic push
    #pragma GCC diagnostic ignored "-Wformat-nonliteral"
#endif
        snprintf(name, SIM_NAME, shapes[shape % 16], shape / 16 % 4 + 1);
#if defined(__GNUC__) || defined(__clang__)
    #pragma GCC diagnostic pop
#endif
        return true;
    }
    const ckpt_bytes raw = fuzz_take(in, fuzz_byte(in));
    memcpy(name, raw.ptr, raw.len);
    name[raw.len] = '\0';
    return name[0] != '\0' && strchr(name, '/') == NULL &&
           strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static ckpt_bytes take_content(fuzz_in *in, sim_kind kind)
{
    const unsigned what = fuzz_byte(in);
    const unsigned which = what & 2 ? (what >> 2) % RECORDS : 0;
    const sim_blob *b = what & 1 ? records[which] : claim;
    if (kind == SIM_SYMLINK) {
        return ckpt_text(what & 1 ? "/outside" : "/outside/file");
    }
    if (kind != SIM_FILE) {
        return ckpt_text("");
    }
    if (what < 0x80) {
        ckpt_bytes bytes;
        bytes.ptr = b->bytes;
        bytes.len = what & 2 ? b->len : b->len * (what >> 2) / 32;
        return bytes;
    }
    return fuzz_take(in, what & 0x3f);
}

// Puts one thing of the input somewhere.
static void put_thing(world *w, fuzz_in *in)
{
    char name[SIM_NAME];
    thing *t = &w->foreign[w->count];
    const unsigned how = fuzz_byte(in);
    const unsigned where = how % 8 < 6 ? how % 8 : 1;
    static const sim_kind kinds[] = {
        SIM_FILE, SIM_FILE, SIM_FILE, SIM_FILE, SIM_FILE, SIM_DIRECTORY,
        SIM_SYMLINK, SIM_SPECIAL
    };
    const sim_kind kind = kinds[how >> 3 & 7];
    if (!take_name(in, name)) {
        return;
    }
    const ckpt_bytes content = take_content(in, kind);
    snprintf(t->path, sizeof(t->path), "%s/%s", dirs[where], name);
    const sim_inode *parent = sim_find(w->disk, dirs[where]);
    if (parent == NULL || parent->kind != SIM_DIRECTORY ||
        sim_names_find(&parent->names, name) != NULL) {
        return;
    }
    sim_inode *node = sim_put(w->disk, t->path, kind, content.ptr,
                              content.len);
    node->uid = how & 0x40 ? 4242 : (uint32_t)geteuid();
    node->mtime_ns += how & 0x80 ? INT64_C(86400000000000) : 0;
    const bool ours = where == 0 ? ours_in_root(name) :
                      where <= 2 ? ours_in_run(name) : false;
    if (!ours) {
        t->ino = node->ino;
        t->hash = sim_blob_hash(node->live);
        w->count++;
    }
}

// A world of what the input says. The directories come first, or a thing of
// their name stands there instead.
static void make_world(world *w, fuzz_in *in)
{
    const unsigned which = fuzz_byte(in);
    memset(w, 0, sizeof(*w));
    w->disk = sim_disk_new(3);
    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
        if (i == 0 || which >> i & 1) {
            sim_put(w->disk, dirs[i], SIM_DIRECTORY, "", 0)->uid =
                (uint32_t)geteuid();
            sim_find(w->disk, dirs[i])->mode = 0700;
        }
    }
    for (int n = 0; in->left > 0 && n < THINGS_MAX; n++) {
        put_thing(w, in);
    }
}

static void check_world(const world *w)
{
    for (size_t i = 0; i < w->count; i++) {
        const thing *t = &w->foreign[i];
        // It may be moved out of the way, and is never removed.
        const sim_inode *node = w->disk->inodes[t->ino];
        FUZZ_CHECK(node != NULL && node->nlink > 0);
        FUZZ_CHECK(sim_blob_hash(node->live) == t->hash);
    }
}

//--- What the store would write -----------------------------------------------

static ckpt_ctx *new_ctx(ckpt_store_fs *fs)
{
    static ckpt_ctx ctx;
    ckpt_desc desc;
    memset(&desc, 0, sizeof(desc));
    desc.store = &fs->base;
    FUZZ_CHECK(ckpt_init(&ctx, &desc) == CKPT_OK);
    return &ctx;
}

static sim_blob *copy_of(sim_disk *disk, const char *path)
{
    size_t size;
    const unsigned char *bytes = sim_get(disk, path, &size);
    FUZZ_CHECK(bytes != NULL);
    return sim_blob_new(bytes, size);
}

// The newest generation; a removal that stops half way leaves it as the one
// before the newest.
static sim_blob *copy_of_newest(sim_disk *disk, uint64_t epoch)
{
    char path[64];
    snprintf(path, sizeof(path), "/runs/r-job/checkpoint.%u.json",
             (unsigned)epoch);
    if (sim_find(disk, path) == NULL) {
        snprintf(path, sizeof(path), "/runs/r-job/checkpoint.%u.prev.json",
                 (unsigned)epoch);
    }
    return copy_of(disk, path);
}

// How the run of a record ended, and how that is written.
static const struct { ckpt_outcome outcome, written; } ends[RECORDS] = {
    { CKPT_RUNNING, CKPT_RUNNING },
    { CKPT_FAILED, CKPT_DEAD },                 // kept
    { CKPT_COMPLETED, CKPT_DONE },              // .once
    { CKPT_COMPLETED, CKPT_COMPLETED },
    { CKPT_FAILED, CKPT_FAILED },
    { CKPT_INTERRUPTED, CKPT_INTERRUPTED },
    { CKPT_RUNNING, CKPT_DEAD }                 // kept, and nothing was whole
};

static ckpt_outcome work(ckpt_run *run, void *user, ckpt_finish_desc *finish)
{
    static const ckpt_outcome outcomes[] = {
        CKPT_COMPLETED, CKPT_FAILED, CKPT_INTERRUPTED, CKPT_RETRY
    };
    const unsigned order = *(const unsigned *)user;
    (void)run;
    finish->keep = order & 4;
    return outcomes[order & 3];
}

// Ends the run, but nothing can be removed, so that its record stays.
static void end_run(ckpt_ctx *ctx, ckpt_run *run, sim_proc *p, unsigned i)
{
    static sim_plan plan;
    ckpt_finish_desc finish;
    ckpt_recover_desc recover;
    memset(&plan, 0, sizeof(plan));
    memset(&finish, 0, sizeof(finish));
    memset(&recover, 0, sizeof(recover));
    plan.at = 1;
    plan.sticky = true;
    plan.calls = SIM_BIT(SIM_UNLINK) | SIM_BIT(SIM_RMDIR);
    plan.verdict.action = SIM_FAIL;
    plan.verdict.err = EIO;
    finish.keep = ends[i].written == CKPT_DEAD;
    if (ends[i].outcome != CKPT_RUNNING) {
        sim_set_plan(p, &plan);
        (void)!ckpt_finish(run, ends[i].outcome, &finish);
    } else if (finish.keep) {
        ckpt_abandon(run);
        sim_put(p->disk, "/runs/r-job/checkpoint.1.json", SIM_FILE, "?", 1)
            ->uid = p->uid;
        recover.resume = work;
        FUZZ_CHECK(ckpt_recover(ctx, run, &recover, NULL) == CKPT_OK);
    }
}

static void make_samples(void)
{
    static ckpt_run run;
    for (unsigned i = 0; i < RECORDS; i++) {
        ckpt_store_fs fs;
        ckpt_run_info info;
        ckpt_run_desc desc;
        sim_disk *disk = sim_disk_new(2 + i);
        sim_proc *p = fuzz_proc(disk, 50);
        memset(&desc, 0, sizeof(desc));
        desc.id = "job";
        desc.once = ends[i].written == CKPT_DONE;
        FUZZ_CHECK(fuzz_store(&fs, p) == CKPT_OK);
        ckpt_ctx *ctx = new_ctx(&fs);
        FUZZ_CHECK(ckpt_open(ctx, &run, &desc) == CKPT_OK);
        end_run(ctx, &run, p, i);
        FUZZ_CHECK(ckpt_query(ctx, "job", &info) == CKPT_OK);
        FUZZ_CHECK(info.outcome == ends[i].written);
        records[i] = copy_of_newest(disk, info.epoch);
        if (i == 0) {
            claim = copy_of(disk, "/runs/r-job/heartbeat.1");
        }
        ckpt_abandon(&run);
        sim_disk_free(disk);
    }
}

//--- Everything that looks after runs -----------------------------------------

static bool visit(void *user, const ckpt_run_info *info)
{
    size_t *seen = (size_t *)user;
    FUZZ_CHECK(info->id[0] != '\0' && strlen(info->id) <= CKPT_ID_MAX);
    FUZZ_CHECK((info->state & CKPT_STATE_ALL) == info->state);
    FUZZ_CHECK((info->outcome == CKPT_DEAD) ==
               (info->state == CKPT_STATE_FAILED));
    FUZZ_CHECK((info->outcome == CKPT_DONE) ==
               (info->state == CKPT_STATE_DONE));
    FUZZ_CHECK(!info->lost || info->state == CKPT_STATE_FAILED);
    return ++*seen < 100;
}

static void prune(ckpt_ctx *ctx, ckpt_run *run, unsigned how)
{
    static const uint32_t states[] = {
        0, CKPT_STATE_DONE, CKPT_STATE_FAILED,
        CKPT_STATE_INTERRUPTED | CKPT_STATE_EXHAUSTED
    };
    ckpt_prune_desc desc;
    size_t seen = 0;
    uint32_t count;
    memset(&desc, 0, sizeof(desc));
    desc.age_ms = how & 8 ? 1 : 80000;
    desc.states = states[how & 3];
    desc.dry_run = how & 4;
    desc.fn = visit;
    desc.user = &seen;
    FUZZ_CHECK(ckpt_prune(ctx, run, &desc, &count) == CKPT_OK);
    FUZZ_CHECK(count <= seen && (!desc.dry_run || count == seen));
}

// Whatever is asked of it afterwards, one that was done says so.
static void open_run(ckpt_ctx *ctx, ckpt_run *run, const ckpt_run_desc *desc)
{
    const ckpt_code rc = ckpt_open(ctx, run, desc);
    if (rc == CKPT_OK) {
        (void)!ckpt_beat(run);
        ckpt_abandon(run);
    } else if (rc == CKPT_FINISHED) {
        FUZZ_CHECK(ckpt_beat(run) == CKPT_FINISHED);
        FUZZ_CHECK(!ckpt_phase(run, "a"));
    }
}

// Whether a run is kept: then info says as what.
static bool is_kept(ckpt_ctx *ctx, const char *id, ckpt_run_info *info)
{
    return ckpt_query(ctx, id, info) == CKPT_OK &&
           (info->state == CKPT_STATE_DONE || info->state == CKPT_STATE_FAILED);
}

// Whether a call may change a run that is kept: to remove or to retry it, or
// to prune it, but for a dry run and for one that prunes others only.
static bool may_change(unsigned order)
{
    const unsigned how = order >> 4, what = order & 15;
    return what == 11 || what == 12 || (what == 3 && (how & 4) == 0 &&
                                        (how & 3) != 3);
}

static void one_call(ckpt_ctx *ctx, ckpt_run *run, sim_disk *disk,
                     unsigned order)
{
    ckpt_run_desc desc;
    ckpt_run_info infos[2];
    ckpt_recover_desc recover;
    ckpt_cursor cursor;
    size_t seen = 0, n;
    unsigned how = order >> 4;
    memset(&desc, 0, sizeof(desc));
    memset(&recover, 0, sizeof(recover));
    memset(&cursor, 0, sizeof(cursor));
    desc.id = how & 1 ? "job" : "x1";
    desc.force = how & 2;
    desc.once = how & 4;
    recover.resume = recover.fallback = work;
    recover.user = &how;
    switch (order & 15) {
    case 0:  (void)!ckpt_scan(ctx, 0, visit, &seen); break;
    case 1:  (void)!ckpt_verify(ctx, desc.id, infos); break;
    case 2:  (void)!ckpt_recover(ctx, run, &recover, NULL); break;
    case 3:  prune(ctx, run, how); break;
    case 4: case 5: (void)!ckpt_sweep(ctx, run, NULL); break;
    case 6: case 7: open_run(ctx, run, &desc); break;
    case 8:  (void)!ckpt_query(ctx, desc.id, infos); break;
    case 9:  (void)!ckpt_latest(ctx, "", NULL, infos); break;
    case 10: (void)!ckpt_stale(ctx, 0, infos, 2, &n); break;
    case 11: (void)!ckpt_remove(ctx, run, desc.id); break;
    case 12: (void)!ckpt_retry(ctx, run, desc.id); break;
    case 13:
        if (ckpt_resume_next(ctx, run, &cursor) == CKPT_OK) {
            (void)!ckpt_finish(run, CKPT_FAILED, NULL);
            ckpt_abandon(run);
        }
        ckpt_cursor_close(ctx, &cursor);
        break;
    default: sim_advance(disk, 90000); break;
    }
}

// A call, and whether it left alone what is kept, to the last file.
static void one_call_watched(ckpt_ctx *ctx, ckpt_run *run, sim_disk *disk,
                             unsigned order)
{
    static const char *const ids[] = { "job", "x1" };
    static const char *const paths[] = { "/runs/r-job", "/runs/r-x1" };
    ckpt_run_info before[2], after;
    bool kept[2];
    size_t files[2];
    for (int i = 0; i < 2; i++) {
        kept[i] = is_kept(ctx, ids[i], &before[i]);
        files[i] = kept[i] ? sim_count(disk, paths[i]) : 0;
    }
    one_call(ctx, run, disk, order);
    for (int i = 0; i < 2; i++) {
        if (kept[i] && !may_change(order)) {
            FUZZ_CHECK(is_kept(ctx, ids[i], &after));
            FUZZ_CHECK(after.state == before[i].state &&
                       after.epoch == before[i].epoch &&
                       after.seq == before[i].seq);
            FUZZ_CHECK(sim_count(disk, paths[i]) == files[i]);
        }
    }
}

static void fuzz_one(const uint8_t *data, size_t size)
{
    static ckpt_run run;
    fuzz_in in = { data, size };
    uint8_t orders[9];
    ckpt_store_fs fs;
    world w;
    if (claim == NULL) {
        make_samples();
    }
    for (size_t i = 0; i < sizeof(orders); i++) {
        orders[i] = (uint8_t)fuzz_byte(&in);
    }
    make_world(&w, &in);
    sim_proc *p = fuzz_proc(w.disk, 60);
    FUZZ_CHECK(fuzz_store(&fs, p) == CKPT_OK);
    ckpt_ctx *ctx = new_ctx(&fs);
    for (size_t i = 0; i < sizeof(orders); i++) {
        one_call_watched(ctx, &run, w.disk, orders[i]);
        FUZZ_CHECK(sim_open_count(p) == 1);     // the root
        check_world(&w);
    }
    FUZZ_CHECK(p->calls < 100000);
    fuzz_store_end(&fs, p);
    sim_disk_free(w.disk);
}
