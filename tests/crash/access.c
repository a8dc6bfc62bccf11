/*
 * access.c - see access.h.
 *
 * Of the instruction set it knows what compilers and the C library move words and blocks with:
 * Intel's manual, volume 2, appendix A has the opcodes.
 */
#include "access.h"

#define ANY_SIZE 64u /* the widest register */

struct prefixes {
    bool operand_16, repeat, repeat_not, wide;
};

static const uint8_t *
skip_prefixes(const uint8_t *at, struct prefixes *prefixes)
{
    for (;; at++) {
        switch (*at) {
        case 0x66:
            prefixes->operand_16 = true;
            continue;
        case 0xf3:
            prefixes->repeat = true;
            continue;
        case 0xf2:
            prefixes->repeat_not = true;
            continue;
        case 0xf0: /* lock */
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
        case 0x64:
        case 0x65:
        case 0x67:
            continue;
        default:
            break;
        }
        break;
    }
    if ((*at & 0xf0) == 0x40) {
        prefixes->wide = (*at & 8) != 0;
        at++;
    }
    return at;
}

static unsigned
operand_size(const struct prefixes *prefixes)
{
    return prefixes->wide ? 8 : prefixes->operand_16 ? 2 : 4;
}

static struct access
reads(unsigned size)
{
    return (struct access){ false, size };
}

static struct access
writes(unsigned size)
{
    return (struct access){ true, size };
}

/* Opcodes after 0f, of the map that moves vectors, too; `vector` is the size of a whole one. */
static struct access
store_of_map_0f(uint8_t opcode, bool is_66, bool is_f3, bool is_f2, bool wide, unsigned vector)
{
    switch (opcode) {
    case 0x11:
        return writes(is_f3 ? 4 : is_f2 ? 8 : vector);
    case 0x29:
    case 0x2b:
        return writes(vector);
    case 0x7f:
    case 0xe7:
        return is_66 || is_f3 || is_f2 ? writes(vector) : reads(ANY_SIZE); /* not MMX */
    case 0xd6:
        return is_66 ? writes(8) : reads(ANY_SIZE);
    case 0x7e:
        return is_66 ? writes(wide ? 8 : 4) : reads(ANY_SIZE);
    case 0x13:
    case 0x17:
        return writes(8);
    default:
        return reads(ANY_SIZE);
    }
}

static struct access
of_0f(const uint8_t *at, const struct prefixes *prefixes, bool stores)
{
    struct access access = { 0 };

    if (stores)
        access = store_of_map_0f(*at, prefixes->operand_16, prefixes->repeat, prefixes->repeat_not,
                                 prefixes->wide, 16);
    if (access.writes)
        return access;
    if (stores && *at == 0xc3)
        return writes(operand_size(prefixes));
    if (stores && (*at & 0xf0) == 0x90) /* setcc */
        return writes(1);
    if ((*at & 0xf0) == 0x40) /* cmovcc */
        return reads(8);
    switch (*at) {
    case 0xa3:
    case 0xab:
    case 0xaf:
    case 0xb0:
    case 0xb1:
    case 0xb3:
    case 0xb6:
    case 0xb7:
    case 0xb8:
    case 0xba:
    case 0xbb:
    case 0xbc:
    case 0xbd:
    case 0xbe:
    case 0xbf:
    case 0xc0:
    case 0xc1:
        return reads(8);
    case 0xc7:
        return reads(16);
    default:
        return reads(ANY_SIZE);
    }
}

static struct access
of_vex(const uint8_t *at, bool stores)
{
    bool three = at[0] == 0xc4;
    uint8_t last = three ? at[2] : at[1], opcode = three ? at[3] : at[2];
    unsigned kind = last & 3;

    if (!stores || (three && (at[1] & 0x1f) != 1))
        return reads(ANY_SIZE);
    return store_of_map_0f(opcode, kind == 1, kind == 2, kind == 3, three && (last & 0x80) != 0,
                           (last & 4) != 0 ? 32 : 16);
}

static struct access
of_evex(const uint8_t *at, bool stores)
{
    unsigned kind = at[2] & 3, length = (at[3] >> 5) & 3;
    bool masked = (at[3] & 7) != 0;

    if (!stores || masked || (at[1] & 7) != 1 || length == 3)
        return reads(ANY_SIZE);
    return store_of_map_0f(at[4], kind == 1, kind == 2, kind == 3, (at[2] & 0x80) != 0,
                           16u << length);
}

static struct access
of_one_byte(const uint8_t *at, const struct prefixes *prefixes, bool stores)
{
    switch (*at) {
    case 0x88:
    case 0xc6:
    case 0xa4:
    case 0xaa:
        return stores ? writes(1) : reads(8);
    case 0x89:
    case 0xc7:
    case 0xa5:
    case 0xab:
        return stores ? writes(operand_size(prefixes)) : reads(8);
    case 0x63:
    case 0x69:
    case 0x6b:
    case 0x80:
    case 0x81:
    case 0x83:
    case 0x84:
    case 0x85:
    case 0x86:
    case 0x87:
    case 0x8a:
    case 0x8b:
    case 0xa6:
    case 0xa7:
    case 0xc0:
    case 0xc1:
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
    case 0xf6:
    case 0xf7:
    case 0xfe:
    case 0xff:
        return reads(8);
    default:
        /* add, or, adc, sbb, and, sub, xor, cmp with a register */
        return reads(*at < 0x40 && (*at & 7) < 4 ? 8 : ANY_SIZE);
    }
}

struct access
access_of(const uint8_t *code, bool stores)
{
    struct prefixes prefixes = { 0 };
    const uint8_t *at;

    if (code[0] == 0xc4 || code[0] == 0xc5)
        return of_vex(code, stores);
    if (code[0] == 0x62)
        return of_evex(code, stores);
    at = skip_prefixes(code, &prefixes);
    if (at[0] == 0x0f)
        return of_0f(at + 1, &prefixes, stores);
    return of_one_byte(at, &prefixes, stores);
}
