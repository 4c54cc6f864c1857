// SPDX-License-Identifier: MIT-0
// proxy.h -- stands between a client and a server of PostgreSQL, and fails
//
//     proxy_start(cluster.dir, 5432);     // of the server behind it
//     proxy_fail(PROXY_CUT, 17);          // at the 17th message from now on
//     ... proxy_conninfo() ...
//     proxy_stop();
//
// It knows where a message of the protocol ends. The message at which it fails
// does not arrive, or, with PROXY_LATE, not before proxy_deliver(). Connections
// after that one work.
#ifndef PROXY_H
#define PROXY_H

#include "cluster.h"

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

typedef enum proxy_way {
    PROXY_WORK,
    PROXY_CUT,          // closes the connection
    PROXY_MUTE,         // keeps it open, and nothing passes any more
    PROXY_LATE          // closes it for the client; what the client said since
                        // passes late
} proxy_way;

enum { PROXY_PAIRS = 16 };

typedef struct proxy_pair {
    int    fd[2];               // of the client, of the server; -1: none
    char  *buf[2];              // of what came from each and did not pass yet
    size_t n[2], cap[2];
    bool   begun;               // the first message has no type
    bool   mute;
} proxy_pair;

static struct {
    pthread_t       thread;
    pthread_mutex_t mutex;      // of the next seven
    proxy_way       way;
    unsigned long   at, seen;   // messages
    unsigned long   bytes;      // from clients
    bool            stop;
    int             late;       // to a server that has not heard all; -1: none
    char           *said;       // what it has not heard
    size_t          unheard;
    int             listener;
    char            server[108], info[300];
    proxy_pair      pair[PROXY_PAIRS];
} proxy;

static int proxy_socket(const char *path, bool listens)
{
    struct sockaddr_un to;
    memset(&to, 0, sizeof(to));
    to.sun_family = AF_UNIX;
    snprintf(to.sun_path, sizeof(to.sun_path), "%.100s", path);
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    const struct sockaddr *at = (const struct sockaddr *)(const void *)&to;
    if (fd >= 0 && (listens ? bind(fd, at, sizeof(to)) < 0 ||
                              listen(fd, 16) < 0
                            : connect(fd, at, sizeof(to)) < 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

static void proxy_close(proxy_pair *p)
{
    for (unsigned side = 0; side < 2; side++) {
        if (p->fd[side] >= 0) {
            close(p->fd[side]);
        }
        free(p->buf[side]);
    }
    memset(p, 0, sizeof(*p));
    p->fd[0] = p->fd[1] = -1;
}

// The size of the message that a buffer begins with, 0 if it is not whole.
static size_t proxy_message(const proxy_pair *p, unsigned side)
{
    const size_t type = side == 0 && !p->begun ? 0 : 1;
    const unsigned char *b = (const unsigned char *)p->buf[side] + type;
    if (p->n[side] < type + 4) {
        return 0;
    }
    const size_t size = ((size_t)b[0] << 24 | (size_t)b[1] << 16 |
                         (size_t)b[2] << 8 | b[3]) + type;
    return p->n[side] >= size ? size : 0;
}

// Keeps what the server has not heard, from the message on that is late.
static void proxy_keep(proxy_pair *p)
{
    pthread_mutex_lock(&proxy.mutex);
    proxy.late = p->fd[1];
    proxy.said = p->buf[0];
    proxy.unheard = p->n[0];
    pthread_mutex_unlock(&proxy.mutex);
    p->fd[1] = -1;
    p->buf[0] = NULL;
}

// Counts a message. True if it passes.
static bool proxy_passes(proxy_pair *p, unsigned side, size_t size)
{
    pthread_mutex_lock(&proxy.mutex);
    const bool fails = ++proxy.seen == proxy.at && proxy.way != PROXY_WORK;
    const proxy_way way = proxy.way;
    proxy.bytes += side == 0 ? size : 0;
    pthread_mutex_unlock(&proxy.mutex);
    p->mute = p->mute || (fails && way == PROXY_MUTE);
    if (fails && way == PROXY_LATE) {
        proxy_keep(p);
    }
    return !fails;
}

static bool proxy_write(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        const ssize_t did = send(fd, bytes, n, MSG_NOSIGNAL);
        if (did < 0 && errno != EINTR) {
            return false;
        }
        bytes += did > 0 ? did : 0;
        n -= did > 0 ? (size_t)did : 0;
    }
    return true;
}

// Takes what one side says to the other one. False: the connection is over.
static bool proxy_forward(proxy_pair *p, unsigned side)
{
    if (p->cap[side] - p->n[side] < 65536) {
        p->cap[side] = p->cap[side] * 2 + 131072;
        p->buf[side] = (char *)realloc(p->buf[side], p->cap[side]);
    }
    const ssize_t got = read(p->fd[side], p->buf[side] + p->n[side], 65536);
    if (got <= 0) {
        return got < 0 && errno == EINTR;
    }
    p->n[side] += (size_t)got;
    size_t size;
    while (!p->mute && (size = proxy_message(p, side)) > 0) {
        if (!proxy_passes(p, side, size)) {
            return p->mute;
        }
        if (!proxy_write(p->fd[1 - side], p->buf[side], size)) {
            return false;
        }
        p->begun = true;
        p->n[side] -= size;
        memmove(p->buf[side], p->buf[side] + size, p->n[side]);
    }
    p->n[side] = p->mute ? 0 : p->n[side];
    return true;
}

static void proxy_accept(void)
{
    const int client = accept(proxy.listener, NULL, NULL);
    const int server = client >= 0 ? proxy_socket(proxy.server, false) : -1;
    for (unsigned i = 0; server >= 0 && i < PROXY_PAIRS; i++) {
        if (proxy.pair[i].fd[0] < 0) {
            proxy.pair[i].fd[0] = client;
            proxy.pair[i].fd[1] = server;
            return;
        }
    }
    if (client >= 0) {
        close(client);
    }
    if (server >= 0) {
        close(server);
    }
}

static void *proxy_main(void *unused)
{
    struct pollfd fds[2 * PROXY_PAIRS + 1];
    (void)unused;
    for (;;) {
        pthread_mutex_lock(&proxy.mutex);
        const bool stop = proxy.stop;
        pthread_mutex_unlock(&proxy.mutex);
        if (stop) {
            break;
        }
        for (unsigned i = 0; i < 2 * PROXY_PAIRS; i++) {
            fds[i].fd = proxy.pair[i / 2].fd[i % 2];
            fds[i].events = POLLIN;
            fds[i].revents = 0;
        }
        fds[2 * PROXY_PAIRS].fd = proxy.listener;
        fds[2 * PROXY_PAIRS].events = POLLIN;
        fds[2 * PROXY_PAIRS].revents = 0;
        (void)poll(fds, 2 * PROXY_PAIRS + 1, 20);
        for (unsigned i = 0; i < 2 * PROXY_PAIRS; i++) {
            proxy_pair *p = &proxy.pair[i / 2];
            if (fds[i].revents != 0 && p->fd[0] >= 0 &&
                !proxy_forward(p, i % 2)) {
                proxy_close(p);
            }
        }
        if (fds[2 * PROXY_PAIRS].revents != 0) {
            proxy_accept();
        }
    }
    for (unsigned i = 0; i < PROXY_PAIRS; i++) {
        proxy_close(&proxy.pair[i]);
    }
    return NULL;
}

// Fails at a message, counted from now on; 0: never.
TEST_FN void proxy_fail(proxy_way way, unsigned long at)
{
    pthread_mutex_lock(&proxy.mutex);
    proxy.way = at > 0 ? way : PROXY_WORK;
    proxy.at = at;
    proxy.seen = proxy.bytes = 0;
    pthread_mutex_unlock(&proxy.mutex);
}

// Lets the server hear what is late, and waits until it has done that. False:
// nothing was late.
TEST_FN bool proxy_deliver(void)
{
    pthread_mutex_lock(&proxy.mutex);
    const int fd = proxy.late;
    char bytes[512], *said = proxy.said;
    proxy.late = -1;
    proxy.said = NULL;
    pthread_mutex_unlock(&proxy.mutex);
    if (fd >= 0) {
        (void)proxy_write(fd, said, proxy.unheard);
        (void)shutdown(fd, SHUT_WR);
        while (read(fd, bytes, sizeof(bytes)) > 0) {
        }
        close(fd);
    }
    free(said);
    return fd >= 0;
}

// How many messages, or bytes of clients, since then.
TEST_FN unsigned long proxy_seen(bool bytes)
{
    pthread_mutex_lock(&proxy.mutex);
    const unsigned long n = bytes ? proxy.bytes : proxy.seen;
    pthread_mutex_unlock(&proxy.mutex);
    return n;
}

// Stands before the server on a port in a directory.
TEST_FN bool proxy_start(const char *dir, unsigned port)
{
    char path[300];
    memset(&proxy, 0, sizeof(proxy));
    proxy.late = -1;
    snprintf(path, sizeof(path), "%.250s/proxy", dir);
    (void)mkdir(path, 0755);
    snprintf(proxy.info, sizeof(proxy.info),
             "host=%.200s user=ckpt dbname=postgres", path);
    snprintf(path, sizeof(path), "%.250s/proxy/.s.PGSQL.5432", dir);
    snprintf(proxy.server, sizeof(proxy.server), "%.80s/.s.PGSQL.%u", dir,
             port);
    (void)unlink(path);
    for (unsigned i = 0; i < PROXY_PAIRS; i++) {
        proxy.pair[i].fd[0] = proxy.pair[i].fd[1] = -1;
    }
    proxy.listener = proxy_socket(path, true);
    return pthread_mutex_init(&proxy.mutex, NULL) == 0 && proxy.listener >= 0 &&
           pthread_create(&proxy.thread, NULL, proxy_main, NULL) == 0;
}

TEST_FN void proxy_stop(void)
{
    pthread_mutex_lock(&proxy.mutex);
    proxy.stop = true;
    pthread_mutex_unlock(&proxy.mutex);
    (void)pthread_join(proxy.thread, NULL);
    close(proxy.listener);
    (void)pthread_mutex_destroy(&proxy.mutex);
}

TEST_FN const char *proxy_conninfo(void)
{
    return proxy.info;
}

#endif /* PROXY_H */
