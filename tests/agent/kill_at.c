// SPDX-License-Identifier: MIT-0
// kill_at.c -- runs a program and kills it at one of its system calls
//
//     kill_at N PROGRAM [ARGUMENT ...]
//
// The program dies by SIGKILL before its call number N takes place, counted
// from its first one; its children are left alone. With N = 0 it lives, and the
// number of its calls goes to descriptor 3, if that is open. Exit status: 137
// if the program was killed, else its own.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static int fail(const char *what)
{
    perror(what);
    return 125;
}

// Follows the program from stop to stop: two for each call, before and after.
static int follow(pid_t pid, long at)
{
    long calls = 0;
    int  status, inside = 0, signal = 0;
    for (;;) {
        if (ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(long)signal) != 0 ||
            waitpid(pid, &status, 0) != pid) {
            return fail("kill_at");
        }
        if (!WIFSTOPPED(status)) {
            break;
        }
        const int why = WSTOPSIG(status);
        if (why != (SIGTRAP | 0x80)) {  // no call: exec(), or a signal
            signal = why == SIGTRAP ? 0 : why;
            continue;
        }
        signal = 0;
        inside = !inside;
        if (inside && ++calls == at) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            break;
        }
    }
    dprintf(3, "%ld\n", calls);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
    int status;
    if (argc < 3) {
        fprintf(stderr, "usage: kill_at N PROGRAM [ARGUMENT ...]\n");
        return 125;
    }
    pid_t pid = fork();
    if (pid == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        execvp(argv[2], argv + 2);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status)) {
        return fail(argv[0]);
    }
    if (ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)(long)
               (PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)) != 0) {
        return fail("ptrace");
    }
    return follow(pid, strtol(argv[1], NULL, 10));
}
