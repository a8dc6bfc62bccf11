/*
 * trap.c - see trap.h.
 */
#include "trap.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "hashes.h"

#if defined(__x86_64__)

#define TRAP_FLAG 0x100
#define PAGE UINT64_C(4096)
#define SYSCALL_CODE 0x050f /* the instruction's two bytes */

static struct trap *now;

static void
protect(struct trap *trap, int protection)
{
    if (trap->size != 0 && mprotect(trap->base, trap->size, protection) != 0)
        abort();
}

static bool
is_syscall(const ucontext_t *context)
{
    uint16_t code;

    memcpy(&code, (const void *)context->uc_mcontext.gregs[REG_RIP], sizeof code);
    return code == SYSCALL_CODE;
}

#define ARENA_SIZE_MIN (UINT64_C(1) << 20)

static void
note_call(struct trap *trap, const ucontext_t *context)
{
    static const int arguments[5] = { REG_RAX, REG_RDI, REG_RSI, REG_RDX, REG_R10 };

    for (unsigned i = 0; i < 5; i++)
        trap->call[i] = (uint64_t)context->uc_mcontext.gregs[arguments[i]];
}

/* After a call: whether an arena was mapped by it, or unmapped. */
static void
find_arena(struct trap *trap, const ucontext_t *context)
{
    int64_t result = context->uc_mcontext.gregs[REG_RAX];

    if (trap->call[0] == SYS_munmap && trap->call[1] == (uint64_t)(uintptr_t)trap->base) {
        trap->base = NULL;
        trap->size = 0;
    } else if (trap->call[0] == SYS_mmap && trap->call[2] >= ARENA_SIZE_MIN &&
               (trap->call[3] & PROT_WRITE) != 0 && (trap->call[4] & MAP_SHARED) != 0 &&
               (trap->call[4] & MAP_ANONYMOUS) == 0 && (result > 0 || result < -4095)) {
        trap->base = (uint8_t *)(uintptr_t)result;
        trap->size = trap->call[2];
    }
}

static void
on_fault(int number, siginfo_t *info, void *arg)
{
    ucontext_t *context = arg;
    uint64_t at = (uint64_t)(uintptr_t)info->si_addr - (uint64_t)(uintptr_t)(now ? now->base : 0);

    if (now != NULL && now->touched != NULL) {
        enum touch touch = now->touched(info->si_addr, context);

        if (touch == TOUCH_STEP || touch == TOUCH_STEP_INSIDE)
            context->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
        now->inside = now->inside || touch == TOUCH_STEP_INSIDE;
        if (touch != TOUCH_OTHER)
            return;
    }
    if (now == NULL || at >= now->size || now->page_count == TRAP_PAGES) {
        signal(number, SIG_DFL); /* a fault of the code's own: it happens again, and ends us */
        return;
    }
    now->page[now->page_count++] = at & ~(PAGE - 1);
    if (mprotect(now->base + (at & ~(PAGE - 1)), PAGE, PROT_READ | PROT_WRITE) != 0)
        abort();
    context->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void
on_step(int number, siginfo_t *info, void *arg)
{
    ucontext_t *context = arg;
    struct trap *trap = now;

    (void)number;
    (void)info;
    if (trap == NULL) {
        context->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
        return;
    }
    if (trap->inside) {
        trap->inside = false;
        context->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
        trap->settled();
        return;
    }
    trap->steps++;
    if (!trap->every)
        context->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
    for (unsigned i = 0; i < trap->page_count; i++)
        mprotect(trap->base + trap->page[i], PAGE, PROT_READ);
    if (trap->in_call) {
        trap->in_call = false;
        trap->whole = true;
        if (trap->finds)
            find_arena(trap, context);
        if (trap->stored != NULL)
            protect(trap, PROT_READ);
    }
    if (trap->stored != NULL && (trap->page_count > 0 || trap->whole))
        trap->stored(trap, context);
    trap->page_count = 0;
    trap->whole = false;
    if (now == NULL) /* let go */
        return;
    if (trap->settled != NULL)
        trap->settled();
    if (trap->stepped != NULL)
        trap->stepped(trap);
    if (trap->every && is_syscall(context)) {
        trap->in_call = true;
        if (trap->finds)
            note_call(trap, context);
        if (trap->stored != NULL)
            protect(trap, PROT_READ | PROT_WRITE); /* the kernel would refuse to store */
    }
}

bool
trap_supported(void)
{
    return true;
}

void
trap_begin(struct trap *trap)
{
    static uint8_t *stack;
    stack_t alternate = { .ss_size = 1 << 20 };
    struct sigaction action = { .sa_flags = SA_SIGINFO | SA_ONSTACK };

    if (stack == NULL)
        stack = malloc(alternate.ss_size);
    alternate.ss_sp = stack;
    sigemptyset(&action.sa_mask);
    action.sa_sigaction = on_fault;
    if (stack == NULL || sigaltstack(&alternate, NULL) != 0 ||
        sigaction(SIGSEGV, &action, NULL) != 0)
        abort();
    action.sa_sigaction = on_step;
    action.sa_flags |= SA_NODEFER; /* what `stored` calls may be let run step by step, too */
    if (sigaction(SIGTRAP, &action, NULL) != 0)
        abort();
    trap->steps = 0;
    trap->page_count = 0;
    trap->whole = trap->in_call = trap->inside = false;
    if (trap->stored != NULL)
        protect(trap, PROT_READ);
    now = trap;
    if (trap->every)
        __asm__ volatile("pushfq\n\torq $0x100, (%%rsp)\n\tpopfq" ::: "memory", "cc");
}

void
trap_end(struct trap *trap)
{
    __asm__ volatile("pushfq\n\tandq $-257, (%%rsp)\n\tpopfq" ::: "memory", "cc");
    now = NULL;
    if (trap->stored != NULL)
        protect(trap, PROT_READ | PROT_WRITE);
    signal(SIGSEGV, SIG_DFL);
    signal(SIGTRAP, SIG_DFL);
}

/* In place of the C library's: the kernel's own accesses do not fault, so they are asked for. */
long
syscall(long number, ...)
{
    long argument[6], result;
    va_list list;

    va_start(list, number);
    for (unsigned i = 0; i < 6; i++)
        argument[i] = va_arg(list, long);
    va_end(list);
    if (now != NULL && now->called != NULL)
        now->called(number, argument);
    {
        register long r10 __asm__("r10") = argument[3];
        register long r8 __asm__("r8") = argument[4];
        register long r9 __asm__("r9") = argument[5];

        __asm__ volatile("syscall"
                         : "=a"(result)
                         : "a"(number), "D"(argument[0]), "S"(argument[1]), "d"(argument[2]),
                           "r"(r10), "r"(r8), "r"(r9)
                         : "rcx", "r11", "memory");
    }
    if (result < 0 && result > -4096) {
        errno = (int)-result;
        return -1;
    }
    return result;
}

#define ERROR_STORE 2 /* in the error code of a page fault */

bool
trap_is_store(const void *arg)
{
    const ucontext_t *context = arg;

    return (context->uc_mcontext.gregs[REG_ERR] & ERROR_STORE) != 0;
}

const uint8_t *
trap_code(const void *arg)
{
    const ucontext_t *context = arg;

    return (const uint8_t *)context->uc_mcontext.gregs[REG_RIP];
}

#define DIRECTION_FLAG 0x400

bool
trap_copies(const void *arg, uint8_t **to_out, const uint8_t **from_out, uint64_t *left_out)
{
    const ucontext_t *context = arg;
    const greg_t *registers = context->uc_mcontext.gregs;
    const uint8_t *code = trap_code(context);

    *to_out = (uint8_t *)(uintptr_t)registers[REG_RDI];
    *from_out = (const uint8_t *)(uintptr_t)registers[REG_RSI];
    *left_out = (uint64_t)registers[REG_RCX];
    return code[0] == 0xf3 && code[1] == 0xa4 && (registers[REG_EFL] & DIRECTION_FLAG) == 0;
}

void
trap_copied(void *arg, uint64_t count)
{
    ucontext_t *context = arg;

    context->uc_mcontext.gregs[REG_RDI] += (greg_t)count;
    context->uc_mcontext.gregs[REG_RSI] += (greg_t)count;
    context->uc_mcontext.gregs[REG_RCX] -= (greg_t)count;
}

void
trap_let_go(struct trap *trap, void *arg)
{
    ucontext_t *context = arg;

    (void)trap;
    now = NULL;
    context->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
}

/* The vector registers, as far as the kernel saved them: linux/arch/x86/uapi/asm/sigcontext.h. */
static uint64_t
vector_state(const ucontext_t *context)
{
    const uint8_t *saved = (const void *)context->uc_mcontext.fpregs;
    uint32_t magic, size;

    if (saved == NULL)
        return 0;
    memcpy(&magic, saved + 464, sizeof magic);
    memcpy(&size, saved + 464 + 16, sizeof size); /* xstate_size */
    if (magic != 0x46505853 || size < 512)
        size = 512;
    return hash_bytes(saved + 160, 256) + 5 * hash_bytes(saved + 512, size - 512);
}

uint64_t
trap_state(void *arg, const void *from)
{
    const ucontext_t *context = arg;
    uint64_t registers[REG_RIP + 1], sp = (uint64_t)context->uc_mcontext.gregs[REG_RSP] - 128;

    for (unsigned i = 0; i <= REG_RIP; i++)
        registers[i] = (uint64_t)context->uc_mcontext.gregs[i];
    return hash_bytes(registers, sizeof registers) ^ vector_state(context) ^
           hash_bytes((const void *)(uintptr_t)sp, (uint64_t)(uintptr_t)from - sp) * 3;
}

#else

bool
trap_supported(void)
{
    return false;
}

void
trap_begin(struct trap *trap)
{
    (void)trap;
    abort();
}

void
trap_end(struct trap *trap)
{
    (void)trap;
}

void
trap_let_go(struct trap *trap, void *context)
{
    (void)trap;
    (void)context;
}

bool
trap_is_store(const void *context)
{
    (void)context;
    return false;
}

const uint8_t *
trap_code(const void *context)
{
    return context;
}

bool
trap_copies(const void *context, uint8_t **to_out, const uint8_t **from_out, uint64_t *left_out)
{
    (void)context;
    (void)to_out;
    (void)from_out;
    (void)left_out;
    return false;
}

void
trap_copied(void *context, uint64_t count)
{
    (void)context;
    (void)count;
}

uint64_t
trap_state(void *context, const void *from)
{
    (void)context;
    (void)from;
    return 0;
}

#endif
