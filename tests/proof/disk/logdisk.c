// SPDX-License-Identifier: MIT-0
/*
    logdisk.c -- a disk that writes down everything that is done to it

        logdisk image log mountpoint

    Every write, every flush and every mark (fuse_disk.h) goes to the end of
    log, in the order in which they came: crash.c makes the states from it that
    a power cut could have left. A loop device on disk flushes where its file
    system asks for it, so the log shows what was ordered and what was not.
*/
#include "fuse_disk.h"
#include "log.h"

static int log_fd;

// A log with a hole would prove things that did not happen.
static void write_down(log_kind kind, off_t at, const void *bytes, size_t n)
{
    const log_entry e = { .offset = (uint64_t)at, .size = n, .kind = kind };
    if (write(log_fd, &e, sizeof(e)) != (ssize_t)sizeof(e) ||
        (n > 0 && write(log_fd, bytes, n) != (ssize_t)n)) {
        perror("logdisk: the log");
        abort();
    }
}

static void on_write(off_t at, const void *bytes, size_t n)
{
    write_down(LOG_WRITE, at, bytes, n);
}

static void on_flush(void)
{
    write_down(LOG_FLUSH, 0, NULL, 0);
}

static bool on_mark(const void *bytes, size_t n)
{
    write_down(LOG_MARK, 0, bytes, n);
    return true;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: logdisk image log mountpoint\n");
        return 2;
    }
    log_fd = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    if (log_fd < 0) {
        perror(argv[2]);
        return 1;
    }
    return serve(argv[0], argv[1], argv[3]);
}
