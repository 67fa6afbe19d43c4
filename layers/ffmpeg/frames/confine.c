// What the program may do from the moment at which it is told of a video. Whoever
// takes it over by a hostile file can compute, within bounds, and talk through its
// pipes.

#include "frames.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

enum {
    FILES = 5,          // standard input, output and error, and the two of wire.c
    CPU_GRACE = 10,     // seconds between the signal that tells of the limit and the one that ends all
};

static void bound(int resource, rlim_t soft, rlim_t hard, const char *name) {
    struct rlimit now;
    if (getrlimit(resource, &now) != 0)
        fail("engine_failed", "limit of %s: %s", name, strerror(errno));
    if (now.rlim_max != RLIM_INFINITY && hard > now.rlim_max)
        hard = now.rlim_max; // stricter already
    if (setrlimit(resource, &(struct rlimit){soft < hard ? soft : hard, hard}) != 0)
        fail("engine_failed", "limit of %s: %s", name, strerror(errno));
}

static void bound_resources(const struct limits *l) {
    bound(RLIMIT_FSIZE, 0, 0, "file size");
    bound(RLIMIT_CORE, 0, 0, "core dumps");
    bound(RLIMIT_NOFILE, FILES, FILES, "open files");
    bound(RLIMIT_CPU, (rlim_t)l->max_cpu, (rlim_t)l->max_cpu + CPU_GRACE, "CPU time");
#ifndef __SANITIZE_ADDRESS__ // whose shadow of all memory would count
    // Memory that can be written: unlike address space, it does not grow with the
    // libraries, nor with what malloc sets aside for each thread.
    bound(RLIMIT_DATA, (rlim_t)l->max_memory, (rlim_t)l->max_memory, "memory");
#endif
}

#ifdef __linux__

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "the filter of system calls does not know this machine"
#endif

// The filter is a program for the kernel (BPF): LOAD loads a 32-bit word of the
// call, IF does what follows it, one instruction, if the condition holds. The low
// half of an argument is all that is looked at: flags and numbers of processes.
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (offset))
#define CALL offsetof(struct seccomp_data, nr)
#define ARGUMENT(n) (offsetof(struct seccomp_data, args) + 8 * (n)) // little-endian
#define IF_EQUAL(value) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, 1)
#define IF_ANY(bits) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (bits), 0, 1)
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, (value))
#define REFUSE(error) RETURN(SECCOMP_RET_ERRNO | (error))
#define ALLOW(call) IF_EQUAL(__NR_##call), RETURN(SECCOMP_RET_ALLOW)
// UNLESS_CALL skips the rest of a rule, so many instructions, for other calls.
#define UNLESS_CALL(call, rest) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##call, 0, (rest))

// close_inherited closes what the program was not meant to have: whoever started the
// worker may have left files open for all that comes after.
static void close_inherited(void) { closefrom(FILES); }

static int filter_calls(void) {
    struct sock_filter rules[] = {
        LOAD(offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
        RETURN(SECCOMP_RET_KILL_PROCESS),
        LOAD(CALL),
        // Pipes.
        ALLOW(read),
        ALLOW(write),
        ALLOW(writev),
        ALLOW(readv),
        ALLOW(close),
        // Threads and their locks.
        ALLOW(futex),
        ALLOW(sched_yield),
        ALLOW(sched_getaffinity),
        ALLOW(set_robust_list),
        ALLOW(rseq),
        ALLOW(gettid),
        ALLOW(getpid),
        ALLOW(exit),
        ALLOW(exit_group),
        // Memory.
        ALLOW(munmap),
        ALLOW(mremap),
        ALLOW(madvise),
        ALLOW(brk),
        // Signals to itself, time, chance.
        ALLOW(rt_sigaction),
        ALLOW(rt_sigprocmask),
        ALLOW(rt_sigreturn),
        ALLOW(sigaltstack),
        ALLOW(clock_gettime),
        ALLOW(clock_nanosleep),
        ALLOW(nanosleep),
        ALLOW(restart_syscall),
        ALLOW(getrandom),
        // No memory that can be executed.
        UNLESS_CALL(mmap, 4), LOAD(ARGUMENT(2)), IF_ANY(PROT_EXEC), REFUSE(EPERM), RETURN(SECCOMP_RET_ALLOW),
        UNLESS_CALL(mprotect, 4), LOAD(ARGUMENT(2)), IF_ANY(PROT_EXEC), REFUSE(EPERM), RETURN(SECCOMP_RET_ALLOW),
        // Threads, and no processes. The C library takes clone where it is told that
        // there is no clone3, whose flags a filter cannot see.
        UNLESS_CALL(clone, 4), LOAD(ARGUMENT(0)), IF_ANY(CLONE_THREAD), RETURN(SECCOMP_RET_ALLOW), REFUSE(EPERM),
        UNLESS_CALL(clone3, 1), REFUSE(ENOSYS),
        // abort: a signal to a thread of its own.
        UNLESS_CALL(tgkill, 4), LOAD(ARGUMENT(0)), IF_EQUAL((uint32_t)getpid()), RETURN(SECCOMP_RET_ALLOW), REFUSE(EPERM),
        // Threads have names.
        UNLESS_CALL(prctl, 4), LOAD(ARGUMENT(0)), IF_EQUAL(PR_SET_NAME), RETURN(SECCOMP_RET_ALLOW), REFUSE(EPERM),
        // All else: files, network, other processes, other limits. It fails and ends
        // nothing, for libraries ask for this and that and do without.
        REFUSE(EPERM),
    };
    struct sock_fprog filter = {.len = sizeof rules / sizeof *rules, .filter = rules};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0);
}

#else

static void close_inherited(void) {}

static int filter_calls(void) {
    errno = ENOSYS;
    return -1;
}

#endif

const char *confine(const struct limits *l) {
    close_inherited();
    bound_resources(l);
    return filter_calls() == 0 ? NULL : strerror(errno);
}
