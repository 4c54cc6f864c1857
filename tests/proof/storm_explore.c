// SPDX-License-Identifier: MIT-0
/*
    storm_explore.c -- kills examples/go_explore.c 200 times, and looks

    Plays the game once undisturbed, then again and again under SIGKILL at
    random moments. Whenever a game ends, and after the last kill one does,
    its result must be that of the undisturbed one, which sums up every cell
    and the files in its checkpoint, and nothing may be left on the disk but the
    receipt of the game: no checkpoint, no workspace, no other run. One start
    more must say that it was found before, and write no other result; then a
    new game begins. Who dies right after it has made the directory of a run
    leaves an empty one, of which nobody can say whose it is: a sweep takes it
    when it is old. So it is made old, and after the last game it must be gone,
    too.

        cc -std=c99 -o build/storm_explore tests/proof/storm_explore.c
        build/storm_explore [-s seed] [-k kills] [-m seed of the maze]
                            [-g go_explore] [-d directory]

    Games count as tests. Exit status: 0 if all that holds, else 1.
*/
#define _POSIX_C_SOURCE 200809L

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    LIFE_MS = 700,          // the longest life of a process that is killed
    EARLY_MS = 60,          // every fourth dies while it claims and tidies up
    RESULT_MAX = 16 * 1024
};

typedef struct storm {
    const char *game, *dir, *maze;
    uint64_t    random;
    int         kills, ends, failures, seen;
    bool        anew;       // the next start begins a new game
    char        want[RESULT_MAX], got[RESULT_MAX];
} storm;

static bool fail(const char *what)
{
    fprintf(stderr, "storm_explore: %s: %s\n", what, strerror(errno));
    return false;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

// xorshift64*
static int draw(storm *s, int below)
{
    s->random ^= s->random >> 12;
    s->random ^= s->random << 25;
    s->random ^= s->random >> 27;
    return (int)((s->random * UINT64_C(2685821657736338717) >> 33) %
                 (uint64_t)below);
}

// Plays in dir/name, with SIGKILL after ms (-1: never).
static bool play(const storm *s, const char *name, int ms, int *status)
{
    char dir[1024];
    snprintf(dir, sizeof(dir), "%s/%s", s->dir, name);
    const pid_t pid = fork();
    if (pid < 0) {
        return fail("fork");
    }
    if (pid == 0) {
        const int fd = open("/dev/null", O_WRONLY);
        if (fd >= 0) {
            dup2(fd, STDOUT_FILENO);
        }
        execl(s->game, s->game, s->anew ? "-nq" : "-q", "-s", s->maze, "-d",
              dir, (char *)NULL);
        _exit(127);
    }
    if (ms >= 0) {
        // A zombie keeps its pid: nobody else can be hit.
        const struct timespec t = { ms / 1000, ms % 1000 * 1000000L };
        nanosleep(&t, NULL);
        kill(pid, SIGKILL);
    }
    return waitpid(pid, status, 0) == pid || fail("waitpid");
}

static bool read_result(const storm *s, const char *name, char *text)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s/result.json", s->dir, name);
    FILE  *f = fopen(path, "r");
    size_t n = f != NULL ? fread(text, 1, RESULT_MAX - 1, f) : 0;
    text[n] = '\0';
    if (f == NULL || ferror(f) || fclose(f) != 0) {
        return fail(path);
    }
    return n > 0;
}

// Counts what lies in dir/name/what. A store keeps other hidden files than
// runs half made, which are leftovers, too.
static int count(const storm *s, const char *name, const char *what)
{
    char path[1024];
    int  n = 0;
    snprintf(path, sizeof(path), "%s/%s/%s", s->dir, name, what);
    DIR *walk = opendir(path);
    for (struct dirent *e; walk != NULL && (e = readdir(walk)) != NULL; ) {
        n += e->d_name[0] != '.' || strncmp(e->d_name, ".new", 4) == 0;
    }
    if (walk != NULL) {
        closedir(walk);
    }
    return walk != NULL ? n : -1;
}

// Makes the empty directories of runs half made old. Returns how many there
// are.
static int make_old(const storm *s)
{
    const struct timespec old = { time(NULL) - 24 * 3600, 0 };
    const struct timespec both[2] = { old, old };
    char path[1024];
    int  n = 0;
    snprintf(path, sizeof(path), "%s/storm/runs", s->dir);
    DIR *walk = opendir(path);
    for (struct dirent *e; walk != NULL && (e = readdir(walk)) != NULL; ) {
        char name[sizeof(e->d_name) + 16];
        snprintf(name, sizeof(name), "runs/%s", e->d_name);
        if (strncmp(e->d_name, ".new-", 5) == 0 &&
            count(s, "storm", name) == 0) {
            n += utimensat(dirfd(walk), e->d_name, both, 0) == 0;
        }
    }
    if (walk != NULL) {
        closedir(walk);
    }
    return n;
}

// One start more plays nothing: the result is the very same file.
static bool is_over(storm *s)
{
    char        path[1024];
    struct stat before, after;
    int         status;
    s->anew = false;
    snprintf(path, sizeof(path), "%s/storm/result.json", s->dir);
    return (stat(path, &before) == 0 && play(s, "storm", -1, &status) &&
            status == 0 && stat(path, &after) == 0 &&
            before.st_ino == after.st_ino &&
            before.st_mtime == after.st_mtime) || fail(path);
}

// A game has ended: looks at its result and for leftovers.
static void judge(storm *s, bool last)
{
    const bool over = is_over(s);
    const int young = last ? 0 : make_old(s);
    const int spaces = count(s, "storm", "spaces");
    const int runs = count(s, "storm", "runs") - young;
    const bool same = read_result(s, "storm", s->got) &&
                      strcmp(s->got, s->want) == 0;
    s->ends++;
    if (!over || !same || spaces != 0 || runs != 1) {
        printf("game %d: %s, %s, %d left in spaces, %d in runs\n", s->ends,
               over ? "over" : "PLAYED AGAIN",
               same ? "the same archive" : "ANOTHER ARCHIVE", spaces, runs);
        s->failures++;
    }
    s->anew = true;
}

static bool torment(storm *s, int kills)
{
    int status;
    while (s->kills < kills) {
        const int life = draw(s, 4) == 0 ? EARLY_MS : LIFE_MS;
        if (!play(s, "storm", draw(s, life), &status)) {
            return false;
        }
        s->anew = s->anew && WIFSIGNALED(status) && draw(s, 2) == 0;
        const int held = count(s, "storm", "spaces");
        s->seen = held > s->seen ? held : s->seen;
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
            s->kills++;
        } else if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
            judge(s, false);
        } else {
            printf("after %d kills: status %d\n", s->kills, status);
            return false;
        }
    }
    make_old(s);
    if (!play(s, "storm", -1, &status) || status != 0) {
        printf("the last game: status %d\n", status);
        return false;
    }
    judge(s, true);
    return true;
}

static bool clean(const storm *s)
{
    int         status;
    const pid_t pid = fork();
    if (pid == 0) {
        execlp("rm", "rm", "-rf", "--", s->dir, (char *)NULL);
        _exit(127);
    }
    return (pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 &&
            mkdir(s->dir, 0700) == 0) || fail(s->dir);
}

int main(int argc, char **argv)
{
    static storm s = { .game = "build/go_explore", .maze = "4",
                       .dir = "build/storm_explore.d" };
    uint64_t     seed = (uint64_t)time(NULL);
    int          kills = 200, status = 0;
    for (int c; (c = getopt(argc, argv, "s:k:m:g:d:")) != -1; ) {
        switch (c) {
        case 's': seed = strtoull(optarg, NULL, 10); break;
        case 'k': kills = atoi(optarg); break;
        case 'm': s.maze = optarg; break;
        case 'g': s.game = optarg; break;
        case 'd': s.dir = optarg;  break;
        default:  return 1;
        }
    }
    s.random = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15) | 1;
    printf("storm_explore: seed %" PRIu64 ", maze %s\n", seed, s.maze);
    fflush(stdout);
    const int64_t begin = now_ms();
    if (!clean(&s) || !play(&s, "still", -1, &status) || status != 0 ||
        !read_result(&s, "still", s.want)) {
        printf("the undisturbed game failed, status %d\n", status);
        return 1;
    }
    const int64_t still = now_ms() - begin;
    const bool    good = torment(&s, kills);
    printf("undisturbed %" PRId64 " ms; %d kills, %d games, up to %d "
           "workspaces on the disk; %d failures; %" PRId64 " s\n", still,
           s.kills, s.ends, s.seen, s.failures, (now_ms() - begin) / 1000);
    printf("%d passed, %d failed\n", s.ends - s.failures, s.failures + !good);
    return good && s.failures == 0 ? 0 : 1;
}
