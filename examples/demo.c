// SPDX-License-Identifier: MIT-0
/*
    demo.c -- kills an agent again and again, and looks whether it minds

    Runs examples/agent.c once undisturbed, then once more, with SIGKILL at
    random moments and a new start each time. Both reports must be the same, no
    tool call that had ended may run again, and one more start, of the agent
    that is through, must not write another report. What the agent says goes
    into logs; the demo counts in them, and tells the story in a few lines. It
    works on a copy of the texts, so that nobody edits them meanwhile, and
    leaves everything in one directory, build/demo.d.

        cc -std=c99 -o build/demo examples/demo.c
        build/demo [-s seed] [-a agent] [-d directory] [texts ...]

    Exit status: 0 if all that holds, else 1.
*/
#define _POSIX_C_SOURCE 200809L

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
    KILLS_MAX = 8,                      // then the agent may work in peace
    KILLS_MIN = 4,                      // fewer prove little: again, faster
    CALLS_MAX = 1024,                   // different tool calls of the agent
    TEXTS_MAX = 16,
    TRY_LATER = 75,                     // what the agent says when it is busy
    WAIT_S    = 40                      // patience with a busy run, in all
};

// Copies directories, without what is built in them, to "$0/texts".
static const char copy_script[] =
    "rm -rf \"$0/texts\"\n"
    "for dir; do\n"
    "    copy=$0/texts/$(cd \"$dir\" && basename \"$PWD\") || exit 1\n"
    "    mkdir -p \"$copy\" || exit 1\n"
    "    tar -C \"$dir\" --exclude=.git --exclude=build -cf \"$0/tar\" .\n"
    "    tar -C \"$copy\" -xf \"$0/tar\" || exit 1\n"
    "done\n"
    "rm -f \"$0/tar\"\n";

// A tool call, over all starts of one agent. It has ended when the agent had
// the OK for its result; before that, a kill leaves it uncertain.
typedef struct call {
    char id[48];
    int  runs;
    bool ended, twice;                  // twice: it ran after it had ended
} call;

// What one start of the agent did, as its log says.
typedef struct story {
    int turn, skipped, run, reused, uncertain;
} story;

typedef struct demo {
    const char *agent, *dir;
    uint64_t    random;                 // state of the generator
    int64_t     reference_ms;           // time of the undisturbed run
    int         kills, starts;
    call        calls[CALLS_MAX];
    int         count;                  // of calls
} demo;

static bool fail(const char *what)
{
    fprintf(stderr, "demo: %s: %s\n", what, strerror(errno));
    return false;
}

// A verdict: green or red, but only for a person's eyes.
static bool verdict(bool good, const char *text)
{
    const char *no_color = getenv("NO_COLOR");
    bool        color = isatty(STDOUT_FILENO) && !(no_color && *no_color);
    const char *begin = good ? "\033[32m" : "\033[31m";
    printf("  %s%s%s\n", color ? begin : "", text, color ? "\033[0m" : "");
    return good;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void sleep_ms(int64_t ms)
{
    struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
    nanosleep(&t, NULL);
}

// xorshift64*: the same seed gives the same moments everywhere.
static uint64_t next_random(demo *d)
{
    d->random ^= d->random >> 12;
    d->random ^= d->random << 25;
    d->random ^= d->random >> 27;
    return d->random * UINT64_C(2685821657736338717) >> 32;
}

//--- Programs -----------------------------------------------------------------

// Starts a program; what it prints goes to log, if there is one. The log is
// emptied here: who is killed at once would leave that of an earlier demo.
static pid_t start(char **argv, const char *log)
{
    int fd = STDOUT_FILENO;
    if (log != NULL) {
        fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (fd < 0) {
            return -1;
        }
    }
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        if (fd == STDOUT_FILENO || dup2(fd, STDOUT_FILENO) >= 0) {
            execvp(argv[0], argv);
        }
        _exit(127);
    }
    if (log != NULL) {
        close(fd);
    }
    return pid;
}

// Starts the agent with the runs and the report of that name, kills it after
// kill_ms (-1: never) and waits for its end.
static bool run_agent(demo *d, const char *name, const char *log,
                      int64_t kill_ms, int *status)
{
    char  runs[1024], report[1024], texts[1024];
    char *argv[] = { (char *)d->agent, "-v", "-r", runs, "-o", report, texts,
                     NULL };
    snprintf(runs, sizeof(runs), "%s/%s.runs", d->dir, name);
    snprintf(report, sizeof(report), "%s/%s.report", d->dir, name);
    snprintf(texts, sizeof(texts), "%s/texts", d->dir);
    int64_t begin = now_ms();
    pid_t   pid = start(argv, log), got;
    if (pid < 0) {
        return fail(d->agent);
    }
    while ((got = waitpid(pid, status, kill_ms < 0 ? 0 : WNOHANG)) == 0) {
        if (now_ms() - begin >= kill_ms) {
            kill(pid, SIGKILL);
            kill_ms = -1;
        } else {
            sleep_ms(1);
        }
    }
    return got == pid || fail("waitpid");
}

static bool run_to_end(char **argv)
{
    int   status;
    pid_t pid = start(argv, NULL);
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        return fail(argv[0]);
    }
    return status == 0;
}

static bool clean(demo *d, const char *name)
{
    char  runs[1024], report[1024];
    char *argv[] = { "rm", "-rf", "--", runs, report, NULL };
    snprintf(runs, sizeof(runs), "%s/%s.runs", d->dir, name);
    snprintf(report, sizeof(report), "%s/%s.report", d->dir, name);
    d->kills = d->starts = d->count = 0;
    return run_to_end(argv);
}

static bool copy_texts(demo *d, char **texts)
{
    char *argv[TEXTS_MAX + 5] = {
        "sh", "-c", (char *)copy_script, (char *)d->dir
    };
    for (size_t i = 0; texts[i] != NULL && i < TEXTS_MAX; i++) {
        argv[i + 4] = texts[i];
    }
    return run_to_end(argv);
}

//--- What the agent said ------------------------------------------------------

// The call of that id, NULL if there are too many.
static call *find_call(demo *d, const char *id)
{
    for (int i = 0; i < d->count; i++) {
        if (strcmp(d->calls[i].id, id) == 0) {
            return &d->calls[i];
        }
    }
    if (d->count == CALLS_MAX) {
        return NULL;
    }
    call *c = &d->calls[d->count++];
    *c = (call){ .runs = 0 };
    strcpy(c->id, id);
    return c;
}

// One line of a call: its id, and what became of it.
static bool read_call(demo *d, story *s, const char *id, const char *what)
{
    call *c = find_call(d, id);
    if (c == NULL) {
        errno = E2BIG;
        return fail(id);
    }
    if (strcmp(what, "runs") == 0) {
        s->run++;
        c->runs++;
        c->twice = c->twice || c->ended;
    } else if (strcmp(what, "ended") == 0) {
        c->ended = true;
    } else if (strcmp(what, "reused,") == 0) {
        s->reused++;
    } else if (strcmp(what, "uncertain:") == 0) {
        s->uncertain++;
    }
    return true;
}

// Reads what one start of the agent has printed. A line that a kill cut off is
// read as far as it goes.
static bool read_log(demo *d, const char *log, story *s)
{
    char  line[8192], id[48], what[48];
    bool  good = true;
    FILE *f = fopen(log, "r");
    *s = (story){ 0 };
    if (f == NULL) {
        return fail(log);
    }
    while (good && fgets(line, sizeof(line), f) != NULL) {
        if (sscanf(line, "resumed turn %d", &s->turn) == 1) {
            continue;
        }
        s->skipped += strstr(line, "skipped, it is complete") != NULL;
        if (strncmp(line, "  ", 2) == 0 && line[2] != ' ' &&
            sscanf(line, " %47s %47s", id, what) == 2) {
            good = read_call(d, s, id, what);
        }
    }
    fclose(f);
    return good;
}

static void head(void)
{
    printf("  start   from turn   phases     calls   calls      calls\n"
           "                       skipped      run  reused  uncertain"
           "   end\n");
}

static void row(const demo *d, const story *s, const char *end)
{
    printf("  %5d %11d %9d %9d %7d %10d   %s\n", d->starts, s->turn, s->skipped,
           s->run, s->reused, s->uncertain, end);
}

//--- The story ----------------------------------------------------------------

// One agent's life with many deaths. Moments come from [0, scale_ms), every
// fourth from the first 50 ms, where runs are claimed.
static bool torment(demo *d, int64_t scale_ms)
{
    int64_t wait_end = -1;
    char    log[1024], end[64];
    for (;;) {
        int     status;
        int64_t ms = -1;
        story   s;
        if (d->kills < KILLS_MAX) {
            int64_t range = next_random(d) % 4 == 0 ? 50 : scale_ms;
            ms = (int64_t)(next_random(d) % (uint64_t)range);
        }
        snprintf(log, sizeof(log), "%s/killed.%d.log", d->dir, ++d->starts);
        if (!run_agent(d, "killed", log, ms, &status) ||
            !read_log(d, log, &s)) {
            return false;
        }
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
            d->kills++;
            snprintf(end, sizeof(end), "killed after %" PRId64 " ms", ms);
            row(d, &s, end);
        } else if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
            row(d, &s, "complete");
            return true;
        } else if (WIFEXITED(status) && WEXITSTATUS(status) == TRY_LATER) {
            wait_end = wait_end < 0 ? now_ms() + WAIT_S * 1000 : wait_end;
            if (now_ms() > wait_end) {
                printf("demo: the run stays busy\n");
                return false;
            }
            row(d, &s, "busy: the last one died in its claim");
            sleep_ms(1000);
        } else {
            printf("demo: the agent failed (status %d), see %s\n", status, log);
            return false;
        }
    }
}

// One that is through says so, and writes no report any more.
static bool once(demo *d)
{
    char        report[1024], log[1024];
    struct stat before, after;
    int         status;
    snprintf(report, sizeof(report), "%s/killed.report", d->dir);
    snprintf(log, sizeof(log), "%s/again.log", d->dir);
    if (stat(report, &before) != 0 ||
        !run_agent(d, "killed", log, -1, &status) ||
        stat(report, &after) != 0) {
        return fail(report);
    }
    bool good = status == 0 && before.st_ino == after.st_ino &&
                before.st_mtime == after.st_mtime;
    return verdict(good, good ? "one start more repeats nothing"
                              : "ONE START MORE WRITES THE REPORT AGAIN");
}

// No call that had ended ran again.
static bool not_twice(const demo *d)
{
    char text[128];
    int  twice = 0, again = 0;
    for (int i = 0; i < d->count; i++) {
        twice += d->calls[i].twice;
        again += d->calls[i].runs > 1;
    }
    printf("  %d kills, %d starts; of %d calls %d ran again, as nobody can "
           "know\n  whether a call that a kill cut off has run: this agent's "
           "only read\n", d->kills, d->starts, d->count, again);
    snprintf(text, sizeof(text), "ended, and run twice: %d", twice);
    return verdict(twice == 0, text);
}

static bool same(demo *d)
{
    char    names[2][1024];
    FILE   *f[2];
    int     c[2];
    int64_t size = 0;
    for (int i = 0; i < 2; i++) {
        snprintf(names[i], sizeof(names[i]), "%s/%s.report", d->dir,
                 i == 0 ? "reference" : "killed");
        f[i] = fopen(names[i], "r");
        if (f[i] == NULL) {
            return fail(names[i]);
        }
    }
    do {
        c[0] = getc(f[0]);
        c[1] = getc(f[1]);
        size++;
    } while (c[0] == c[1] && c[0] != EOF);
    bool good = c[0] == c[1] && size > 1 && !ferror(f[0]) && !ferror(f[1]);
    fclose(f[0]);
    fclose(f[1]);
    return verdict(good, good ? "both reports are the same"
                              : "THE REPORTS DIFFER");
}

static bool play(demo *d)
{
    int   status;
    char  log[1024];
    story s;
    if (!clean(d, "reference")) {
        return false;
    }
    snprintf(log, sizeof(log), "%s/reference.log", d->dir);
    printf("An agent reads texts in four phases, with seven tool calls for "
           "each of them.\nFirst undisturbed:\n\n");
    head();
    d->starts = 1;
    d->reference_ms = now_ms();
    if (!run_agent(d, "reference", log, -1, &status) || status != 0 ||
        !read_log(d, log, &s)) {
        fprintf(stderr, "demo: the undisturbed agent failed, see %s\n", log);
        return false;
    }
    d->reference_ms = now_ms() - d->reference_ms;
    row(d, &s, "complete");

    // An agent that is through before it was killed often enough was given
    // too much time.
    for (int64_t scale = d->reference_ms / 3 + 1; d->kills < KILLS_MIN;
         scale = scale / 2 + 1) {
        if (!clean(d, "killed")) {
            return false;
        }
        printf("\nThen killed (SIGKILL) at random moments, and started "
               "again:\n\n");
        head();
        if (!torment(d, scale)) {
            return false;
        }
    }
    printf("\n");
    bool good = not_twice(d);
    good = same(d) && good;
    good = once(d) && good;
    printf("\nThe reports, and what each start said: %s/*.report, *.log\n",
           d->dir);
    return good;
}

int main(int argc, char **argv)
{
    static demo d = { .agent = "build/agent", .dir = "build/demo.d" };
    char       *texts[] = { "/usr/share/common-licenses", ".", NULL };
    time_t      seed = time(NULL);
    for (int c; (c = getopt(argc, argv, "s:a:d:")) != -1;) {
        switch (c) {
        case 's': seed = (time_t)strtoll(optarg, NULL, 10); break;
        case 'a': d.agent = optarg; break;
        case 'd': d.dir = optarg; break;
        default:
            fprintf(stderr, "usage: demo [-s seed] [-a agent] [-d directory] "
                            "[texts ...]\n");
            return 1;
        }
    }
    if (argc - optind > TEXTS_MAX || strlen(d.dir) > 900) {
        fprintf(stderr, "demo: too many texts, or too long a directory\n");
        return 1;
    }
    if (mkdir(d.dir, 0700) != 0 && errno != EEXIST) {
        return !fail(d.dir);
    }
    if (!copy_texts(&d, optind < argc ? argv + optind : texts)) {
        fprintf(stderr, "demo: cannot copy the texts\n");
        return 1;
    }
    printf("Seed %" PRId64 ": \"demo -s %" PRId64 "\" kills at the same "
           "moments.\n", (int64_t)seed, (int64_t)seed);
    d.random = (uint64_t)seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    return play(&d) ? 0 : 1;
}
