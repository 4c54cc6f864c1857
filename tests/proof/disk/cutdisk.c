// SPDX-License-Identifier: MIT-0
/*
    cutdisk.c -- a disk with a volatile cache, and a power cut in it

        cutdisk image durable marks mountpoint seed number sector [lies]

    image and durable are the same at first. image is what the computer sees. A
    write stays in the cache, which is memory, until the next flush: only that
    takes it to durable. At a random one of the first writes, flushes and marks
    (fuse_disk.h), mostly of those after the first mark, or when "cut" is
    written to mark, the power goes. Of what is in the cache some gets to
    durable then: of each sector, of that many bytes, or of each whole write,
    it is drawn whether it does; or a random number of sectors does, in the
    order in which they were written. From then on nothing reaches durable or
    marks, and who writes to mark gets EIO: it is off. image goes on behind it,
    for the kernel, which is not off.

    lies: a flush is answered, and does nothing; the cache is written back in
    order. One line on stdout says what the cut did.
*/
#include "fuse_disk.h"
#include "random.h"

enum { BY_SECTOR, BY_WRITE, IN_ORDER };

typedef struct held {
    struct held   *next;
    off_t          at;
    size_t         n;
    unsigned char  bytes[];
} held;

static struct {
    int         durable, marks;
    bool        lies, off, waits;       // for the first mark
    size_t      sector;
    uint64_t    after;                  // operations until the cut
    held       *first, **end;           // the cache, oldest first
    uint64_t    sectors;                // in it
    unsigned    marked;
} c = { .end = &c.first };

static void must(bool done, const char *what)
{
    if (!done) {
        perror(what);
        abort();                        // nothing could be judged any more
    }
}

// What is left of the sector that byte at of a write is in.
static size_t rest_of_sector(const held *h, size_t at)
{
    const size_t rest = c.sector - ((size_t)h->at + at) % c.sector;
    return rest < h->n - at ? rest : h->n - at;
}

static void keep(const held *h, size_t from, size_t n)
{
    must(pwrite(c.durable, h->bytes + from, n, h->at + (off_t)from) ==
         (ssize_t)n, "cutdisk: durable");
}

static void empty_cache(void)
{
    while (c.first != NULL) {
        held *h = c.first;
        c.first = h->next;
        free(h);
    }
    c.end = &c.first;
    c.sectors = 0;
}

static void cut(void)
{
    const int how = c.lies ? IN_ORDER : (int)next_random(3);
    const uint64_t percent = next_random(101);
    uint64_t in_order = next_random(c.sectors + 1), lost = 0;
    for (const held *h = c.first; h != NULL; h = h->next) {
        const bool whole = next_random(100) < percent;
        for (size_t at = 0, n; at < h->n; at += n) {
            n = rest_of_sector(h, at);
            const bool kept = how == BY_WRITE ? whole :
                              how == BY_SECTOR ? next_random(100) < percent :
                              in_order > 0;
            in_order -= in_order > 0;
            if (kept) {
                keep(h, at, n);
            } else {
                lost++;
            }
        }
    }
    printf("%s %llu %llu\n", c.marked > 0 ? "working" : "mounting",
           (unsigned long long)lost, (unsigned long long)c.sectors);
    fflush(stdout);
    empty_cache();
    c.off = true;
}

// Counts an operation; false if the power is off.
static bool goes_on(void)
{
    const bool counts = !c.waits || c.marked > 0;
    if (!c.off && counts && --c.after == 0) {
        cut();
    }
    return !c.off;
}

static void on_write(off_t at, const void *bytes, size_t n)
{
    if (c.off) {
        return;
    }
    held *h = malloc(sizeof(*h) + n);
    must(h != NULL, "cutdisk: the cache");
    *h = (held){ .at = at, .n = n };
    memcpy(h->bytes, bytes, n);
    *c.end = h;
    c.end = &h->next;
    c.sectors += ((size_t)at % c.sector + n + c.sector - 1) / c.sector;
    (void)goes_on();
}

static void on_flush(void)
{
    if (!goes_on() || c.lies) {
        return;
    }
    for (const held *h = c.first; h != NULL; h = h->next) {
        keep(h, 0, h->n);
    }
    empty_cache();
}

static bool on_mark(const void *bytes, size_t n)
{
    if (!c.off && n >= 3 && memcmp(bytes, "cut", 3) == 0) {
        cut();
        return true;
    }
    if (!goes_on()) {
        return false;
    }
    c.marked++;
    must(write(c.marks, bytes, n) == (ssize_t)n, "cutdisk: marks");
    return true;
}

int main(int argc, char **argv)
{
    if (argc < 8 || argc > 9) {
        fprintf(stderr, "usage: cutdisk image durable marks mountpoint seed "
                "number sector [lies]\n");
        return 2;
    }
    c.durable = open(argv[2], O_WRONLY);
    c.marks = open(argv[3], O_WRONLY | O_CREAT | O_APPEND, 0600);
    must(c.durable >= 0 && c.marks >= 0, "cutdisk");
    c.sector = strtoul(argv[7], NULL, 10);
    c.lies = argc == 9;
    seed_random(strtoull(argv[5], NULL, 10), strtoull(argv[6], NULL, 10));
    // A mount takes ten operations, or some hundred; a life of an agent as
    // many. One of three cuts shall hit what recovers from the cut before.
    c.waits = next_random(3) > 0;
    c.after = 1 + next_random(UINT64_C(1) << (c.waits ? 6 + next_random(7)
                                                      : 3 + next_random(5)));
    return serve(argv[0], argv[1], argv[4]);
}
