// The contract of a store, over every store there is.
#if !defined(_POSIX_C_SOURCE) && !defined(__APPLE__) && !defined(__FreeBSD__)
    #define _POSIX_C_SOURCE 200809L
#endif

#include "contract.h"
#include "simdisk.h"
#include "store_fault.h"
#include "store_mem.h"
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
    mem_world_init(&((mem_user *)user)->world);
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

#define MEM_CONTRACT(user)                                                     \
    { mem_make, mem_free, mem_process, mem_fork, mem_kill, mem_wait, NULL,     \
      &(user) }

static mem_user mem_plain;
static mem_user mem_fenced = { .caps = CKPT_CAP_FENCED_WRITE };
static mem_user mem_wrapped = { .wrapped = true };

static const contract contract_of_mem = MEM_CONTRACT(mem_plain);
static const contract contract_of_fenced = MEM_CONTRACT(mem_fenced);
static const contract contract_of_fault = MEM_CONTRACT(mem_wrapped);

CONTRACT_SUITE(contract_mem, contract_of_mem)
CONTRACT_SUITE(contract_mem_fenced, contract_of_fenced)
CONTRACT_SUITE(contract_fault, contract_of_fault)

//--- Files, on a simulated disk -----------------------------------------------

typedef struct disk_user {
    sim_disk                *disk, *after;
    sim_proc                *p[CONTRACT_PROCESSES + 1];
    ckpt_store_fs            fs[CONTRACT_PROCESSES + 1];
    ckpt_store_fs_durability durability;
    ckpt_store_fs_liveness   liveness;
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

#define SIM_CONTRACT(user)                                                     \
    { disk_make, disk_end, disk_process, disk_fork_store,                      \
      disk_kill_process, disk_wait, disk_cut, &(user) }

static disk_user disk_locks;
static disk_user disk_age = { .liveness = CKPT_STORE_FS_AGE };
static disk_user disk_quick = { .durability = CKPT_STORE_FS_PROCESS };

static const contract contract_of_sim = SIM_CONTRACT(disk_locks);
static const contract contract_of_sim_age = SIM_CONTRACT(disk_age);
static const contract contract_of_sim_quick = SIM_CONTRACT(disk_quick);

CONTRACT_SUITE(contract_sim, contract_of_sim)
CONTRACT_SUITE(contract_sim_age, contract_of_sim_age)
CONTRACT_SUITE(contract_sim_quick, contract_of_sim_quick)

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
    fs_make, fs_end, fs_process, NULL, NULL, NULL, NULL, &fs_here
};

CONTRACT_SUITE(contract_fs, contract_of_fs)
