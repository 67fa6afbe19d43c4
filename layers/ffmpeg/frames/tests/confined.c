// Tries what confine.c takes away, and says for each what came of it. Run by
// internal/frames' tests.

#include "../frames.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static long open_file(void) { return open("/etc/passwd", O_RDONLY); }
static long create_file(void) { return open("/tmp/fotograma-confined", O_CREAT | O_WRONLY, 0600); }
static long look_at_file(void) { return stat("/etc/passwd", &(struct stat){0}); }
static long remove_file(void) { return unlink("/tmp/fotograma-confined"); }
static long internet(void) { return socket(AF_INET, SOCK_STREAM, 0); }
static long local_socket(void) { return socket(AF_UNIX, SOCK_STREAM, 0); }
static long copy_descriptor(void) { return dup(1); }
static long new_process(void) { return fork(); }
static long bare_clone(void) { return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); }
static long new_clone(void) { return syscall(SYS_clone3, NULL, 0); }
static long program(void) { return execl("/bin/true", "true", NULL); }
static long kill_parent(void) { return kill(getppid(), 0); }
static long signal_parent(void) { return syscall(SYS_tgkill, getppid(), getppid(), 0); }
static long trace_parent(void) { return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL); }
static long raise_limit(void) { return setrlimit(RLIMIT_NOFILE, &(struct rlimit){9, 9}); }
static long stay_undumpable(void) { return prctl(PR_SET_DUMPABLE, 1); }
static long executable_memory(void) {
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0;
}

static char page[8192];
static long make_executable(void) { return mprotect((void *)(((uintptr_t)page + 4095) & ~(uintptr_t)4095), 4096, PROT_READ | PROT_EXEC); }
static long much_memory(void) { return malloc(128 << 20) == NULL ? -1 : 0; }

static void *nothing(void *argument) { return argument; }

static long thread(void) {
    pthread_t t;
    errno = pthread_create(&t, NULL, nothing, NULL);
    return errno == 0 ? pthread_join(t, NULL) : -1;
}
static long some_memory(void) { return malloc(16 << 20) == NULL ? -1 : 0; }

static const struct attempt {
    const char *name;
    long (*call)(void);
} attempts[] = {
    {"open a file", open_file},
    {"create a file", create_file},
    {"look at a file", look_at_file},
    {"remove a file", remove_file},
    {"connect to the internet", internet},
    {"connect to a program", local_socket},
    {"copy a descriptor", copy_descriptor},
    {"fork", new_process},
    {"clone a process", bare_clone},
    {"clone by the new call", new_clone},
    {"run a program", program},
    {"kill its parent", kill_parent},
    {"signal its parent", signal_parent},
    {"trace its parent", trace_parent},
    {"raise a limit", raise_limit},
    {"change its privileges", stay_undumpable},
    {"map executable memory", executable_memory},
    {"make memory executable", make_executable},
    {"take more memory than it may", much_memory},
    {"take memory", some_memory},
    {"start a thread", thread},
};

int main(int argc, char **argv) {
    (void)argv;
    const struct limits limits = {.max_memory = 64 << 20, .max_cpu = 1};
    const char *unfiltered = confine(&limits);
    if (unfiltered != NULL)
        printf("unfiltered: %s\n", unfiltered);
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        errno = 0;
        long result = attempts[i].call();
        printf("%s: %s\n", attempts[i].name, result == -1 ? strerror(errno) : "done");
    }
    fflush(stdout);
    if (argc > 1) // compute for ever
        for (volatile int i = 0;; i++)
            ;
    return 0;
}
