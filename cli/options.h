/* options: the command line, described by tables.
 *
 * A subcommand has one table: each row is an option with its help text, the function that reads its value and the place
 * where the value goes. Parsing and --help both come from the table, so they cannot disagree. */
#ifndef KC_OPTIONS_H
#define KC_OPTIONS_H
#include "kc.h"
#include <kafka/types.h>

/* Why a value was refused: the end of a sentence that begins with the option. */
typedef struct kc_why {
    char text[256];
} kc_why;

/* Reads a value. Returns false and says why when it is not one. `text` is NULL for a flag. It lives as long as argv. */
typedef bool kc_take(void *into, const char *text, kc_why *why);

typedef struct kc_option {
    char letter, also; /* also: a second letter for the same; 0 = none */
    const char *name;  /* of the long form; NULL ends a table */
    const char *value; /* what the value is called in the help; NULL = a flag */
    kc_take *take;
    void *into;
    const char *help; /* may have several lines */
} kc_option;

/* What all subcommands take. */
typedef struct kc_common {
    const char *brokers; /* from -b, or KAFKA_BROKERS */
    bool brokers_given;  /* by -b */
    bool verbose, quiet;
    int64_t timeout_ms;
} kc_common;
#define KC_COMMON_DEFAULTS  \
    {                       \
        .timeout_ms = 30000 \
    }

/* A subcommand: what it says about itself, and what it takes. */
typedef struct kc_manual {
    const char *command, *synopsis, *about;
    const char *notes; /* follows the options in the help; NULL = none */
    const kc_option *options;
    kc_common *common;          /* the options of all subcommands go here; NULL = it has none of them */
    size_t most_operands;       /* more are refused */
    const char *operand_advice; /* what to do instead of giving an operand that is not taken; NULL = nothing to say */
} kc_manual;

/* Reads argv[1..]; options and operands may be mixed, "--" ends the options. Operands are moved to argv[1..*operands].
 * Returns -1 to go on; otherwise everything has been said (also the help, if asked for) and it is the exit code. */
int kc_options_parse(const kc_manual *m, int argc, char **argv, size_t *operands);
/* Checks what all subcommands need: that there are brokers. Likewise. */
int kc_options_finish(const kc_manual *m);
/* An error of the command line: says it, points to the help, returns KC_USAGE. */
int kc_options_refuse(const kc_manual *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- kinds of values --------------------------------------------------------------------------------------------- */
typedef struct kc_text {
    char *data; /* may hold NUL bytes; NULL = not given */
    size_t len;
} kc_text;
typedef struct kc_partitions { /* {0} = not given */
    int32_t *ids;              /* ascending, without repetition */
    size_t count;
} kc_partitions;
typedef struct kc_strings {
    const char **items;
    size_t count;
} kc_strings;

kc_take kc_take_flag;        /* bool */
kc_take kc_take_text;        /* const char *, not empty */
kc_take kc_take_seconds;     /* int64_t ms, from a number of seconds above 0, perhaps with a fraction */
kc_take kc_take_count;       /* int64_t, from 1 */
kc_take kc_take_small_count; /* int32_t, from 1 */
kc_take kc_take_partition;   /* int32_t, from 0 */
kc_take kc_take_partitions;  /* kc_partitions, "0,3,5-7"; adds to what is there */
kc_take kc_take_bytes;       /* kc_text, with escapes as kc_unescape reads them */
kc_take kc_take_codec;       /* kafka_compression, one that is built in */
kc_take kc_take_acks;        /* kafka_acks */
kc_take kc_take_output;      /* bool: is it json, rather than text? */
kc_take kc_take_string;      /* kc_strings: adds one, as it is */

/* A number that is all of `text`, from least to most. */
bool kc_read_int(const char *text, int64_t least, int64_t most, int64_t *out);
/* Reads one escape behind a backslash: n r t 0 \ xHH. *p points behind the backslash and moves on. False: no such. */
bool kc_unescape(const char **p, char *out);

#endif
