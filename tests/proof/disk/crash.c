// SPDX-License-Identifier: MIT-0
/*
    crash.c -- one state that a power cut could have left

        crash log image marks seed number sector

    image is a copy of the disk as it was before the log began. A moment of the
    log is drawn; then whatever was written up to the last flush before it is
    in the image, and of what came after it, up to the moment: nothing, all, a
    random half, or a random half of which some are torn between sectors of that
    many bytes. To marks goes what had been acknowledged by then. The same seed
    and number make the same state.
*/
#define _XOPEN_SOURCE 700

#include "log.h"
#include "random.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void die(const char *what)
{
    fprintf(stderr, "crash: ");
    perror(what);
    exit(2);
}

static unsigned char *read_log(const char *path, size_t *size)
{
    struct stat st;
    const int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &st) != 0) {
        die(path);
    }
    unsigned char *log = malloc((size_t)st.st_size + 1);
    for (*size = 0; log != NULL && *size < (size_t)st.st_size; ) {
        const ssize_t n = read(fd, log + *size, (size_t)st.st_size - *size);
        if (n <= 0) {
            die(path);
        }
        *size += (size_t)n;
    }
    close(fd);
    return log != NULL ? log : (die("memory"), log);
}

// Where the next entry begins; 0 after the last whole one.
static size_t entry_at(const unsigned char *log, size_t size, size_t at,
                       log_entry *e)
{
    if (size - at < sizeof(*e)) {
        return 0;
    }
    memcpy(e, log + at, sizeof(*e));
    return size - at - sizeof(*e) < e->size ? 0 : at + sizeof(*e) + e->size;
}

// Counts the entries, and those before the first mark: only what comes after
// the file system was mounted is of interest.
static size_t count(const unsigned char *log, size_t size, size_t *first)
{
    size_t n = 0, kinds[3] = { 0 };
    log_entry e;
    *first = 0;
    for (size_t at = 0; (at = entry_at(log, size, at, &e)) != 0; n++) {
        if (e.kind == LOG_MARK && kinds[LOG_MARK] == 0) {
            *first = n;
        }
        kinds[e.kind]++;
    }
    printf("%zu writes, %zu flushes, %zu marks\n", kinds[LOG_WRITE],
           kinds[LOG_FLUSH], kinds[LOG_MARK]);
    return n;
}

static void put(int image, const unsigned char *bytes, size_t n, uint64_t at)
{
    if (pwrite(image, bytes, n, (off_t)at) != (ssize_t)n) {
        die("the image");
    }
}

// A write that was not flushed.
static void put_pending(int image, const unsigned char *bytes,
                        const log_entry *e, unsigned how, size_t sector)
{
    size_t n = e->size;
    const size_t before = (size_t)(e->offset % sector);
    const size_t sectors = (before + n + sector - 1) / sector;
    if (how == 0 || (how > 1 && next_random(2) == 0)) {
        return;
    }
    if (how > 2 && sectors > 1 && next_random(2) == 0) {
        n = sector * (1 + next_random(sectors)) - before;
    }
    put(image, bytes, n < e->size ? n : e->size, e->offset);
}

int main(int argc, char **argv)
{
    size_t size, first, flushed = 0, i = 0, next;
    log_entry e;
    if (argc != 7) {
        fprintf(stderr, "usage: crash log image marks seed number sector\n");
        return 2;
    }
    const size_t sector = strtoul(argv[6], NULL, 10);
    seed_random(strtoull(argv[4], NULL, 10), strtoull(argv[5], NULL, 10));
    const unsigned char *log = read_log(argv[1], &size);
    const size_t entries = count(log, size, &first);
    if (entries == 0) {
        fprintf(stderr, "crash: an empty log\n");
        return 2;
    }
    const size_t moment = first + next_random(entries - first);
    const unsigned how = (unsigned)next_random(4);
    const int image = open(argv[2], O_RDWR);
    FILE *marks = fopen(argv[3], "w");
    if (image < 0 || marks == NULL) {
        die("the results");
    }
    for (size_t at = 0; i <= moment; at = next, i++) {
        next = entry_at(log, size, at, &e);
        flushed = e.kind == LOG_FLUSH ? i : flushed;
        if (e.kind == LOG_MARK) {
            fwrite(log + next - e.size, 1, e.size, marks);
        }
    }
    i = 0;
    for (size_t at = 0; i <= moment; at = next, i++) {
        next = entry_at(log, size, at, &e);
        if (e.kind == LOG_WRITE && i < flushed) {
            put(image, log + next - e.size, e.size, e.offset);
        } else if (e.kind == LOG_WRITE) {
            put_pending(image, log + next - e.size, &e, how, sector);
        }
    }
    return fclose(marks) != 0 || close(image) != 0;
}
