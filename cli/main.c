/* main.c: kc's first argument picks a subcommand; each is in a file of its own. */
#include "kc.h"
#include "output.h"
#include "say.h"
#include "suggest.h"
#include <errno.h>
#include <fcntl.h>
#include <kafka/error.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct command {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} commands[] = {{"produce", "write messages from standard input or files", kc_produce},
                {"consume", "print the messages of a topic", kc_consume},
                {"topics", "list, describe, create and delete topics", kc_topics},
                {"offsets", "the first and last offset of partitions, and the one at a time", kc_offsets},
                {"meta", "the cluster: its brokers, its controller, its topics", kc_meta},
                {"broker", "a Kafka in memory, for trying things out and for tests", kc_broker}};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static void print_help(FILE *to)
{
    fprintf(to, "usage: kc COMMAND [OPTION...]\n\nTalks to Apache Kafka.\n\ncommands:\n");
    for (size_t i = 0; i < COMMANDS; i++) fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fprintf(to, "\n"
                "kc COMMAND --help says more about one of them; kc --version what is built in.\n"
                "\n"
                "environment:\n"
                "  KAFKA_BROKERS   where the cluster is, HOST:PORT[,HOST:PORT...], unless -b says it\n"
                "  NO_COLOR        no colours in messages\n"
                "\n"
                "exit codes:\n"
                "  0  done          1  failed: standard error says why\n"
                "  2  wrong usage   130  stopped by Ctrl-C (128 + the signal's number)\n"
                "When the reader of the output goes away, as with | head, kc ends quietly with 0.\n"
                "\n"
                "to begin with, beside a broker on this machine, such as kc broker --base-port 9092:\n"
                "  export KAFKA_BROKERS=localhost:9092\n"
                "  kc topics create greetings\n"
                "  echo hello | kc produce -t greetings\n"
                "  kc consume -t greetings -e\n");
}

static int print_version(void)
{
    const char *features = kafka_features();
    printf("kc, of kafka-c %s\nbuilt in: %s\n", kafka_version(), *features != '\0' ? features : "nothing optional");
    return KC_OK;
}

static int unknown(const char *word)
{
    kc_suggestion s = {.word = word};
    for (size_t i = 0; i < COMMANDS; i++) kc_suggest_offer(&s, commands[i].name);
    if (strncmp(word, "--", 2) == 0) {
        s.best = NULL;
        kc_suggest_offer(&s, "--help");
        kc_suggest_offer(&s, "--version");
    }
    const char *kind = word[0] == '-' ? "option" : "command";
    kc_say_error("there is no %s '%s'%s%s%s", kind, word, s.best ? "; did you mean " : "", s.best ? s.best : "",
                 s.best ? "?" : "");
    kc_say_try("kc --help lists %s", word[0] == '-' ? "what there is; options follow the command" : "the commands");
    return KC_USAGE;
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return KC_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) return print_version();
    bool help = strcmp(word, "help") == 0;
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || (help && argc == 2)) {
        print_help(stdout);
        return KC_OK;
    }
    static char help_option[] = "--help";
    char *asked[] = {argv[argc > 2 ? 2 : 1], help_option, NULL};
    if (help) word = asked[0];
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(word, commands[i].name) == 0)
            return help ? commands[i].run(2, asked) : commands[i].run(argc - 1, argv + 1);
    }
    return unknown(word);
}

/* A standard descriptor that the caller has closed would be the number of the first connection: what is printed would
 * go to a broker. What stands there instead fails with EBADF, as a closed one would: it is open for the wrong
 * direction. */
static bool occupy_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
        if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd) return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    if (!occupy_standard_descriptors()) return KC_FAILED; /* there may be nowhere to say so */
    signal(SIGPIPE, SIG_IGN);                             /* writing into a closed pipe gives EPIPE, see output.c */
    kc_say_init();
    return kc_output_finish(dispatch(argc, argv));
}
