// SPDX-License-Identifier: MIT-0
/*
    memory.c -- what a save needs besides the memory that its caller has

        memory figures directory

    The stack is that of a thread which was painted before, and is looked at
    afterwards. The heap is what the C library was asked for at any one time:
    the functions below stand before its own, where it is glibc. The run, the
    context, the store and the transcript are the caller's.
*/
#define _GNU_SOURCE

#include "bench.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

enum { STACK = 1 << 20, PAINT = 0xa5, ADDED = 1024, TEXTS = 3 };

bench_options bench = { .place = "here" };

static struct {
    bool          counts;
    size_t        now, most;        // bytes of the heap
    ckpt_store_fs fs;
    ckpt_ctx      ctx;
    ckpt_run      run;
    transcript    text[TEXTS], added;       // three, as in saves.c
    uint64_t      turn;
} g;

//--- The heap -----------------------------------------------------------------

#ifdef __GLIBC__

extern void *__libc_malloc(size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void __libc_free(void *p);

static void *note(void *p)
{
    if (g.counts && p != NULL) {
        g.now += malloc_usable_size(p);
        g.most = g.now > g.most ? g.now : g.most;
    }
    return p;
}

static void forget(void *p)
{
    if (g.counts && p != NULL) {
        g.now -= malloc_usable_size(p);
    }
}

void *malloc(size_t size)
{
    return note(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
    return note(__libc_calloc(n, size));
}

void *realloc(void *p, size_t size)
{
    forget(p);
    return note(__libc_realloc(p, size));
}

void free(void *p)
{
    forget(p);
    __libc_free(p);
}

static const bool heap_known = true;

#else

static const bool heap_known = false;

#endif

//--- The stack ----------------------------------------------------------------

typedef struct painted {
    void (*op)(void);
    size_t used;
} painted;

static void *on_stack(void *arg)
{
    painted *p = arg;
    g.now = g.most = 0;
    g.counts = true;
    p->op();
    g.counts = false;
    return NULL;
}

static void do_nothing(void) { }

// What a thread had to begin with is measured, too, and taken off.
static size_t stack_of(void (*op)(void))
{
    painted p = { op, 0 };
    pthread_attr_t attr;
    pthread_t thread;
    unsigned char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED) {
        die_errno("mmap");
    }
    memset(stack, PAINT, STACK);
    pthread_attr_init(&attr);
    pthread_attr_setstack(&attr, stack, STACK);
    if (pthread_create(&thread, &attr, on_stack, &p) != 0) {
        die("a thread", "it cannot be made");
    }
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attr);
    size_t unused = 0;
    while (unused < STACK && stack[unused] == PAINT) {
        unused++;
    }
    munmap(stack, STACK);
    return STACK - unused;
}

//--- The calls ----------------------------------------------------------------

static void save_whole(void)
{
    g.turn++;
    check_code("a save", ckpt_save(&g.run, &(ckpt_save_desc){
        .turn = g.turn,
        .messages = transcript_bytes(&g.text[g.turn % TEXTS]) }),
        &g.run.error);
}

static void save_added(void)
{
    check_code("a save", ckpt_save(&g.run, &(ckpt_save_desc){
        .turn = ++g.turn, .messages = transcript_bytes(&g.added),
        .append_at = g.run.messages }), &g.run.error);
}

static void start(void)
{
    check_code("a start", ckpt_start(&g.ctx, &g.run, &(ckpt_run_desc){
        .id = "bench" }), ckpt_last_error(&g.ctx));
}

static void resume(void)
{
    check_code("a resume", ckpt_resume(&g.ctx, &g.run, &(ckpt_run_desc){
        .id = "bench" }), ckpt_last_error(&g.ctx));
}

static void finish(void)
{
    check_code("a finish", ckpt_finish(&g.run, CKPT_COMPLETED, NULL),
               &g.run.error);
}

static void memory_of(const char *variant, size_t size, void (*op)(void))
{
    const size_t nothing = stack_of(do_nothing);
    const size_t stack = stack_of(op) - nothing;
    figure("memory", size, variant, "stack", 0, (double)stack);
    if (heap_known) {
        figure("memory", size, variant, "heap", 0, (double)g.most);
        figure("memory", size, variant, "KiB", 1,
               (double)(stack + g.most) / 1024);
    }
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = { 1024, 262144, 4 << 20, 16 << 20 };
    char dir[4096];
    ckpt_error err;
    if (argc != 3) {
        fprintf(stderr, "usage: memory figures directory\n");
        return 2;
    }
    bench.dir = argv[2];
    counters_open(NULL);
    figure_open(argv[1]);
    snprintf(dir, sizeof(dir), "%.4000s/runs", bench.dir);
    check_code("open the store", ckpt_store_fs_open(&g.fs,
        &(ckpt_store_fs_desc){ .dir = dir }, &err), &err);
    check_code("a context", ckpt_init(&g.ctx, &(ckpt_desc){
        .store = &g.fs.base, .throttle_ms = CKPT_OFF }),
        ckpt_last_error(&g.ctx));
    transcript_make(&g.added, ADDED + 2, 0, TEXTS);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (uint32_t k = 0; k < TEXTS; k++) {
            transcript_make(&g.text[k], sizes[i], 0, k);
        }
        memory_of("ckpt_start", sizes[i], start);
        memory_of("first ckpt_save", sizes[i], save_whole);
        save_whole();
        memory_of("ckpt_save .messages", sizes[i], save_whole);
        save_added();
        memory_of("ckpt_save .append_at", sizes[i], save_added);
        ckpt_abandon(&g.run);
        memory_of("ckpt_resume", sizes[i], resume);
        memory_of("ckpt_finish", sizes[i], finish);
        for (int k = 0; k < TEXTS; k++) {
            transcript_free(&g.text[k]);
        }
    }
    ckpt_store_fs_close(&g.fs);
    remove_tree(dir);
    return 0;
}
