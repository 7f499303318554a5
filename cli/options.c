/* options.c: walks argv along a table of options, prints its help, and reads the kinds of values.
 *
 * Not getopt: the tables carry types and help, and a mistyped long option gets the one that was meant. Long options
 * must be written out: an abbreviation that works today may be ambiguous after the next release. */
#include "options.h"
#include "say.h"
#include "suggest.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARSE_ON = -1, COMMON_ROWS = 4 };

/* The command line on its way. */
typedef struct parser {
    const kc_manual *manual;
    kc_option common[COMMON_ROWS];
    int argc, next; /* next: index of the argument behind the one at work */
    char **argv;
} parser;

static parser begin(const kc_manual *m, int argc, char **argv)
{
    static kc_common unused;
    kc_common *c = m->common ? m->common : &unused;
    return (parser){
        .manual = m,
        .common = {{'b', 0, "brokers", "HOST:PORT[,...]", kc_take_text, &c->brokers,
                    "where to ask for the cluster: one or more brokers\n(default: KAFKA_BROKERS from the environment)"},
                   {'m', 0, "timeout", "SECONDS", kc_take_seconds, &c->timeout_ms,
                    "how long to wait for an answer, and to retry\n(default: 30)"},
                   {'v', 0, "verbose", NULL, kc_take_flag, &c->verbose, "say more on standard error: retries, totals"},
                   {'q', 0, "quiet", NULL, kc_take_flag, &c->quiet, "no progress line, no confirmations"}},
        .argc = argc,
        .next = 1,
        .argv = argv,
    };
}

/* The i-th option of both tables, NULL behind the last. */
static const kc_option *option_at(const parser *p, size_t i)
{
    size_t own = 0;
    while (p->manual->options[own].name != NULL) own++;
    if (i < own) return &p->manual->options[i];
    return p->manual->common && i - own < COMMON_ROWS ? &p->common[i - own] : NULL;
}

/* ---- help -------------------------------------------------------------------------------------------------------- */

static void print_option(const kc_option *o)
{
    enum { COLUMN = 30 };
    char left[96];
    int n = o->letter != 0 ? snprintf(left, sizeof left, "  -%c, --%s", o->letter, o->name)
                           : snprintf(left, sizeof left, "      --%s", o->name);
    if (o->value != NULL) n += snprintf(left + n, sizeof left - (size_t)n, " %s", o->value);
    if (n < COLUMN - 1)
        printf("%-*s", COLUMN, left);
    else
        printf("%s\n%*s", left, COLUMN, "");
    const char *p = o->help;
    for (const char *end; (end = strchr(p, '\n')) != NULL; p = end + 1)
        printf("%.*s\n%*s", (int)(end - p), p, COLUMN, "");
    printf("%s\n", p);
}

static int print_help(const parser *p)
{
    const kc_manual *m = p->manual;
    const kc_option *o;
    printf("usage: %s %s\n\n%s\n\noptions:\n", m->command, m->synopsis, m->about);
    for (size_t i = 0; (o = option_at(p, i)) != NULL; i++) print_option(o);
    printf("  -h, --help                  this text\n");
    if (m->notes != NULL) printf("\n%s", m->notes);
    return KC_OK;
}

int kc_options_refuse(const kc_manual *m, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    kc_say_error("%s", text);
    kc_say_try("%s --help says what it takes", m->command);
    return KC_USAGE;
}

/* ---- walking argv ------------------------------------------------------------------------------------------------ */

static const kc_option *find_letter(const parser *p, char letter)
{
    const kc_option *o;
    for (size_t i = 0; (o = option_at(p, i)) != NULL; i++) {
        if (o->letter == letter || (o->also != 0 && o->also == letter)) return o;
    }
    return NULL;
}

static const kc_option *find_name(const parser *p, const char *name, size_t len)
{
    const kc_option *o;
    for (size_t i = 0; (o = option_at(p, i)) != NULL; i++) {
        if (strlen(o->name) == len && memcmp(o->name, name, len) == 0) return o;
    }
    return NULL;
}

static int unknown_name(const parser *p, const char *name, size_t len)
{
    char word[64];
    snprintf(word, sizeof word, "%.*s", (int)(len < sizeof word ? len : sizeof word - 1), name);
    kc_suggestion s = {.word = word};
    const kc_option *o;
    for (size_t i = 0; (o = option_at(p, i)) != NULL; i++) kc_suggest_offer(&s, o->name);
    kc_suggest_offer(&s, "help");
    if (s.best == NULL) return kc_options_refuse(p->manual, "there is no option --%s", word);
    return kc_options_refuse(p->manual, "there is no option --%s; did you mean --%s?", word, s.best);
}

/* Reads an option's value: `value`, or the next argument. `shown` is the option as it was written. */
static int take(parser *p, const kc_option *o, const char *shown, const char *value)
{
    if (o->value != NULL && value == NULL) {
        if (p->next >= p->argc) return kc_options_refuse(p->manual, "%s needs a value: %s", shown, o->value);
        value = p->argv[p->next++];
    }
    kc_why why = {""};
    if (o->take(o->into, value, &why)) return PARSE_ON;
    return kc_options_refuse(p->manual, "%s '%s' %s", shown, value != NULL ? value : "", why.text);
}

static int parse_long(parser *p, const char *arg)
{
    const char *name = arg + 2, *equals = strchr(name, '=');
    size_t len = equals != NULL ? (size_t)(equals - name) : strlen(name);
    if (strcmp(name, "help") == 0) return print_help(p);
    const kc_option *o = find_name(p, name, len);
    if (o == NULL) return unknown_name(p, name, len);
    char shown[64];
    snprintf(shown, sizeof shown, "--%s", o->name);
    if (o->value == NULL && equals != NULL) return kc_options_refuse(p->manual, "%s takes no value", shown);
    return take(p, o, shown, equals != NULL ? equals + 1 : NULL);
}

/* A group of letters: flags, and perhaps one option whose value is the rest of the group or the next argument. */
static int parse_letters(parser *p, const char *arg)
{
    int code = PARSE_ON;
    for (const char *letter = arg + 1; *letter != '\0' && code == PARSE_ON; letter++) {
        const kc_option *o = find_letter(p, *letter);
        if (o == NULL && *letter == 'h') return print_help(p);
        if (o == NULL) return kc_options_refuse(p->manual, "there is no option -%c", *letter);
        const char shown[3] = {'-', *letter, '\0'};
        if (o->value != NULL) return take(p, o, shown, letter[1] != '\0' ? letter + 1 : NULL);
        code = take(p, o, shown, NULL);
    }
    return code;
}

int kc_options_parse(const kc_manual *m, int argc, char **argv, size_t *operands)
{
    parser p = begin(m, argc, argv);
    kc_say_set_command(m->command);
    bool options_end = false;
    *operands = 0;
    while (p.next < argc) {
        char *arg = argv[p.next++];
        int code = PARSE_ON;
        if (options_end || arg[0] != '-' || arg[1] == '\0')
            argv[++*operands] = arg;
        else if (strcmp(arg, "--") == 0)
            options_end = true;
        else if (arg[1] == '-')
            code = parse_long(&p, arg);
        else
            code = parse_letters(&p, arg);
        if (code != PARSE_ON) return code;
    }
    if (*operands <= m->most_operands) return PARSE_ON;
    int code = kc_options_refuse(m, "'%s' is one argument too many", argv[m->most_operands + 1]);
    if (m->operand_advice != NULL) kc_say_try("%s", m->operand_advice);
    return code;
}

int kc_options_finish(const kc_manual *m)
{
    kc_common *c = m->common;
    kc_say_set_verbose(c->verbose);
    c->brokers_given = c->brokers != NULL;
    if (c->brokers == NULL) c->brokers = getenv("KAFKA_BROKERS");
    if (c->brokers != NULL && *c->brokers != '\0') return PARSE_ON;
    kc_say_error("no broker given");
    kc_say_try("say where the cluster is: -b HOST:PORT, or export KAFKA_BROKERS=HOST:PORT");
    kc_say_try("(a broker on this machine is usually localhost:9092)");
    return KC_USAGE;
}
