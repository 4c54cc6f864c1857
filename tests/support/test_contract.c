// SPDX-License-Identifier: MIT-0
// The contract of a store, over every store there is.
#if !defined(_POSIX_C_SOURCE) && !defined(__APPLE__) && !defined(__FreeBSD__)
    #define _POSIX_C_SOURCE 200809L
#endif

#include "contract.h"
#include "simdisk.h"
#include "store_fault.h"
#include "store_mem.h"
#include "store_small.h"
#include "temp_dir.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

//--- Memory -------------------------------------------------------------------

// Every process calls through a store_fault without faults if that is asked
// for: so it is proved to be transparent.
typedef struct mem_user {
    mem_world   world;
    store_mem   s[CONTRACT_PROCESSES + 1];
    store_fault f[CONTRACT_PROCESSES + 1];
    bool        wrapped;
    uint32_t    caps;               // more of them
    size_t      capacity;
} mem_user;

static ckpt_store *mem_process(void *user, unsigned number)
{
    mem_user *u = (mem_user *)user;
    store_mem_init(&u->s[number], &u->world);
    u->s[number].base.caps |= u->caps;
    store_fault_init(&u->f[number], &u->s[number].base);
    return u->wrapped ? &u->f[number].base : &u->s[number].base;
}

static ckpt_store *mem_make(void *user)
{
    mem_user *u = (mem_user *)user;
    mem_world_init(&u->world);
    u->world.capacity = u->capacity;
    return mem_process(user, 0);
}

static ckpt_store *mem_fork(void *user)
{
    return mem_process(user, CONTRACT_PROCESSES);
}

static void mem_kill(void *user, unsigned number)
{
    store_mem_kill(&((mem_user *)user)->s[number]);
}

static void mem_wait(void *user, int64_t ms)
{
    mem_tick(&((mem_user *)user)->world, ms);
}

static void mem_free(void *user)
{
    mem_world_free(&((mem_user *)user)->world);
}

#define MEM_CONTRACT(of)                                                       \
    .make = mem_make, .free = mem_free, .process = mem_process,                \
    .fork = mem_fork, .kill = mem_kill, .tick = mem_wait, .user = &(of),       \
    .locks = true

#define MEM_SMALL (64 * 1000)

static mem_user mem_plain;
static mem_user mem_fenced = { .caps = CKPT_CAP_FENCED_WRITE };
static mem_user mem_wrapped = { .wrapped = true };
static mem_user mem_little = { .capacity = MEM_SMALL };

static const contract contract_of_mem = { MEM_CONTRACT(mem_plain) };
static const contract contract_of_fenced = { MEM_CONTRACT(mem_fenced) };
static const contract contract_of_fault = { MEM_CONTRACT(mem_wrapped) };
static const contract contract_of_little = {
    MEM_CONTRACT(mem_little), .capacity = MEM_SMALL
};

CONTRACT_SUITE(contract_mem, contract_of_mem)
CONTRACT_SUITE(contract_mem_fenced, contract_of_fenced)
CONTRACT_SUITE(contract_fault, contract_of_fault)
CONTRACT_SUITE(contract_mem_little, contract_of_little)

//--- Files, on a simulated disk -----------------------------------------------

typedef struct disk_user {
    sim_disk                *disk, *after;
    sim_proc                *p[CONTRACT_PROCESSES + 1];
    ckpt_store_fs            fs[CONTRACT_PROCESSES + 1];
    ckpt_store_fs_durability durability;
    ckpt_store_fs_liveness   liveness;
    ckpt_store_fs_publishing publishing;
    uint64_t                 capacity;
} disk_user;

static ckpt_store *disk_open_store(disk_user *u, sim_disk *disk,
                                   unsigned number)
{
    ckpt_store_fs_desc desc;
    ckpt_error err;
    memset(&desc, 0, sizeof(desc));
    u->p[number] = sim_proc_new(disk, 100 + (int64_t)number);
    u->p[number]->uid = (uint32_t)geteuid();    // else the store is foreign
    desc.dir = "runs";
    desc.durability = u->durability;
    desc.liveness = u->liveness;
    desc.publishing = u->publishing;
    desc.calls = sim_calls();
    desc.calls_user = u->p[number];
    if (!CT_OK(ckpt_store_fs_open(&u->fs[number], &desc, &err))) {
        return NULL;
    }
    return &u->fs[number].base;
}

static ckpt_store *disk_process(void *user, unsigned number)
{
    disk_user *u = (disk_user *)user;
    return disk_open_store(u, u->disk, number);
}

static ckpt_store *disk_make(void *user)
{
    disk_user *u = (disk_user *)user;
    u->disk = sim_disk_new(7);
    u->disk->capacity = u->capacity;
    u->after = NULL;
    memset(u->p, 0, sizeof(u->p));
    return disk_process(user, 0);
}

// The child has a copy of everything, descriptors too; only its calls are made
// by another process.
static ckpt_store *disk_fork_store(void *user)
{
    disk_user *u = (disk_user *)user;
    const unsigned child = CONTRACT_PROCESSES;
    u->p[child] = sim_fork(u->p[0], 200);
    u->fs[child] = u->fs[0];
    u->fs[child].priv.user = u->p[child];
    return &u->fs[child].base;
}

static void disk_kill_process(void *user, unsigned number)
{
    sim_kill(((disk_user *)user)->p[number]);
}

static void disk_wait(void *user, int64_t ms)
{
    sim_advance(((disk_user *)user)->disk, ms);
}

// One of the states that a power cut may leave; the crash tests try them all.
static ckpt_store *disk_cut(void *user)
{
    disk_user *u = (disk_user *)user;
    sim_crash_desc desc;
    sim_crash it;
    memset(&desc, 0, sizeof(desc));
    desc.profile = SIM_WEAKEST;
    desc.bound = 1;
    sim_crash_begin(&it, u->disk, &desc);
    u->after = sim_crash_next(&it);
    sim_crash_end(&it);
    return u->after != NULL ? disk_open_store(u, u->after, 0) : NULL;
}

static void disk_end(void *user)
{
    disk_user *u = (disk_user *)user;
    CHECK_STR(u->disk->misuse, NULL);
    for (unsigned i = 0; i < CONTRACT_PROCESSES; i++) {
        if (u->p[i] != NULL && !u->p[i]->dead) {
            ckpt_store_fs_close(&u->fs[i]);
            CHECK_INT(sim_open_count(u->p[i]), 0);
        }
    }
    sim_disk_free(u->disk);
    sim_disk_free(u->after);
}

#define SIM_CONTRACT(of)                                                       \
    .make = disk_make, .free = disk_end, .process = disk_process,              \
    .fork = disk_fork_store, .kill = disk_kill_process, .tick = disk_wait,     \
    .user = &(of)

static disk_user disk_locks;
static disk_user disk_age = { .liveness = CKPT_STORE_FS_AGE };
static disk_user disk_exchange = { .publishing = CKPT_STORE_FS_EXCHANGE };
static disk_user disk_quick = { .durability = CKPT_STORE_FS_PROCESS };

// Generations have that much, and claims a little.
#define DISK_SMALL (64 * 1000)

static disk_user disk_little = { .capacity = DISK_SMALL + 30 * 1000 };

static const contract contract_of_sim_little = {
    SIM_CONTRACT(disk_little), .cut = disk_cut, .locks = true,
    .capacity = DISK_SMALL, .runs = 2
};
static const contract contract_of_sim = {
    SIM_CONTRACT(disk_locks), .cut = disk_cut, .locks = true
};
static const contract contract_of_sim_age = {
    SIM_CONTRACT(disk_age), .cut = disk_cut
};
static const contract contract_of_sim_exchange = {
    SIM_CONTRACT(disk_exchange), .cut = disk_cut, .locks = true,
    .in_place = true
};
static const contract contract_of_sim_quick = {     // promises nothing then
    SIM_CONTRACT(disk_quick), .locks = true
};

CONTRACT_SUITE(contract_sim, contract_of_sim)
CONTRACT_SUITE(contract_sim_age, contract_of_sim_age)
CONTRACT_SUITE(contract_sim_exchange, contract_of_sim_exchange)
CONTRACT_SUITE(contract_sim_quick, contract_of_sim_quick)
CONTRACT_SUITE(contract_sim_little, contract_of_sim_little)

//--- Files, in a directory of this machine ------------------------------------

typedef struct fs_user {
    char          dir[256];
    ckpt_store_fs fs[CONTRACT_PROCESSES];
    unsigned      count;
} fs_user;

// Several stores in one process: their locks exclude each other all the same.
static ckpt_store *fs_process(void *user, unsigned number)
{
    fs_user *u = (fs_user *)user;
    ckpt_store_fs_desc desc;
    ckpt_error err;
    memset(&desc, 0, sizeof(desc));
    desc.dir = u->dir;
    if (!CT_OK(ckpt_store_fs_open(&u->fs[number], &desc, &err))) {
        return NULL;
    }
    u->count = number + 1;
    return &u->fs[number].base;
}

static ckpt_store *fs_make(void *user)
{
    fs_user *u = (fs_user *)user;
    u->count = 0;
    if (!CHECK(temp_dir_make(u->dir, sizeof(u->dir), "contract"))) {
        u->dir[0] = '\0';
        return NULL;
    }
    return fs_process(user, 0);
}

static void fs_end(void *user)
{
    fs_user *u = (fs_user *)user;
    while (u->count > 0) {
        ckpt_store_fs_close(&u->fs[--u->count]);
    }
    if (u->dir[0] != '\0') {
        CHECK(temp_dir_remove(u->dir));
    }
}

static fs_user fs_here;

static const contract contract_of_fs = {
    .make = fs_make, .free = fs_end, .process = fs_process, .user = &fs_here,
    .locks = true, .in_place = true
};

CONTRACT_SUITE(contract_fs, contract_of_fs)

//--- 32 KiB, which a reset leaves alone ---------------------------------------

// Two memories: one as it is, and one as a reset leaves it, between two flushes
// what was written in part.
typedef struct small_user {
    small_memory now, flushed, after;
    store_small  s;
    small_board  board;
    int64_t      mono_ms;       // begins with 0 at each boot
    uint32_t     random;
    unsigned     flushes, at;   // a reset during this one; 0: never
    bool         reset;
    uint64_t     tried, acked;  // turns, for the tests of the core, and what
    uint64_t     tried_then, acked_then;    // they were at the reset
} small_user;

static uint32_t small_random(small_user *u)
{
    u->random = u->random * UINT32_C(1664525) + UINT32_C(1013904223);
    return u->random >> 16;
}

static void small_clock(void *user, ckpt_moment *now)
{
    now->mono_ms = ((small_user *)user)->mono_ms;
    now->wall_ms = 0;           // the board has no such clock
}

// Keeps what a reset would leave: of the words that were written since the last
// flush some are in the memory and some are not.
static void small_reset(small_user *u)
{
    u->after = u->flushed;
    for (size_t i = 0; i < sizeof(u->now) / sizeof(uint32_t); i++) {
        const size_t at = i * sizeof(uint32_t);
        if (small_random(u) % 2 == 0) {
            memcpy((char *)&u->after + at, (const char *)&u->now + at,
                   sizeof(uint32_t));
        }
    }
    u->reset = true;
    u->tried_then = u->tried;
    u->acked_then = u->acked;
}

static void small_flush(void *user)
{
    small_user *u = (small_user *)user;
    if (++u->flushes == u->at) {
        small_reset(u);
    }
    u->flushed = u->now;
}

// The next boot. seed is that of the board, which the memory has its own of.
static ckpt_store *small_boot(small_user *u)
{
    u->mono_ms = 0;
    u->at = u->flushes = 0;
    u->reset = false;
    u->board.clock = small_clock;
    u->board.flush = small_flush;
    u->board.user = u;
    store_small_mount(&u->s, &u->now, &u->board, u->random);
    return &u->s.base;
}

static ckpt_store *small_make(void *user)
{
    small_user *u = (small_user *)user;
    memset(&u->now, 0xa5, sizeof(u->now));      // as it is when it is bought
    u->flushed = u->now;
    u->random = 1;
    return small_boot(u);
}

static void small_end(void *user)
{
    CHECK(((small_user *)user)->s.memory != NULL);
}

static void small_wait(void *user, int64_t ms)
{
    ((small_user *)user)->mono_ms += ms;
}

static ckpt_store *small_cut(void *user)
{
    small_user *u = (small_user *)user;
    small_reset(u);
    u->now = u->flushed = u->after;
    return small_boot(u);
}

static small_user small_ram;

static const contract contract_of_small = {
    .make = small_make, .free = small_end, .tick = small_wait,
    .cut = small_cut, .user = &small_ram, .locks = true, .runs = SMALL_RUNS,
    .capacity = SMALL_RUNS * SMALL_GENS * SMALL_SIZE_MAX
};

CONTRACT_SUITE(contract_small, contract_of_small)

//--- The core on such a memory ------------------------------------------------

#define LIST(X)                                                                \
    X(a_run_goes_on_after_a_reset)                                             \
    X(a_reset_at_any_flush_leaves_the_old_save_or_the_new_one)                 \
    X(a_reset_at_any_flush_of_a_finish_never_begins_it_anew_unfinished)        \
    X(a_memory_that_is_made_anew_gives_other_nonces)                           \
    X(resets_in_a_row_leave_room_for_the_next_claimant)                        \
    X(a_checkpoint_is_too_large_before_the_memory_is_full)
TEST_SUITE(store_small, LIST)

static struct {
    ckpt_ctx ctx;
    ckpt_run run;
    char     buf[SMALL_SIZE_MAX];
} life;

// One boot: opens the run and loads it.
static ckpt_code small_begin(small_user *u, ckpt_checkpoint *last)
{
    const ckpt_desc desc = {
        .store = &u->s.base, .throttle_ms = CKPT_OFF,
        .resume_max = CKPT_UNLIMITED
    };
    const ckpt_run_desc run = { .id = "a" };
    memset(&life, 0, sizeof(life));
    memset(last, 0, sizeof(*last));
    CHECK_INT(ckpt_init(&life.ctx, &desc), CKPT_OK);
    const ckpt_code rc = ckpt_open(&life.ctx, &life.run, &run);
    return rc == CKPT_OK && life.run.resumed ?
        ckpt_load(&life.run, last, life.buf, sizeof(life.buf)) : rc;
}

static ckpt_code small_save(uint64_t turn)
{
    const ckpt_save_desc save = {
        .anew = true, .turn = turn, .messages = ckpt_text("[\"a\",\"b\"]")
    };
    return ckpt_save(&life.run, &save);
}

// Whether a run can be begun beside the first one: nothing is in its way.
static bool small_has_room(void)
{
    static ckpt_run other;
    const ckpt_run_desc run = { .id = "b" };
    memset(&other, 0, sizeof(other));
    return ckpt_open(&life.ctx, &other, &run) == CKPT_OK && !other.resumed &&
           ckpt_finish(&other, CKPT_FAILED, NULL) == CKPT_OK;
}

// Whether no run is shown without a generation.
static bool small_is_whole(small_user *u)
{
    ckpt_store *s = &u->s.base;
    uint64_t place[CKPT_PLACE_SIZE / sizeof(uint64_t)] = {0};
    ckpt_error err;
    ckpt_look look;
    if (s->methods->open(s, place, "a", CKPT_HOW_FIND, &err) != CKPT_OK) {
        return true;
    }
    CHECK_INT(s->methods->look(s, place, CKPT_TURN_MAX, &look, &err), CKPT_OK);
    s->methods->close(s, place, false);
    return look.count > 0 && look.epoch > 0;
}

// What the memory holds after the reset is what the next boot finds.
static void small_next_boot(small_user *u)
{
    CHECK(u->reset);
    u->now = u->flushed = u->after;
    (void)small_boot(u);
}

static void a_run_goes_on_after_a_reset(void)
{
    small_user *u = &small_ram;
    ckpt_checkpoint last;
    (void)small_make(u);
    CHECK_INT(small_begin(u, &last), CKPT_OK);
    CHECK(!life.run.resumed);
    CHECK_INT(small_save(1), CKPT_OK);
    for (uint64_t turn = 2; turn < 50; turn++) {
        (void)small_cut(u);
        CHECK_INT(small_begin(u, &last), CKPT_OK);
        CHECK(life.run.resumed);
        CHECK_INT(last.turn, turn - 1);
        CHECK_INT(small_save(turn), CKPT_OK);
    }
    CHECK_INT(ckpt_finish(&life.run, CKPT_COMPLETED, NULL), CKPT_OK);
    (void)small_cut(u);
    CHECK_INT(small_begin(u, &last), CKPT_OK);
    CHECK(!life.run.resumed);
}

// Begins a run and saves it three times; the reset is in the middle of that.
// The flush tells with the state of the memory what was acknowledged by then.
static bool small_saves(small_user *u, unsigned at)
{
    ckpt_checkpoint last;
    u->at = u->flushes + at;
    u->tried = u->acked = 0;
    if (CHECK_INT(small_begin(u, &last), CKPT_OK)) {
        const uint64_t from = last.turn;
        u->acked = from;
        for (uint64_t turn = from + 1; turn <= from + 3; turn++) {
            u->tried = turn;
            CHECK_INT(small_save(turn), CKPT_OK);
            u->acked = turn;
        }
    }
    return u->reset;
}

static void a_reset_at_any_flush_leaves_the_old_save_or_the_new_one(void)
{
    small_user *u = &small_ram;
    ckpt_checkpoint last;
    for (unsigned seed = 0; seed < 8; seed++) {
        for (unsigned at = 1;; at++) {
            (void)small_make(u);
            u->random = seed;
            if (!small_saves(u, at)) {
                CHECK(at > 10);
                break;
            }
            const uint64_t acked = u->acked_then, tried = u->tried_then;
            small_next_boot(u);
            CHECK(small_is_whole(u));
            CHECK_INT(small_begin(u, &last), CKPT_OK);
            CHECK(small_has_room());
            CHECK(life.run.resumed || acked == 0);
            CHECK(last.turn >= acked && last.turn <= tried);
            CHECK_INT(small_save(tried + 1), CKPT_OK);
        }
    }
}

static void a_reset_at_any_flush_of_a_finish_never_begins_it_anew_unfinished(
    void)
{
    small_user *u = &small_ram;
    ckpt_checkpoint last;
    for (unsigned at = 1;; at++) {
        (void)small_make(u);
        u->random = at;
        (void)small_saves(u, 1000);
        u->at = u->flushes + at;
        CHECK_INT(ckpt_finish(&life.run, CKPT_COMPLETED, NULL), CKPT_OK);
        if (!u->reset) {
            CHECK(at > 4);
            break;
        }
        small_next_boot(u);
        const ckpt_code rc = small_begin(u, &last);
        CHECK(rc == CKPT_OK || rc == CKPT_FINISHED);
        CHECK(rc == CKPT_FINISHED || !life.run.resumed || last.turn == 3);
        if (rc == CKPT_FINISHED) {
            CHECK_INT(small_begin(u, &last), CKPT_OK);
            CHECK(!life.run.resumed);
        }
        CHECK(small_has_room());
    }
}

static void a_memory_that_is_made_anew_gives_other_nonces(void)
{
    small_user *u = &small_ram;
    ckpt_checkpoint last;
    char birth[CKPT_NONCE_MAX + 1];
    (void)small_make(u);
    CHECK_INT(small_begin(u, &last), CKPT_OK);
    memcpy(birth, life.run.birth, sizeof(birth));
    CHECK_INT(strlen(birth), 24);
    u->now.magic = 0;               // its battery was empty
    u->random = 2;
    (void)small_boot(u);
    CHECK_INT(small_begin(u, &last), CKPT_OK);
    CHECK(!life.run.resumed);
    CHECK(strcmp(life.run.birth, birth) != 0);
}

// Each of them at the same flush of the boot before: so no claimant comes to
// remove what it does not need any more, and what they leave piles up.
static void resets_in_a_row_leave_room_for_the_next_claimant(void)
{
    small_user *u = &small_ram;
    ckpt_checkpoint last;
    bool reset = true;
    for (unsigned at = 1; reset; at++) {
        (void)small_make(u);
        (void)small_saves(u, 1000);
        for (unsigned i = 0; i < 8; i++) {
            (void)small_cut(u);
            u->mono_ms += 3600 * 1000;  // whatever the wait is for the crashes
            u->at = u->flushes + at;
            CHECK_INT(small_begin(u, &last), CKPT_OK);
            CHECK_INT(last.turn, 3);
            reset = u->reset;
            if (!reset) {
                CHECK(at > 3);
                break;
            }
            u->now = u->flushed = u->after;
        }
        (void)small_cut(u);
        u->mono_ms += 3600 * 1000;
        CHECK_INT(small_begin(u, &last), CKPT_OK);
        CHECK_INT(small_save(last.turn + 1), CKPT_OK);
    }
}

static void a_checkpoint_is_too_large_before_the_memory_is_full(void)
{
    static char state[SMALL_SIZE_MAX + 3];
    small_user *u = &small_ram;
    ckpt_checkpoint last;
    ckpt_code rc = CKPT_OK;
    unsigned saved = 0;
    (void)small_make(u);
    CHECK_INT(small_begin(u, &last), CKPT_OK);
    for (unsigned n = SMALL_SIZE_MAX / 2; rc == CKPT_OK && n < SMALL_SIZE_MAX;
         n++) {
        memset(state, 'x', n);
        memcpy(state, "{\"x\":\"", 6);
        memcpy(state + n - 2, "\"}", 2);
        const ckpt_save_desc save = { .anew = true, .turn = n,
                                      .state = { state, n } };
        rc = ckpt_save(&life.run, &save);
        saved += rc == CKPT_OK;
    }
    CHECK_INT(rc, CKPT_ERR_TOO_LARGE);
    CHECK(saved > 100);
    CHECK_INT(ckpt_finish(&life.run, CKPT_INTERRUPTED, NULL), CKPT_OK);
}

#undef LIST

//--- A store of one process ---------------------------------------------------

#define LIST(X)                                                                \
    X(a_store_of_one_process_is_not_live_after_a_boot)                         \
    X(nor_with_a_clock_that_begins_at_0)                                       \
    X(an_owner_that_lives_for_certain_is_live_all_the_same)                    \
    X(a_store_of_many_processes_judges_by_the_age_of_the_beat)
TEST_SUITE(single_process, LIST)

// Leaves the verdict to the core: "judge by the age of the beat".
static ckpt_code alive_unknown(ckpt_store *s, void *place, uint64_t epoch,
                               ckpt_life *found, ckpt_error *err)
{
    mem_world *w = ((store_mem *)s)->world;
    store_mem plain;
    store_mem_init(&plain, w);
    const ckpt_code rc = plain.base.methods->alive(s, place, epoch, found, err);
    found->verdict = CKPT_LIFE_UNKNOWN;
    return rc;
}

typedef struct one_process {
    mem_world          world;
    store_mem          s[2];
    ckpt_store_methods methods;
    ckpt_ctx           ctx;
    ckpt_run           run[2];
} one_process;

// A boot of the board, which opens the run.
static ckpt_code one_boot(one_process *x, unsigned number, uint32_t caps)
{
    store_mem *s = &x->s[number];
    const ckpt_desc desc = { .store = &s->base };
    const ckpt_run_desc run = { .id = "a" };
    store_mem_init(s, &x->world);
    x->methods = *s->base.methods;
    x->methods.alive = alive_unknown;
    s->base.methods = &x->methods;
    s->base.caps = caps;
    CHECK_INT(ckpt_init(&x->ctx, &desc), CKPT_OK);
    return ckpt_open(&x->ctx, &x->run[number], &run);
}

static one_process *one_begin(uint32_t caps)
{
    static one_process x;
    memset(&x, 0, sizeof(x));
    mem_world_init(&x.world);
    CHECK_INT(one_boot(&x, 0, caps), CKPT_OK);
    return &x;
}

static void a_store_of_one_process_is_not_live_after_a_boot(void)
{
    one_process *x = one_begin(CKPT_CAP_SINGLE_PROCESS);
    store_mem_kill(&x->s[0]);
    mem_tick(&x->world, 2000);
    CHECK_INT(one_boot(x, 1, CKPT_CAP_SINGLE_PROCESS), CKPT_OK);
    CHECK(x->run[1].resumed);
    mem_world_free(&x->world);
}

static void nor_with_a_clock_that_begins_at_0(void)
{
    for (int64_t now = 0; now < 3; now++) {
        one_process *x = one_begin(CKPT_CAP_SINGLE_PROCESS);
        store_mem_kill(&x->s[0]);
        x->world.mono_ms = now;     // the beat is in the future
        x->world.wall_ms = 0;
        CHECK_INT(one_boot(x, 1, CKPT_CAP_SINGLE_PROCESS), CKPT_OK);
        CHECK(x->run[1].resumed);
        mem_world_free(&x->world);
    }
}

static void an_owner_that_lives_for_certain_is_live_all_the_same(void)
{
    small_user *u = &small_ram;
    static ckpt_ctx ctx;
    static ckpt_run run;
    ckpt_checkpoint last;
    (void)small_make(u);
    CHECK_INT(small_begin(u, &last), CKPT_OK);
    const ckpt_desc desc = { .store = &u->s.base };
    const ckpt_run_desc again = { .id = "a" };
    CHECK_INT(ckpt_init(&ctx, &desc), CKPT_OK);
    u->mono_ms += 3600 * 1000;
    CHECK_INT(ckpt_open(&ctx, &run, &again), CKPT_ERR_LIVE);
    (void)small_cut(u);
    CHECK_INT(ckpt_open(&ctx, &run, &again), CKPT_OK);
    CHECK(run.resumed);
}

static void a_store_of_many_processes_judges_by_the_age_of_the_beat(void)
{
    one_process *x = one_begin(0);
    store_mem_kill(&x->s[0]);
    mem_tick(&x->world, 2000);
    CHECK_INT(one_boot(x, 1, 0), CKPT_ERR_LIVE);
    mem_tick(&x->world, 100 * 1000);
    CHECK_INT(one_boot(x, 1, 0), CKPT_OK);
    mem_world_free(&x->world);
}
