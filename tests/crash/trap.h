/*
 * trap.h - runs code of this process, and hears of each store it makes into an arena.
 *
 * The arena is write-protected.  A store faults; its page is opened, the instruction is let run
 * alone (by the trap flag), the page is shut again, and `stored` is called.  With `every`, the
 * trap flag stays on, so that all instructions are counted; system calls may then store, too.
 *
 * A debugger's steps cost 13 us each, these 3, and the code between two stores may run at full
 * speed.
 */
#ifndef KITH__TRAP_H
#define KITH__TRAP_H

#include <stdbool.h>
#include <stdint.h>

#define TRAP_PAGES 8

/* What became of an access that was not allowed. */
enum touch {
    TOUCH_OTHER,       /* nothing: it is a store into the arena, or a fault */
    TOUCH_AGAIN,       /* it is allowed now: try again */
    TOUCH_STEP,        /* it is allowed for this one instruction, after which settled() is called */
    TOUCH_STEP_INSIDE, /* the same, of code that `stored` calls */
};

struct trap {
    uint8_t *base; /* what is watched */
    uint64_t size;
    bool every;
    bool finds;     /* with `every`: the arena is whatever file the code maps to share it */
    uint64_t steps; /* instructions so far, if `every` */
    /* The pages that the last instruction stored into; `whole`: it may have stored anywhere. */
    uint64_t page[TRAP_PAGES];
    unsigned page_count;
    bool whole;
    volatile bool in_call; /* inside a system call */
    uint64_t call[5];      /* its number, and four of its arguments, if `finds` */
    /* `context` is what sigaction(2) hands to a handler. */
    void (*stored)(struct trap *trap, void *context);
    /* Told of each access that is not allowed.  May be NULL, or else settled() is there, too. */
    enum touch (*touched)(void *address, void *context);
    void (*settled)(void);
    /* Told of each call of syscall(3), which it is made by.  May be NULL. */
    void (*called)(long number, const long argument[6]);
    bool inside; /* an instruction of what `stored` calls is let run alone */
    /* With `every`: after each instruction; may be NULL. */
    void (*stepped)(struct trap *trap);
};

/* One at a time in a process.  False where this cannot be done. */
bool trap_supported(void);
/* Where the trap is set, and ends. */
void trap_begin(struct trap *trap);
void trap_end(struct trap *trap);
/* In `touched`: whether the access was to store, and the instruction. */
bool trap_is_store(const void *context);
const uint8_t *trap_code(const void *context);
/*
 * In `touched`: whether the instruction is a repeated copy of bytes, and then what is left of it;
 * and that `count` bytes of it have been copied by the caller.
 */
bool trap_copies(const void *context, uint8_t **to_out, const uint8_t **from_out,
                 uint64_t *left_out);
void trap_copied(void *context, uint64_t count);
/* In `stored`: the code goes on unwatched. */
void trap_let_go(struct trap *trap, void *context);
/* In `stored`: a number for the state of the code itself, its registers and its stack above `from`.
 */
uint64_t trap_state(void *context, const void *from);

#endif /* KITH__TRAP_H */
