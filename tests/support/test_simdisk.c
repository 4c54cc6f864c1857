// SPDX-License-Identifier: MIT-0
// The simulated disk itself: that it behaves as a disk while it has power, and
// that it shows every state it may be in afterwards, and no other.
#include "simdisk.h"
#include "test.h"

#define LIST(X)                                                                \
    X(a_file_gives_back_what_was_written)                                      \
    X(a_gap_in_a_file_reads_as_zeros)                                          \
    X(open_honours_its_flags)                                                  \
    X(a_symbolic_link_is_followed_only_when_asked)                             \
    X(an_unlinked_file_lives_while_it_is_open)                                 \
    X(hard_links_share_bytes_and_are_counted)                                  \
    X(rename_replaces_a_file)                                                  \
    X(rename_between_two_names_of_a_file_does_nothing)                         \
    X(a_directory_replaces_an_empty_directory_only)                            \
    X(a_directory_cannot_move_below_itself)                                    \
    X(nothing_is_made_in_a_directory_that_was_removed)                         \
    X(a_lock_belongs_to_an_open_file_description)                              \
    X(a_lock_is_inherited_by_a_child_and_outlives_its_parent)                  \
    X(shared_locks_exclude_exclusive_ones)                                     \
    X(a_failed_conversion_loses_the_lock)                                      \
    X(a_walk_is_a_snapshot_with_every_name_once)                               \
    X(a_killed_process_is_gone_and_holds_nothing)                              \
    X(a_pid_used_again_is_told_by_its_start)                                   \
    X(random_repeats_itself_but_differs_between_processes)                     \
    X(times_come_from_the_clock_of_the_file_system)                            \
    X(a_full_disk_writes_short_and_then_fails)                                 \
    X(descriptors_run_out)                                                     \
    X(misuse_of_the_calls_is_noticed)                                          \
    X(unreachable_inodes_are_freed)                                            \
    X(a_dump_and_a_hash_tell_whether_anything_changed)                         \
    X(a_hook_fails_a_call_before_its_effect)                                   \
    X(a_hook_fails_a_call_after_its_effect)                                    \
    X(a_hook_cuts_reads_and_writes_short)                                      \
    X(a_hook_kills_a_process_at_every_call)                                    \
    X(plans_can_be_sticky_and_chained)                                         \
    X(a_hook_runs_another_process_in_between)                                  \
    X(a_synced_disk_has_one_state)                                             \
    X(sync_of_a_file_leaves_its_name_pending)                                  \
    X(sync_of_a_directory_leaves_bytes_pending)                                \
    X(a_new_file_may_be_cut_or_full_of_zeros)                                  \
    X(a_prefix_of_the_writes_may_be_there)                                     \
    X(sectors_written_over_are_old_or_new)                                     \
    X(a_claim_written_over_in_place_is_one_of_those_it_was)                    \
    X(many_sectors_written_over_are_sampled)                                   \
    X(a_file_that_grows_in_place_has_the_old_or_the_new_length)                \
    X(a_failed_sync_loses_the_writes_for_good)                                 \
    X(weakest_is_any_subset_and_ordered_any_prefix)                            \
    X(ordered_makes_everything_before_a_sync_durable)                          \
    X(a_rename_is_atomic_unless_the_disk_says_otherwise)                       \
    X(a_rename_across_directories_never_loses_the_file)                        \
    X(a_removal_may_come_back)                                                 \
    X(states_that_are_equal_are_shown_once)                                    \
    X(a_sample_says_how_many_of_how_many)                                      \
    X(a_huge_number_of_states_is_estimated)                                    \
    X(a_state_is_a_disk_that_can_crash_again)                                  \
    X(links_are_counted_by_the_names_that_are_left)                            \
    X(a_replace_with_both_syncs_never_loses_a_save)                            \
    X(a_replace_without_directory_sync_loses_acknowledged_saves)               \
    X(a_replace_without_file_sync_leaves_torn_files)                           \
    X(a_replace_without_any_sync_does_both)                                    \
    X(a_replace_on_a_disk_with_torn_renames_loses_the_file)
TEST_SUITE(simdisk, LIST)

//--- Helpers ------------------------------------------------------------------

static sim_disk *disk;
static sim_proc *proc;
static const ckpt_fs_calls *fs;
static int root;

// A disk with an empty directory /runs, which the process has open.
static void setup(void)
{
    fs = sim_calls();
    disk = sim_disk_new(7);
    sim_put(disk, "runs", SIM_DIRECTORY, NULL, 0);
    proc = sim_proc_new(disk, 100);
    root = fs->open(proc, -1, "/runs", CKPT_FS_DIR);
    CHECK(root >= 0);
}

static void teardown(void)
{
    CHECK(disk->misuse == NULL);
    sim_disk_free(disk);
}

static int make(const char *name)
{
    int fd = fs->open(proc, root, name,
                      CKPT_FS_WRITE | CKPT_FS_CREATE | CKPT_FS_EXCL);
    CHECK(fd >= 0);
    return fd;
}

// A file with n times the byte c, open; synced or not, its name never.
static int make_file(const char *name, int c, size_t n, bool synced)
{
    char buf[8192];
    int fd = make(name);
    memset(buf, c, n);
    CHECK(fs->write(proc, fd, buf, n, 0) == (int64_t)n);
    if (synced) CHECK(fs->sync(proc, fd) == 0);
    return fd;
}

static void make_closed(const char *name)
{
    CHECK(fs->close(proc, make_file(name, 'x', 3, true)) == 0);
}

static bool is_there(sim_disk *d, const char *path)
{
    return sim_find(d, path) != NULL;
}

// How many states a crash has, and in how many of them a check holds.
typedef struct tally {
    size_t states, hits;
    double total;
    bool   sampled, exact;
} tally;

typedef bool (*predicate)(sim_disk *after);

static tally count_states(sim_profile profile, size_t bound, predicate hit)
{
    tally t = {0};
    sim_crash it;
    sim_crash_begin(&it, disk, &(sim_crash_desc){.profile = profile,
                                                 .bound = bound});
    for (sim_disk *after; (after = sim_crash_next(&it)) != NULL;) {
        t.states++;
        if (hit && hit(after)) t.hits++;
        sim_disk_free(after);
    }
    CHECK(it.shown == t.states);
    t.total = it.total;
    t.sampled = it.sampled;
    t.exact = it.exact;
    sim_crash_end(&it);
    return t;
}

static bool has_a(sim_disk *d)   { return is_there(d, "runs/a"); }
static bool has_b(sim_disk *d)   { return is_there(d, "runs/b"); }
static bool has_d_a(sim_disk *d) { return is_there(d, "runs/d/a"); }
static bool b_not_a(sim_disk *d) { return has_b(d) && !has_a(d); }
static bool both(sim_disk *d)    { return has_a(d) && has_b(d); }
static bool neither(sim_disk *d) { return !has_a(d) && !has_b(d); }

//--- With power ---------------------------------------------------------------

static void a_file_gives_back_what_was_written(void)
{
    char buf[8] = "";
    setup();
    int fd = make("a");
    CHECK(fs->write(proc, fd, "hello", 5, 0) == 5);
    CHECK(fs->write(proc, fd, "J", 1, 0) == 1);
    CHECK(fs->read(proc, fd, buf, sizeof buf, 0) == 5);
    CHECK(memcmp(buf, "Jello", 5) == 0);
    CHECK(fs->read(proc, fd, buf, 2, 4) == 1 && buf[0] == 'o');
    CHECK(fs->read(proc, fd, buf, 2, 5) == 0);
    ckpt_fs_stat st;
    CHECK(fs->stat(proc, fd, &st) == 0);
    CHECK(st.size == 5 && st.nlink == 1 && st.is_file && !st.is_dir);
    CHECK(st.mode == 0600 && st.uid == 1000);
    teardown();
}

static void a_gap_in_a_file_reads_as_zeros(void)
{
    char buf[4];
    setup();
    int fd = make("a");
    CHECK(fs->write(proc, fd, "x", 1, 3) == 1);
    CHECK(fs->read(proc, fd, buf, 4, 0) == 4);
    CHECK(memcmp(buf, "\0\0\0x", 4) == 0);
    teardown();
}

static void open_honours_its_flags(void)
{
    setup();
    CHECK(fs->open(proc, root, "a", CKPT_FS_READ) == -ENOENT);
    make_closed("a");
    CHECK(fs->open(proc, root, "a", CKPT_FS_CREATE | CKPT_FS_EXCL |
                   CKPT_FS_WRITE) == -EEXIST);
    CHECK(fs->open(proc, root, "a", CKPT_FS_CREATE | CKPT_FS_WRITE) >= 0);
    CHECK(fs->open(proc, root, "a", CKPT_FS_DIR) == -ENOTDIR);
    CHECK(fs->open(proc, root, ".", CKPT_FS_DIR) >= 0);
    CHECK(fs->open(proc, root, ".", CKPT_FS_WRITE) == -EISDIR);
    CHECK(fs->open(proc, root, "", CKPT_FS_READ) == -ENOENT);
    char name[300];
    memset(name, 'n', sizeof name);
    name[256] = '\0';
    CHECK(fs->open(proc, root, name, CKPT_FS_CREATE) == -ENAMETOOLONG);
    name[255] = '\0';
    CHECK(fs->open(proc, root, name, CKPT_FS_CREATE) >= 0);
    CHECK(fs->open(proc, -1, "runs/a/b", CKPT_FS_READ) == -ENOTDIR);
    CHECK(fs->open(proc, -1, "other/b", CKPT_FS_READ) == -ENOENT);
    teardown();
}

static void a_symbolic_link_is_followed_only_when_asked(void)
{
    ckpt_fs_stat st;
    setup();
    sim_put(disk, "there", SIM_SYMLINK, "/runs", 5);
    sim_put(disk, "loop", SIM_SYMLINK, "/loop/x", 7);
    sim_put(disk, "pipe", SIM_SPECIAL, NULL, 0);
    CHECK(fs->open(proc, -1, "there", CKPT_FS_READ) == -ELOOP);
    CHECK(fs->open(proc, -1, "there", CKPT_FS_DIR) == -ENOTDIR);
    CHECK(fs->open(proc, -1, "there", CKPT_FS_DIR | CKPT_FS_FOLLOW) >= 0);
    CHECK(fs->open(proc, -1, "loop/y", CKPT_FS_READ) == -ELOOP);
    make_closed("a");
    CHECK(fs->open(proc, -1, "there/a", CKPT_FS_READ) >= 0);
    CHECK(fs->stat_at(proc, -1, "there", &st) == 0);
    CHECK(!st.is_file && !st.is_dir);
    int fd = fs->open(proc, -1, "pipe", CKPT_FS_READ);
    CHECK(fs->stat(proc, fd, &st) == 0 && !st.is_file);
    teardown();
}

static void an_unlinked_file_lives_while_it_is_open(void)
{
    char buf[4];
    ckpt_fs_stat st;
    setup();
    int fd = make_file("a", 'x', 3, false);
    CHECK(fs->unlink(proc, root, "a") == 0);
    CHECK(fs->unlink(proc, root, "a") == -ENOENT);
    CHECK(fs->stat(proc, fd, &st) == 0 && st.nlink == 0);
    CHECK(fs->read(proc, fd, buf, 4, 0) == 3);
    CHECK(fs->sync(proc, fd) == 0);
    CHECK(fs->close(proc, fd) == 0);
    CHECK(sim_count(disk, "runs") == 0);
    teardown();
}

static void hard_links_share_bytes_and_are_counted(void)
{
    ckpt_fs_stat a, b;
    setup();
    int fd = make_file("a", 'x', 3, false);
    CHECK(fs->mkdir(proc, root, "d") == 0);
    int d = fs->open(proc, root, "d", CKPT_FS_DIR);
    CHECK(fs->link(proc, root, "a", d, "b") == 0);
    CHECK(fs->link(proc, root, "a", d, "b") == -EEXIST);
    CHECK(fs->link(proc, root, "d", d, "e") == -EPERM);
    CHECK(fs->stat_at(proc, d, "b", &b) == 0);
    CHECK(fs->stat(proc, fd, &a) == 0);
    CHECK(a.ino == b.ino && a.nlink == 2 && b.nlink == 2);
    CHECK(fs->write(proc, fd, "yy", 2, 0) == 2);
    const unsigned char *bytes = sim_get(disk, "runs/d/b", NULL);
    CHECK(bytes && memcmp(bytes, "yyx", 3) == 0);
    CHECK(fs->unlink(proc, root, "a") == 0);
    CHECK(fs->stat(proc, fd, &a) == 0 && a.nlink == 1);
    teardown();
}

static void rename_replaces_a_file(void)
{
    ckpt_fs_stat st;
    setup();
    int a = make("a"), b = make("b");
    CHECK(fs->rename(proc, root, "a", root, "b") == 0);
    CHECK(fs->rename(proc, root, "a", root, "b") == -ENOENT);
    CHECK(sim_count(disk, "runs") == 1);
    CHECK(fs->stat(proc, a, &st) == 0 && st.nlink == 1);
    CHECK(fs->stat(proc, b, &st) == 0 && st.nlink == 0);
    CHECK(fs->mkdir(proc, root, "d") == 0);
    CHECK(fs->rename(proc, root, "b", root, "d") == -EISDIR);
    CHECK(fs->rename(proc, root, "d", root, "b") == -ENOTDIR);
    teardown();
}

static void rename_between_two_names_of_a_file_does_nothing(void)
{
    setup();
    make_closed("a");
    CHECK(fs->link(proc, root, "a", root, "b") == 0);
    CHECK(fs->rename(proc, root, "a", root, "b") == 0);
    CHECK(has_a(disk) && has_b(disk));
    teardown();
}

static void a_directory_replaces_an_empty_directory_only(void)
{
    ckpt_fs_stat st;
    setup();
    CHECK(fs->mkdir(proc, root, "d") == 0);
    CHECK(fs->mkdir(proc, root, "d") == -EEXIST);
    CHECK(fs->mkdir(proc, root, "e") == 0);
    int d = fs->open(proc, root, "d", CKPT_FS_DIR);
    int e = fs->open(proc, root, "e", CKPT_FS_DIR);
    CHECK(fs->mkdir(proc, d, "inner") == 0);
    CHECK(fs->rename(proc, root, "e", root, "d") == -ENOTEMPTY);
    CHECK(fs->rmdir(proc, root, "d") == -ENOTEMPTY);
    CHECK(fs->unlink(proc, root, "d") == -EISDIR);
    CHECK(fs->rename(proc, root, "d", root, "e") == 0);
    CHECK(is_there(disk, "runs/e/inner") && !is_there(disk, "runs/d"));
    CHECK(fs->stat(proc, e, &st) == 0 && st.nlink == 0);
    CHECK(fs->stat(proc, d, &st) == 0 && st.nlink == 2 && st.is_dir);
    CHECK(fs->rmdir(proc, d, "inner") == 0);
    CHECK(fs->rmdir(proc, root, "e") == 0);
    CHECK(sim_count(disk, "runs") == 0);
    teardown();
}

static void a_directory_cannot_move_below_itself(void)
{
    setup();
    CHECK(fs->mkdir(proc, root, "d") == 0);
    int d = fs->open(proc, root, "d", CKPT_FS_DIR);
    CHECK(fs->rename(proc, root, "d", d, "x") == -EINVAL);
    CHECK(fs->rename(proc, d, ".", root, "x") == -EINVAL);
    CHECK(fs->rmdir(proc, -1, "/") == -EBUSY);
    teardown();
}

static void nothing_is_made_in_a_directory_that_was_removed(void)
{
    setup();
    CHECK(fs->mkdir(proc, root, "d") == 0);
    int d = fs->open(proc, root, "d", CKPT_FS_DIR);
    make_closed("a");
    CHECK(fs->rmdir(proc, root, "d") == 0);
    CHECK(fs->open(proc, d, "x", CKPT_FS_WRITE | CKPT_FS_CREATE) == -ENOENT);
    CHECK(fs->mkdir(proc, d, "x") == -ENOENT);
    CHECK(fs->link(proc, root, "a", d, "x") == -ENOENT);
    CHECK(fs->rename(proc, root, "a", d, "x") == -ENOENT);
    CHECK(has_a(disk));
    teardown();
}

static void a_lock_belongs_to_an_open_file_description(void)
{
    setup();
    int one = make("a");
    int two = fs->open(proc, root, "a", CKPT_FS_READ);
    CHECK(fs->lock(proc, one, true) == 0);
    CHECK(fs->lock(proc, one, true) == 0);
    CHECK(fs->lock(proc, two, true) == -EWOULDBLOCK);
    CHECK(fs->close(proc, one) == 0);
    CHECK(fs->lock(proc, two, true) == 0);
    sim_proc *other = sim_proc_new(disk, 101);
    int dir = fs->open(other, -1, "runs", CKPT_FS_DIR);
    int three = fs->open(other, dir, "a", CKPT_FS_READ);
    CHECK(fs->lock(other, three, true) == -EWOULDBLOCK);
    sim_kill(proc);
    CHECK(fs->lock(other, three, true) == 0);
    teardown();
}

static void a_lock_is_inherited_by_a_child_and_outlives_its_parent(void)
{
    setup();
    int fd = make("a");
    CHECK(fs->lock(proc, fd, true) == 0);
    sim_proc *child = sim_fork(proc, 101), *other = sim_proc_new(disk, 102);
    sim_kill(proc);
    int third = fs->open(other, -1, "runs/a", CKPT_FS_READ);
    CHECK(fs->lock(other, third, true) == -EWOULDBLOCK);
    CHECK(fs->gone(other, 100, 0) == 1);
    CHECK(fs->write(child, fd, "x", 1, 0) == 1);
    CHECK(fs->close(child, fd) == 0);
    CHECK(fs->lock(other, third, true) == 0);
    teardown();
}

static void shared_locks_exclude_exclusive_ones(void)
{
    setup();
    int a = make("a");
    int b = fs->open(proc, root, "a", CKPT_FS_READ);
    CHECK(fs->lock(proc, a, false) == 0 && fs->lock(proc, b, false) == 0);
    CHECK(fs->lock(proc, b, true) == -EWOULDBLOCK);
    CHECK(fs->close(proc, a) == 0);
    CHECK(fs->lock(proc, b, true) == 0);
    teardown();
}

static void a_failed_conversion_loses_the_lock(void)
{
    setup();
    int a = make("a");
    int b = fs->open(proc, root, "a", CKPT_FS_READ);
    CHECK(fs->lock(proc, a, false) == 0 && fs->lock(proc, b, false) == 0);
    CHECK(fs->lock(proc, a, true) == -EWOULDBLOCK);
    CHECK(fs->lock(proc, b, true) == 0);
    teardown();
}

static void a_walk_is_a_snapshot_with_every_name_once(void)
{
    char name[256];
    void *walk;
    int dots = 0, files = 0, r;
    setup();
    make_closed("a");
    make_closed("b");
    CHECK(fs->dir_open(proc, root, &walk) == 0);
    CHECK(sim_open_count(proc) == 2);
    make_closed("c");
    CHECK(fs->unlink(proc, root, "a") == 0);
    while ((r = fs->dir_next(proc, walk, name)) == 1) {
        if (name[0] == '.') dots++;
        else files++;
        CHECK(strcmp(name, "c") != 0);
    }
    CHECK(r == 0 && dots == 2 && files == 2);
    fs->dir_close(proc, walk);
    CHECK(sim_open_count(proc) == 1);
    char *list = sim_list(disk, "runs");
    CHECK(strcmp(list, "b\nc\n") == 0);
    free(list);
    teardown();
}

static void a_killed_process_is_gone_and_holds_nothing(void)
{
    void *walk;
    setup();
    sim_proc *other = sim_proc_new(disk, 101);
    make_file("a", 'x', 3, false);
    CHECK(fs->dir_open(proc, root, &walk) == 0);
    CHECK(fs->gone(other, 100, proc->self.start) == 0);
    sim_kill(proc);
    CHECK(sim_open_count(proc) == 0);
    CHECK(fs->gone(other, 100, proc->self.start) == 1);
    CHECK(fs->gone(other, 101, 0) == 0);
    CHECK(fs->open(proc, root, "a", CKPT_FS_READ) == -EIO);
    CHECK(fs->close(proc, root) == -EIO);
    fs->dir_close(proc, walk);
    size_t len;
    CHECK(sim_get(disk, "runs/a", &len) && len == 3);
    teardown();
}

static void a_pid_used_again_is_told_by_its_start(void)
{
    setup();
    uint64_t start = proc->self.start;
    sim_kill(proc);
    sim_proc *again = sim_proc_new(disk, 100);
    CHECK(again->self.start != start);
    CHECK(fs->gone(again, 100, start) == 2);
    CHECK(fs->gone(again, 100, 0) == 0);
    ckpt_fs_self self;
    CHECK(fs->self(again, &self) == 0 && self.pid == 100);
    CHECK(fs->pid(again) == 100);
    teardown();
}

static void random_repeats_itself_but_differs_between_processes(void)
{
    char a[16], b[16], c[16];
    setup();
    CHECK(fs->random(proc, a, sizeof a) == 0);
    CHECK(fs->random(sim_proc_new(disk, 101), b, sizeof b) == 0);
    CHECK(memcmp(a, b, sizeof a) != 0);
    CHECK(fs->random(proc, b, sizeof b) == 0);
    CHECK(memcmp(a, b, sizeof a) != 0);
    teardown();
    setup();
    CHECK(fs->random(proc, c, sizeof c) == 0);
    CHECK(memcmp(a, c, sizeof a) == 0);
    teardown();
}

static void times_come_from_the_clock_of_the_file_system(void)
{
    ckpt_fs_stat before, after;
    ckpt_moment now, later;
    setup();
    int fd = make("a");
    CHECK(fs->stat(proc, fd, &before) == 0);
    CHECK(fs->clock(proc, &now) == 0);
    sim_advance(disk, 1500);
    proc->wall_skew_ms = -60000;
    CHECK(fs->clock(proc, &later) == 0);
    CHECK(later.mono_ms == now.mono_ms + 1500);
    CHECK(later.wall_ms == now.wall_ms + 1500 - 60000);
    CHECK(fs->touch(proc, fd) == 0);
    CHECK(fs->stat(proc, fd, &after) == 0);
    CHECK(after.mtime_ns == before.mtime_ns + INT64_C(1500000000));
    sim_advance(disk, 1);
    CHECK(fs->write(proc, fd, "x", 1, 0) == 1);
    CHECK(fs->stat(proc, fd, &after) == 0);
    CHECK(after.mtime_ns == before.mtime_ns + INT64_C(1501000000));
    teardown();
}

static void a_full_disk_writes_short_and_then_fails(void)
{
    setup();
    disk->capacity = 10;
    int a = make_file("a", 'x', 6, false), b = make("b");
    CHECK(fs->write(proc, b, "123456", 6, 0) == 4);
    CHECK(fs->write(proc, b, "56", 2, 4) == -ENOSPC);
    CHECK(fs->write(proc, b, "4321", 4, 0) == 4);
    CHECK(fs->unlink(proc, root, "a") == 0);
    CHECK(fs->write(proc, b, "56", 2, 4) == -ENOSPC);
    CHECK(fs->close(proc, a) == 0);
    CHECK(fs->write(proc, b, "56", 2, 4) == 2);
    teardown();
}

static void descriptors_run_out(void)
{
    setup();
    int n = 1;
    while (fs->open(proc, root, ".", CKPT_FS_DIR) >= 0) n++;
    CHECK(n == SIM_FDS);
    CHECK(fs->open(proc, root, "a", CKPT_FS_CREATE) == -EMFILE);
    CHECK(sim_count(disk, "runs") == 0);
    teardown();
}

static void misuse_of_the_calls_is_noticed(void)
{
    setup();
    int fd = make("a");
    CHECK(fs->close(proc, fd) == 0 && !disk->misuse);
    CHECK(fs->close(proc, fd) == -EBADF && disk->misuse);
    disk->misuse = NULL;
    CHECK(fs->unlink(proc, root, "../runs/a") == -EINVAL && disk->misuse);
    disk->misuse = NULL;
    sim_proc *other = sim_proc_new(disk, 101);
    CHECK(fs->open(other, root, "a", CKPT_FS_READ) == -EBADF && disk->misuse);
    disk->misuse = NULL;
    fd = fs->open(proc, root, "a", CKPT_FS_READ);
    CHECK(fs->write(proc, fd, "x", 1, 0) == -EBADF && disk->misuse);
    disk->misuse = NULL;
    teardown();
}

static void unreachable_inodes_are_freed(void)
{
    setup();
    for (int i = 0; i < 2000; i++) {
        make_closed("t");
        CHECK(fs->rename(proc, root, "t", root, "a") == 0);
        CHECK(fs->sync(proc, root) == 0);
    }
    size_t left = 0;
    sim_collect(disk);
    for (size_t i = 0; i < disk->inode_count; i++)
        left += disk->inodes[i] != NULL;
    CHECK(left == 3);
    CHECK(has_a(disk));
    teardown();
}

static void a_dump_and_a_hash_tell_whether_anything_changed(void)
{
    char buf[4];
    setup();
    int fd = make_file("a", 'x', 3, true);
    char *before = sim_dump(disk);
    uint64_t hash = sim_hash(disk);
    CHECK(strstr(before, "/runs/a f600 1000 links 1 size 3 "));
    CHECK(fs->read(proc, fd, buf, 3, 0) == 3);
    char *after = sim_dump(disk);
    CHECK(strcmp(before, after) == 0 && sim_hash(disk) == hash);
    sim_disk *copy = sim_clone(disk);
    CHECK(sim_hash(copy) == hash);
    free(after);
    CHECK(fs->write(proc, fd, "y", 1, 1) == 1);
    after = sim_dump(disk);
    CHECK(strcmp(before, after) != 0 && sim_hash(disk) != hash);
    CHECK(sim_hash(copy) == hash);
    sim_disk_free(copy);
    free(before);
    free(after);
    teardown();
}

//--- Hooks --------------------------------------------------------------------

static void a_hook_fails_a_call_before_its_effect(void)
{
    setup();
    sim_plan plan = {.at = 1, .verdict = {SIM_FAIL, EACCES, 0}};
    sim_set_plan(proc, &plan);
    CHECK(fs->mkdir(proc, root, "a") == -EACCES);
    CHECK(!has_a(disk) && plan.fired == 1);
    CHECK(fs->mkdir(proc, root, "a") == 0);
    // A descriptor is closed whatever close() says.
    sim_plan no_close = {.at = 1, .calls = SIM_BIT(SIM_CLOSE),
                         .verdict = {SIM_FAIL, EIO, 0}};
    sim_set_plan(proc, &no_close);
    CHECK(fs->close(proc, root) == -EIO);
    CHECK(sim_open_count(proc) == 0);
    teardown();
}

static void a_hook_fails_a_call_after_its_effect(void)
{
    setup();
    sim_plan plan = {.at = 1, .sticky = true,
                     .verdict = {SIM_FAIL_AFTER, EIO, 0}};
    sim_set_plan(proc, &plan);
    CHECK(fs->open(proc, root, "t", CKPT_FS_WRITE | CKPT_FS_CREATE) == -EIO);
    CHECK(is_there(disk, "runs/t") && sim_open_count(proc) == 1);
    CHECK(fs->rename(proc, root, "t", root, "a") == -EIO);
    CHECK(has_a(disk));
    CHECK(fs->link(proc, root, "a", root, "b") == -EIO);
    CHECK(has_b(disk));
    CHECK(fs->unlink(proc, root, "b") == -EIO);
    CHECK(!has_b(disk));
    CHECK(fs->unlink(proc, root, "b") == -ENOENT);
    CHECK(fs->sync(proc, root) == -EIO);
    CHECK(disk->op_count == 0);
    teardown();
}

static void a_hook_cuts_reads_and_writes_short(void)
{
    char buf[8];
    setup();
    sim_plan plan = {.at = 1, .sticky = true,
                     .calls = SIM_BIT(SIM_READ) | SIM_BIT(SIM_WRITE),
                     .verdict = {SIM_SHORT, 0, 2}};
    sim_set_plan(proc, &plan);
    int fd = make("a");
    CHECK(fs->write(proc, fd, "12345", 5, 0) == 2);
    CHECK(fs->write(proc, fd, "345", 3, 2) == 2);
    CHECK(fs->read(proc, fd, buf, 8, 0) == 2);
    CHECK(fs->read(proc, fd, buf, 8, 3) == 1);
    teardown();
}

// Makes and publishes a file, and gives up at the first error.
static bool publish(sim_proc *p, int dir, const char *bytes)
{
    int fd = fs->open(p, dir, "t", CKPT_FS_WRITE | CKPT_FS_CREATE);
    if (fd < 0) return false;
    size_t n = strlen(bytes);
    bool ok = fs->write(p, fd, bytes, n, 0) == (int64_t)n;
    ok = ok && fs->sync(p, fd) == 0;
    ok = fs->close(p, fd) == 0 && ok;
    ok = ok && fs->rename(p, dir, "t", dir, "a") == 0;
    return ok && fs->sync(p, dir) == 0;
}

static void a_hook_kills_a_process_at_every_call(void)
{
    uint64_t k = 0;
    bool ok = false;
    while (!ok && k < 100) {
        setup();
        sim_plan plan = {.at = ++k, .verdict = {SIM_DIE, 0, 0}};
        sim_set_plan(proc, &plan);
        ok = publish(proc, root, "new");
        CHECK(proc->dead == !ok);
        // setup() has made one call.
        CHECK(proc->calls == (ok ? k : k + 1));
        CHECK(has_a(disk) == (k >= 6));
        CHECK(is_there(disk, "runs/t") == (k > 1 && k < 6));
        if (!ok) CHECK(sim_open_count(proc) == 0);
        teardown();
    }
    CHECK(k == 7);
}

static void plans_can_be_sticky_and_chained(void)
{
    setup();
    sim_plan second = {.at = 1, .calls = SIM_BIT(SIM_UNLINK),
                       .verdict = {SIM_FAIL, EINTR, 0}};
    sim_plan first = {.at = 2, .sticky = true, .calls = SIM_BIT(SIM_MKDIR),
                      .verdict = {SIM_FAIL, ENOSPC, 0}, .also = &second};
    sim_set_plan(proc, &first);
    CHECK(fs->mkdir(proc, root, "a") == 0);
    CHECK(fs->mkdir(proc, root, "b") == -ENOSPC);
    CHECK(fs->mkdir(proc, root, "b") == -ENOSPC);
    CHECK(fs->unlink(proc, root, "x") == -EINTR);
    CHECK(fs->unlink(proc, root, "x") == -ENOENT);
    CHECK(first.seen == 3 && first.fired == 2 && second.fired == 1);
    teardown();
}

// Two processes claim a name with link(). The second one does all of its work
// before the k-th call of the first one, for every k.
typedef struct intruder {
    sim_proc *p;
    uint64_t  at;
    bool      won;
} intruder;

static bool claim(sim_proc *p, const char *own)
{
    int dir = fs->open(p, -1, "runs", CKPT_FS_DIR);
    int fd = fs->open(p, dir, own, CKPT_FS_WRITE | CKPT_FS_CREATE);
    bool won = fs->link(p, dir, own, dir, "claim") == 0;
    CHECK(fs->unlink(p, dir, own) == 0);
    CHECK(fs->close(p, fd) == 0);
    CHECK(fs->close(p, dir) == 0);
    return won;
}

static sim_verdict intrude(void *user, sim_proc *p, const sim_event *e)
{
    intruder *other = user;
    sim_verdict go = {SIM_GO, 0, 0};
    CHECK(p == proc);
    if (e->count == other->at) other->won = claim(other->p, "two");
    return go;
}

static void a_hook_runs_another_process_in_between(void)
{
    int first = 0, second = 0;
    for (uint64_t k = 1; k <= 6; k++) {
        setup();
        // setup() has made one call.
        intruder other = {sim_proc_new(disk, 101), k + 1, false};
        proc->hook = intrude;
        proc->hook_user = &other;
        bool won = claim(proc, "one");
        CHECK(won != other.won);
        first += won;
        second += other.won;
        CHECK(sim_count(disk, "runs") == 1);
        teardown();
    }
    CHECK(first == 3 && second == 3);
}

//--- Without power ------------------------------------------------------------

static void a_synced_disk_has_one_state(void)
{
    setup();
    make_closed("a");
    CHECK(fs->sync(proc, root) == 0);
    tally t = count_states(SIM_WEAKEST, 0, has_a);
    CHECK(t.states == 1 && t.hits == 1 && t.exact && !t.sampled);
    make_file("b", 'x', 9, false);
    sim_settle(disk);
    t = count_states(SIM_WEAKEST, 0, both);
    CHECK(t.states == 1 && t.hits == 1);
    teardown();
}

static void sync_of_a_file_leaves_its_name_pending(void)
{
    setup();
    make_closed("a");
    tally t = count_states(SIM_WEAKEST, 0, has_a);
    CHECK(t.states == 2 && t.hits == 1);
    disk->flags = SIM_NO_DIRSYNC;
    CHECK(fs->sync(proc, root) == 0);
    t = count_states(SIM_WEAKEST, 0, has_a);
    CHECK(t.states == 2 && t.hits == 1);
    teardown();
}

static void sync_of_a_directory_leaves_bytes_pending(void)
{
    setup();
    make_file("a", 'x', 9, false);
    CHECK(fs->sync(proc, root) == 0);
    // Nothing, nine zeros, four bytes and zeros, everything.
    tally t = count_states(SIM_WEAKEST, 0, has_a);
    CHECK(t.states == 4 && t.hits == 4 && t.total == 4);
    teardown();
}

static void a_new_file_may_be_cut_or_full_of_zeros(void)
{
    setup();
    make_file("a", 'x', 1300, false);
    CHECK(fs->sync(proc, root) == 0);
    // As above, and cut after one and after two sectors.
    CHECK(count_states(SIM_ORDERED, 0, NULL).states == 6);
    teardown();
}

static bool a_is_head(sim_disk *d)
{
    size_t len;
    const unsigned char *b = sim_get(d, "runs/a", &len);
    return b && len == 4 && memcmp(b, "head", 4) == 0;
}

static void a_prefix_of_the_writes_may_be_there(void)
{
    setup();
    int fd = make("a");
    CHECK(fs->write(proc, fd, "head", 4, 0) == 4);
    CHECK(fs->write(proc, fd, "tail", 4, 4) == 4);
    CHECK(fs->sync(proc, root) == 0);
    tally t = count_states(SIM_WEAKEST, 0, a_is_head);
    CHECK(t.states == 5 && t.hits == 1);
    teardown();
}

static bool a_is_mixed(sim_disk *d)
{
    size_t len;
    const unsigned char *b = sim_get(d, "runs/a", &len);
    return b && b[0] == 'x' && b[600] == 'y' && b[1100] == 'x';
}

// A durable file of n bytes of x, and writes of y over it.
static void write_over(size_t n, size_t at, size_t count)
{
    char buf[8192];
    int fd = make_file("a", 'x', n, true);
    CHECK(fs->sync(proc, root) == 0);
    memset(buf, 'y', sizeof buf);
    CHECK(fs->write(proc, fd, buf, count, at) == (int64_t)count);
}

static void sectors_written_over_are_old_or_new(void)
{
    setup();
    write_over(2048, 0, 1300);
    tally t = count_states(SIM_WEAKEST, 0, a_is_mixed);
    CHECK(t.states == 8 && t.hits == 1);
    CHECK(fs->sync(proc, proc->fd_base + 1) == 0);
    CHECK(count_states(SIM_WEAKEST, 0, NULL).states == 1);
    teardown();
}

// The first line of a claim: what was synced, or any that was written since.
static bool a_is_a_claim(sim_disk *d)
{
    size_t len;
    const unsigned char *bytes = sim_get(d, "runs/a", &len);
    const sim_inode *node = sim_find(d, "runs/a");
    if (bytes == NULL || len != 210 || node->mtime_ns != disk->fs_ns) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        const bool changed = i >= 19 && i < 35;
        if (bytes[i] != (changed ? bytes[19] : 'x')) {
            return false;
        }
    }
    return memchr("x12", bytes[19], 3) != NULL;
}

static void a_claim_written_over_in_place_is_one_of_those_it_was(void)
{
    ckpt_fs_stat before, after;
    setup();
    int fd = make_file("a", 'x', 210, true);
    CHECK(fs->sync(proc, root) == 0);
    CHECK(fs->stat(proc, fd, &before) == 0);
    for (char c = '1'; c <= '2'; c++) {
        char acked[16];
        memset(acked, c, sizeof acked);
        sim_advance(disk, 1500);
        CHECK(fs->write(proc, fd, acked, sizeof acked, 19) == 16);
    }
    CHECK(fs->stat(proc, fd, &after) == 0);
    CHECK(after.mtime_ns == before.mtime_ns + INT64_C(3000000000));
    tally t = count_states(SIM_WEAKEST, 0, a_is_a_claim);
    CHECK(t.states == 3 && t.hits == 3);
    CHECK(fs->sync(proc, fd) == 0);
    CHECK(count_states(SIM_WEAKEST, 0, a_is_a_claim).states == 1);
    teardown();
}

static void many_sectors_written_over_are_sampled(void)
{
    setup();
    write_over(8192, 0, 8192);
    tally t = count_states(SIM_WEAKEST, 0, NULL);
    CHECK(t.states > 10 && t.states <= 17);
    teardown();
}

static bool a_is_longer(sim_disk *d)
{
    size_t len;
    return sim_get(d, "runs/a", &len) && len == 1536;
}

static void a_file_that_grows_in_place_has_the_old_or_the_new_length(void)
{
    setup();
    write_over(1024, 512, 1024);
    // The second sector is old or new at both lengths, the third one exists at
    // the new length only, and may be zeros there.
    tally t = count_states(SIM_WEAKEST, 0, a_is_longer);
    CHECK(t.states == 6 && t.hits == 4);
    teardown();
}

static void a_failed_sync_loses_the_writes_for_good(void)
{
    setup();
    int fd = make_file("a", 'x', 9, false);
    CHECK(fs->sync(proc, root) == 0);
    sim_plan plan = {.at = 1, .verdict = {SIM_FAIL, EINTR, 0}};
    sim_set_plan(proc, &plan);
    CHECK(fs->sync(proc, fd) == -EINTR);
    CHECK(fs->sync(proc, fd) == 0);
    CHECK(count_states(SIM_WEAKEST, 0, NULL).states == 1);
    CHECK(fs->write(proc, fd, "yyy", 3, 9) == 3);
    sim_plan broken = {.at = 1, .verdict = {SIM_FAIL, EIO, 0}};
    sim_set_plan(proc, &broken);
    CHECK(fs->sync(proc, fd) == -EIO);
    CHECK(fs->sync(proc, fd) == 0);
    CHECK(count_states(SIM_WEAKEST, 0, NULL).states == 3);
    teardown();
}

static void weakest_is_any_subset_and_ordered_any_prefix(void)
{
    setup();
    CHECK(fs->mkdir(proc, root, "a") == 0);
    CHECK(fs->mkdir(proc, root, "b") == 0);
    CHECK(fs->mkdir(proc, root, "c") == 0);
    tally t = count_states(SIM_WEAKEST, 0, b_not_a);
    CHECK(t.states == 8 && t.hits == 2);
    t = count_states(SIM_ORDERED, 0, b_not_a);
    CHECK(t.states == 4 && t.hits == 0);
    teardown();
}

static void ordered_makes_everything_before_a_sync_durable(void)
{
    setup();
    CHECK(fs->mkdir(proc, root, "d") == 0);
    sim_settle(disk);
    int d = fs->open(proc, root, "d", CKPT_FS_DIR);
    make_closed("a");
    CHECK(fs->mkdir(proc, d, "x") == 0);
    CHECK(fs->mkdir(proc, d, "y") == 0);
    CHECK(count_states(SIM_ORDERED, 0, NULL).states == 4);
    CHECK(fs->sync(proc, d) == 0);
    make_closed("b");
    tally t = count_states(SIM_ORDERED, 0, has_a);
    CHECK(t.states == 2 && t.hits == 2);
    t = count_states(SIM_WEAKEST, 0, has_a);
    CHECK(t.states == 4 && t.hits == 2);
    teardown();
}

static void a_rename_is_atomic_unless_the_disk_says_otherwise(void)
{
    setup();
    make_closed("a");
    CHECK(fs->sync(proc, root) == 0);
    CHECK(fs->rename(proc, root, "a", root, "b") == 0);
    for (int profile = SIM_WEAKEST; profile <= SIM_ORDERED; profile++) {
        disk->flags = 0;
        CHECK(count_states((sim_profile)profile, 0, NULL).states == 2);
        CHECK(count_states((sim_profile)profile, 0, both).hits == 0);
        CHECK(count_states((sim_profile)profile, 0, neither).hits == 0);
        disk->flags = SIM_NONATOMIC_RENAME;
        CHECK(count_states((sim_profile)profile, 0, NULL).states == 4);
        CHECK(count_states((sim_profile)profile, 0, both).hits == 1);
        CHECK(count_states((sim_profile)profile, 0, neither).hits == 1);
    }
    teardown();
}

static bool moved_lost(sim_disk *d) { return !has_a(d) && !has_d_a(d); }
static bool moved_both(sim_disk *d) { return has_a(d) && has_d_a(d); }

static void a_rename_across_directories_never_loses_the_file(void)
{
    // Synced is neither directory, the source, the target, or both.
    static const size_t states[4] = {3, 1, 2, 1}, twice[4] = {1, 0, 1, 0};
    for (int synced = 0; synced < 4; synced++) {
        setup();
        make_closed("a");
        CHECK(fs->mkdir(proc, root, "d") == 0);
        sim_settle(disk);
        int d = fs->open(proc, root, "d", CKPT_FS_DIR);
        CHECK(fs->rename(proc, root, "a", d, "a") == 0);
        if (synced & 1) CHECK(fs->sync(proc, root) == 0);
        if (synced & 2) CHECK(fs->sync(proc, d) == 0);
        tally t = count_states(SIM_WEAKEST, 0, moved_both);
        CHECK(t.states == states[synced] && t.hits == twice[synced]);
        CHECK(count_states(SIM_WEAKEST, 0, moved_lost).hits == 0);
        CHECK(count_states(SIM_ORDERED, 0, moved_both).hits == 0);
        teardown();
    }
}

static void a_removal_may_come_back(void)
{
    setup();
    make_closed("a");
    CHECK(fs->mkdir(proc, root, "b") == 0);
    sim_settle(disk);
    CHECK(fs->unlink(proc, root, "a") == 0);
    CHECK(fs->rmdir(proc, root, "b") == 0);
    CHECK(count_states(SIM_WEAKEST, 0, NULL).states == 4);
    CHECK(count_states(SIM_WEAKEST, 0, both).hits == 1);
    CHECK(count_states(SIM_WEAKEST, 0, b_not_a).hits == 1);
    CHECK(fs->sync(proc, root) == 0);
    CHECK(count_states(SIM_WEAKEST, 0, neither).states == 1);
    CHECK(count_states(SIM_WEAKEST, 0, neither).hits == 1);
    teardown();
}

static void states_that_are_equal_are_shown_once(void)
{
    sim_set seen = {0};
    size_t shown[3];
    setup();
    // Made and removed and made: any subset, but two results.
    CHECK(fs->mkdir(proc, root, "a") == 0);
    CHECK(fs->rmdir(proc, root, "a") == 0);
    CHECK(fs->mkdir(proc, root, "a") == 0);
    for (int i = 0; i < 3; i++) {
        sim_crash it;
        sim_crash_begin(&it, disk, &(sim_crash_desc){.seen = &seen,
                                                     .salt = i == 2});
        for (sim_disk *after; (after = sim_crash_next(&it)) != NULL;)
            sim_disk_free(after);
        shown[i] = it.shown;
        // No name, the first directory, or the second one.
        CHECK(it.total == 3);
        sim_crash_end(&it);
    }
    CHECK(shown[0] == 2 && shown[1] == 0 && shown[2] == 2);
    sim_set_free(&seen);
    teardown();
}

static void a_sample_says_how_many_of_how_many(void)
{
    char name[3] = "n?";
    setup();
    for (int i = 0; i < 8; i++) {
        name[1] = (char)('a' + i);
        make_file(name, 'x', 9, false);
    }
    // Each of the eight is absent or in one of four states.
    tally t = count_states(SIM_WEAKEST, 1000, NULL);
    CHECK(t.total == 390625 && t.exact && t.sampled && t.states == 1000);
    t = count_states(SIM_WEAKEST, 400000, NULL);
    CHECK(t.states == 390625 && !t.sampled);
    teardown();
}

static bool all_made(sim_disk *d)  { return sim_count(d, "runs") == 40; }
static bool none_made(sim_disk *d) { return sim_count(d, "runs") == 0; }

static void a_huge_number_of_states_is_estimated(void)
{
    char name[8];
    setup();
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "n%d", i);
        CHECK(fs->mkdir(proc, root, name) == 0);
    }
    tally t = count_states(SIM_WEAKEST, 500, all_made);
    CHECK(t.states == 500 && t.sampled && !t.exact && t.hits == 1);
    CHECK(t.total > 1e12 && t.total < 1.2e12);
    CHECK(count_states(SIM_WEAKEST, 500, none_made).hits == 1);
    teardown();
}

static void a_state_is_a_disk_that_can_crash_again(void)
{
    size_t first = 0, second = 0;
    setup();
    make_closed("a");
    sim_find(disk, "runs/a")->mtime_ns = 42;
    sim_crash it;
    sim_crash_begin(&it, disk, &(sim_crash_desc){.profile = SIM_WEAKEST});
    for (sim_disk *after; (after = sim_crash_next(&it)) != NULL; first++) {
        sim_proc *p = sim_proc_new(after, 100);
        CHECK(strcmp(p->self.boot, proc->self.boot) != 0);
        CHECK(fs->gone(p, 100, proc->self.start) == 2);
        int dir = fs->open(p, -1, "runs", CKPT_FS_DIR);
        if (has_a(after)) CHECK(sim_find(after, "runs/a")->mtime_ns == 42);
        CHECK(fs->mkdir(p, dir, "b") == 0);
        sim_crash again;
        sim_crash_begin(&again, after, &(sim_crash_desc){.bound = 10});
        for (sim_disk *d; (d = sim_crash_next(&again)) != NULL; second++) {
            CHECK(has_a(d) == has_a(after));
            sim_disk_free(d);
        }
        sim_crash_end(&again);
        sim_disk_free(after);
    }
    sim_crash_end(&it);
    CHECK(first == 2 && second == 4);
    teardown();
}

static bool links_fit(sim_disk *d)
{
    const sim_inode *node = sim_find(d, "runs/a");
    return node && node->nlink == (has_b(d) ? 2 : 1);
}

static void links_are_counted_by_the_names_that_are_left(void)
{
    setup();
    make_closed("a");
    CHECK(fs->sync(proc, root) == 0);
    CHECK(fs->link(proc, root, "a", root, "b") == 0);
    CHECK(count_states(SIM_WEAKEST, 0, links_fit).hits == 2);
    CHECK(count_states(SIM_WEAKEST, 0, has_b).hits == 1);
    teardown();
}

//--- What a replace is worth --------------------------------------------------

// Saves that a check found good, and the ways in which others were not.
typedef struct verdicts {
    size_t states, missing, torn, lost;
} verdicts;

static void judge(sim_disk *after, int acked, verdicts *v)
{
    size_t len;
    int found = -1;
    const unsigned char *b = sim_get(after, "runs/f", &len);
    for (int n = 0; b && n <= 9; n++) {
        char want[16];
        int k = snprintf(want, sizeof want, "NEW%d|END%d", n, n);
        if (len == (size_t)k && memcmp(b, want, len) == 0) found = n;
    }
    v->states++;
    if (!b) v->missing++;
    else if (found < 0) v->torn++;
    else if (found < acked) v->lost++;
}

static bool replace(int n)
{
    char name[8], bytes[16];
    snprintf(name, sizeof name, "t%d", n);
    int len = snprintf(bytes, sizeof bytes, "NEW%d|END%d", n, n);
    int fd = fs->open(proc, root, name, CKPT_FS_WRITE | CKPT_FS_CREATE);
    if (fd < 0 || fs->write(proc, fd, bytes, 5, 0) != 5) return false;
    if (fs->write(proc, fd, bytes + 5, (size_t)len - 5, 5) < 0) return false;
    if (fs->sync(proc, fd) != 0 || fs->close(proc, fd) != 0) return false;
    if (fs->rename(proc, root, name, root, "f") != 0) return false;
    return fs->sync(proc, root) == 0;
}

// Three saves, cut before every call and after the last one.
static verdicts cut_saves(unsigned flags, sim_profile profile)
{
    verdicts v = {0};
    int acked = 0;
    for (uint64_t k = 1; acked < 3 && k < 100; k++) {
        setup();
        disk->flags = flags;
        sim_put(disk, "runs/f", SIM_FILE, "NEW0|END0", 9);
        sim_plan plan = {.at = k, .verdict = {SIM_DIE, 0, 0}};
        sim_set_plan(proc, &plan);
        for (acked = 0; acked < 3 && replace(acked + 1);) acked++;
        sim_crash it;
        sim_crash_begin(&it, disk, &(sim_crash_desc){.profile = profile});
        for (sim_disk *after; (after = sim_crash_next(&it)) != NULL;) {
            judge(after, acked, &v);
            sim_disk_free(after);
        }
        CHECK(!it.sampled);
        sim_crash_end(&it);
        teardown();
    }
    CHECK(acked == 3);
    return v;
}

// The numbers are those of a program that was written for this one sequence and
// knows nothing of the simulated disk.
static void check_saves(unsigned flags, sim_profile profile, verdicts want)
{
    verdicts v = cut_saves(flags, profile);
    CHECK(v.states == want.states);
    CHECK(v.missing == want.missing);
    CHECK(v.torn == want.torn);
    CHECK(v.lost == want.lost);
}

static void a_replace_with_both_syncs_never_loses_a_save(void)
{
    check_saves(0, SIM_WEAKEST, (verdicts){.states = 64});
    check_saves(0, SIM_ORDERED, (verdicts){.states = 64});
}

static void a_replace_without_directory_sync_loses_acknowledged_saves(void)
{
    check_saves(SIM_NO_DIRSYNC, SIM_WEAKEST,
                (verdicts){.states = 267, .lost = 176});
    check_saves(SIM_NO_DIRSYNC, SIM_ORDERED,
                (verdicts){.states = 112, .lost = 48});
}

static void a_replace_without_file_sync_leaves_torn_files(void)
{
    check_saves(SIM_NO_FILESYNC, SIM_WEAKEST,
                (verdicts){.states = 368, .torn = 268});
    check_saves(SIM_NO_FILESYNC, SIM_ORDERED,
                (verdicts){.states = 368, .torn = 268});
}

static void a_replace_without_any_sync_does_both(void)
{
    unsigned none = SIM_NO_FILESYNC | SIM_NO_DIRSYNC;
    check_saves(none, SIM_WEAKEST,
                (verdicts){.states = 4305, .torn = 2146, .lost = 1824});
    check_saves(none, SIM_ORDERED,
                (verdicts){.states = 710, .torn = 466, .lost = 144});
}

static void a_replace_on_a_disk_with_torn_renames_loses_the_file(void)
{
    verdicts v = cut_saves(SIM_NONATOMIC_RENAME, SIM_WEAKEST);
    CHECK(v.missing > 0);
    CHECK(v.torn == 0 && v.lost == 0);
}
