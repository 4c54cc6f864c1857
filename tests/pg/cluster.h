// SPDX-License-Identifier: MIT-0
// cluster.h -- a PostgreSQL server of the test's own
//
//     if (!cluster_start()) TEST_SKIP("there is no PostgreSQL server");
//     ... cluster_conninfo() ...
//
// It lives in a directory of its own, listens on a socket there and nowhere
// else, and is stopped when the program ends. As root it runs as another user,
// because the server refuses to be root.
#ifndef CLUSTER_H
#define CLUSTER_H

#include "temp_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef struct cluster_state {
    char        dir[256];       // "": none
    char        bin[256];
    pid_t       maker;          // the process that stops it
    uid_t       uid;            // of the server
    gid_t       gid;
    bool        missing;        // there is no server on this machine
    bool        durable;        // with fsync; set it before the start
    bool        followed;       // a standby runs
    char        info[512], pool[512];   // how to connect
    bool        pooled;
} cluster_state;

enum {                                  // ports
    CLUSTER_SERVER = 5432, CLUSTER_STANDBY = 5433, CLUSTER_POOL = 6432
};

// One for the whole program: the file that defines CLUSTER_HERE has it.
#ifdef CLUSTER_HERE
cluster_state cluster;
#else
extern cluster_state cluster;
#endif

TEST_FN void cluster_sleep_ms(long ms)
{
    struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };
    while (nanosleep(&ts, &ts) < 0 && errno == EINTR) {
    }
}

// Runs a program of the server as the server's user, and waits for it; its
// output goes to a file in the directory. argv ends with NULL.
TEST_FN int cluster_run(const char *dir, const char *const *argv)
{
    char log[300];
    snprintf(log, sizeof(log), "%s/log", dir);
    const pid_t pid = fork();
    if (pid == 0) {
        const int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
        const int in = open("/dev/null", O_RDONLY);
        if ((cluster.uid != getuid() && (setgid(cluster.gid) < 0 ||
                                         setuid(cluster.uid) < 0)) ||
            fd < 0 || in < 0 || chdir(dir) < 0) {
            _exit(126);
        }
        dup2(in, 0);
        dup2(fd, 1);
        dup2(fd, 2);
        execvp(argv[0], (char *const *)(void *)(uintptr_t)argv);
        _exit(127);
    }
    int status = -1;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Starts a server over a directory. Without fsync it is quicker, and forgets
// nothing when it is killed: only a machine that goes down forgets then.
TEST_FN bool cluster_serve(const char *name, int port)
{
    char ctl[300], data[300], options[1000], log[40];
    snprintf(ctl, sizeof(ctl), "%s/pg_ctl", cluster.bin);
    snprintf(data, sizeof(data), "%s/%s", cluster.dir, name);
    snprintf(log, sizeof(log), "%d.log", port);
    snprintf(options, sizeof(options), "-k %s -p %d -c listen_addresses= "
             "-c max_connections=40 -c shared_buffers=64MB -c fsync=%s "
             "-c log_min_messages=fatal -c log_min_error_statement=fatal "
             "-c primary_conninfo='host=%s port=%d user=ckpt'",
             cluster.dir, port, cluster.durable ? "on" : "off", cluster.dir,
             (int)CLUSTER_SERVER);
    const char *argv[] = {
        ctl, "-w", "-t", "60", "-s", "-D", data, "-o", options, "-l", log,
        "start", NULL
    };
    return cluster_run(cluster.dir, argv) == 0;
}

TEST_FN bool cluster_up(void)
{
    return cluster_serve("data", CLUSTER_SERVER);
}

// Stops the server over a directory, "fast", or "immediate" as a power cut
// would; or makes a standby a server of its own, with "promote".
TEST_FN bool cluster_tell(const char *name, const char *how)
{
    const bool stops = strcmp(how, "promote") != 0;
    char ctl[300], data[300];
    snprintf(ctl, sizeof(ctl), "%s/pg_ctl", cluster.bin);
    snprintf(data, sizeof(data), "%s/%s", cluster.dir, name);
    const char *argv[] = {
        ctl, "-w", "-t", "60", "-s", "-D", data, "-m", stops ? how : "fast",
        stops ? "stop" : how, NULL
    };
    return cluster_run(cluster.dir, argv) == 0;
}

// Makes a standby, which only reads and follows the server, and starts it. The
// server stops for the copy: not every build of PostgreSQL has pg_basebackup.
// Whoever ends the standby resets cluster.followed.
TEST_FN bool cluster_follow(void)
{
    if (cluster.followed) {
        return true;
    }
    char data[300], copy[300], sign[330];
    snprintf(data, sizeof(data), "%s/data", cluster.dir);
    snprintf(copy, sizeof(copy), "%s/standby", cluster.dir);
    snprintf(sign, sizeof(sign), "%s/standby.signal", copy);
    const char *cp[] = { "cp", "-a", data, copy, NULL };
    const char *touch[] = { "touch", sign, NULL };
    (void)temp_dir_remove(copy);
    cluster.followed = cluster_tell("data", "fast") &&
        cluster_run(cluster.dir, cp) == 0 &&
        cluster_run(cluster.dir, touch) == 0 && cluster_up() &&
        cluster_serve("standby", CLUSTER_STANDBY);
    return cluster.followed;
}

// The number in a file of a process, 0 if there is none.
TEST_FN pid_t cluster_number_in(const char *name)
{
    char path[400], line[32] = "";
    snprintf(path, sizeof(path), "%s/%s", cluster.dir, name);
    FILE *f = fopen(path, "r");
    if (f != NULL) {
        if (fgets(line, sizeof(line), f) == NULL) {
            line[0] = '\0';
        }
        fclose(f);
    }
    return (pid_t)strtol(line, NULL, 10);
}

// The parent of a process, 0 if it has ended: perhaps nobody has waited for it.
TEST_FN pid_t cluster_parent(pid_t pid)
{
    char path[64], line[512] = "";
    snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    FILE *f = fopen(path, "r");
    const char *got = f != NULL ? fgets(line, sizeof(line), f) : NULL;
    const char *state = got != NULL ? strrchr(line, ')') : NULL;
    if (f != NULL) {
        fclose(f);
    }
    return state != NULL && strlen(state) > 4 && state[2] != 'Z' ?
           (pid_t)strtol(state + 4, NULL, 10) : 0;
}

// Kills the server and what it started, without any warning. The first process
// of a system may take its time to wait for a dead one, and the server does not
// start while its number is there: so the file with that number goes.
TEST_FN void cluster_kill(void)
{
    const pid_t first = cluster_number_in("data/postmaster.pid");
    pid_t pids[100] = { first };
    size_t n = 1;
    char path[400];
    struct dirent *e;
    if (first <= 1) {
        return;
    }
    kill(first, SIGSTOP);           // it starts no other process meanwhile
    DIR *d = opendir("/proc");
    while (d != NULL && (e = readdir(d)) != NULL && n < 100) {
        pids[n] = (pid_t)strtol(e->d_name, NULL, 10);
        n += pids[n] > 1 && cluster_parent(pids[n]) == first;
    }
    if (d != NULL) {
        closedir(d);
    }
    for (size_t i = n; i > 0; i--) {
        kill(pids[i - 1], SIGKILL);
    }
    for (size_t i = 0; i < n; i++) {
        for (unsigned k = 0; k < 5000 && cluster_parent(pids[i]) != 0; k++) {
            cluster_sleep_ms(1);
        }
    }
    snprintf(path, sizeof(path), "%s/data/postmaster.pid", cluster.dir);
    (void)unlink(path);
    snprintf(path, sizeof(path), "%s/.s.PGSQL.%d.lock", cluster.dir,
             (int)CLUSTER_SERVER);
    (void)unlink(path);
}

// Starts a pooler that gives each transaction another session. False: there is
// none on this machine.
TEST_FN bool cluster_pool(void)
{
    const char *bin = access("/usr/sbin/pgbouncer", X_OK) == 0 ?
                      "/usr/sbin/pgbouncer" : "pgbouncer";
    char path[400];
    snprintf(path, sizeof(path), "%s/pool.ini", cluster.dir);
    FILE *f = cluster.pooled ? NULL : fopen(path, "w");
    if (f != NULL) {
        fprintf(f, "[databases]\n"
                "postgres = host=%s port=5432 dbname=postgres user=ckpt\n"
                "[pgbouncer]\nlisten_addr =\nlisten_port = %d\n"
                "unix_socket_dir = %s\nauth_type = any\n"
                "pool_mode = transaction\ndefault_pool_size = 4\n"
                "pidfile = %s/pool.pid\nlogfile = %s/pool.log\n"
                "server_round_robin = 1\nserver_login_retry = 1\n",
                cluster.dir, (int)CLUSTER_POOL, cluster.dir, cluster.dir,
                cluster.dir);
        fclose(f);
        const char *argv[] = { bin, "-q", "-d", path, NULL };
        cluster.pooled = cluster_run(cluster.dir, argv) == 0;
        snprintf(path, sizeof(path), "%s/.s.PGSQL.%d", cluster.dir,
                 (int)CLUSTER_POOL);
        for (unsigned i = 0; i < 500 && cluster.pooled &&
             access(path, F_OK) != 0; i++) {
            cluster_sleep_ms(10);
        }
        snprintf(cluster.pool, sizeof(cluster.pool),
                 "host=%s port=%d user=ckpt dbname=postgres", cluster.dir,
                 (int)CLUSTER_POOL);
    }
    return cluster.pooled;
}

// Waits until the program has ended, however it did, and stops what it started.
TEST_FN void cluster_watch(int pipe_end)
{
    char byte;
    (void)setsid();                     // what ends the program spares it
    while (read(pipe_end, &byte, 1) < 0 && errno == EINTR) {
    }
    const pid_t pool = cluster_number_in("pool.pid");
    if (pool > 1) {
        kill(pool, SIGKILL);
    }
    (void)cluster_tell("standby", "immediate");
    (void)cluster_tell("data", "immediate");
    (void)temp_dir_remove(cluster.dir);
    _exit(0);
}

static pid_t cluster_watcher;
static int   cluster_pipe[2];

TEST_FN void cluster_end(void)
{
    if (cluster.maker == getpid()) {
        close(cluster_pipe[1]);
        (void)waitpid(cluster_watcher, NULL, 0);
    }
}

// Starts the process that outlives this one. Nothing that this one starts may
// hold the other end of the pipe.
TEST_FN bool cluster_guard(void)
{
    if (pipe(cluster_pipe) < 0 ||
        fcntl(cluster_pipe[1], F_SETFD, FD_CLOEXEC) < 0) {
        return false;
    }
    fflush(stdout);
    cluster_watcher = fork();
    if (cluster_watcher == 0) {
        close(cluster_pipe[1]);
        cluster_watch(cluster_pipe[0]);
    }
    close(cluster_pipe[0]);
    cluster.maker = getpid();
    return cluster_watcher > 0 && atexit(cluster_end) == 0;
}

// Finds the programs of a server: PG_BIN, or what the Makefile found.
TEST_FN bool cluster_find(void)
{
#ifndef PG_BIN
    #define PG_BIN "/usr/lib/postgresql/15/bin"
#endif
    char path[300];
    const char *bin = getenv("PG_BIN");
    snprintf(cluster.bin, sizeof(cluster.bin), "%s",
             bin != NULL ? bin : PG_BIN);
    snprintf(path, sizeof(path), "%s/initdb", cluster.bin);
    const struct passwd *user = getuid() != 0 ? getpwuid(getuid()) :
                                getpwnam("nobody");
    cluster.uid = user != NULL ? user->pw_uid : getuid();
    cluster.gid = user != NULL ? user->pw_gid : getgid();
    return user != NULL && access(path, X_OK) == 0;
}

// True if the server runs. It is made by the first call.
TEST_FN bool cluster_start(void)
{
    if (cluster.dir[0] != '\0' || cluster.missing) {
        return !cluster.missing;
    }
    char initdb[300], data[300];
    cluster.missing = !cluster_find() ||
        !temp_dir_make(cluster.dir, sizeof(cluster.dir), "pg") ||
        !cluster_guard();
    if (cluster.missing) {
        return false;
    }
    (void)chown(cluster.dir, cluster.uid, cluster.gid);
    snprintf(initdb, sizeof(initdb), "%s/initdb", cluster.bin);
    snprintf(data, sizeof(data), "%s/data", cluster.dir);
    const char *argv[] = {
        initdb, "-D", data, "-U", "ckpt", "-A", "trust", "-E", "SQL_ASCII",
        "--locale=C", "-N", NULL
    };
    cluster.missing = cluster_run(cluster.dir, argv) != 0 || !cluster_up();
    snprintf(cluster.info, sizeof(cluster.info),
             "host=%s user=ckpt dbname=postgres", cluster.dir);
    return !cluster.missing;
}

TEST_FN const char *cluster_conninfo(void)
{
    return cluster.info;
}

TEST_FN void cluster_be_quiet(void *arg, const char *message)
{
    (void)arg, (void)message;
}

// Executes statements, for the test itself. True if they succeeded.
TEST_FN bool cluster_sql(const char *sql)
{
    PGconn *conn = PQconnectdb(cluster.info);
    (void)PQsetNoticeProcessor(conn, cluster_be_quiet, NULL);
    PGresult *res = PQexec(conn, sql);
    const ExecStatusType status = PQresultStatus(res);
    const bool ok = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    if (!ok) {
        printf("%s: %s\n", sql, PQerrorMessage(conn));
    }
    PQclear(res);
    PQfinish(conn);
    return ok;
}

// Removes all runs.
TEST_FN bool cluster_empty(void)
{
    return cluster_sql("TRUNCATE ckpt_run, ckpt_claim, ckpt_gen, ckpt_chunk");
}

// The one number that a query gives, -1 if it fails.
TEST_FN long long cluster_number(const char *sql)
{
    PGconn *conn = PQconnectdb(cluster.info);
    PGresult *res = PQexec(conn, sql);
    const bool ok = PQresultStatus(res) == PGRES_TUPLES_OK &&
                    PQntuples(res) == 1;
    const long long n = ok ? strtoll(PQgetvalue(res, 0, 0), NULL, 10) : -1;
    PQclear(res);
    PQfinish(conn);
    return n;
}

#endif /* CLUSTER_H */
