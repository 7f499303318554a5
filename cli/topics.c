/* topics.c: kc topics: picks the verb. What the verbs do is in topics_show.c and topics_change.c. */
#include "topics.h"
#include "say.h"
#include "suggest.h"
#include <stdio.h>
#include <string.h>

static const struct verb {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} verbs[] = {{"list", "the topics there are", kc_topics_list},
             {"describe", "their partitions, leaders and replicas", kc_topics_describe},
             {"create", "make new ones", kc_topics_create},
             {"delete", "remove them and all that is in them", kc_topics_delete}};
enum { VERBS = sizeof verbs / sizeof verbs[0] };

static void print_help(FILE *to)
{
    fprintf(to, "usage: kc topics VERB [OPTION...] [TOPIC...]\n\nLooks at topics and changes them.\n\nverbs:\n");
    for (size_t i = 0; i < VERBS; i++) fprintf(to, "  %-10s %s\n", verbs[i].name, verbs[i].summary);
    fprintf(to, "\nkc topics VERB --help says more about one of them.\n");
}

int kc_topics(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return KC_USAGE;
    }
    const char *word = argv[1];
    kc_say_set_command("kc topics");
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        print_help(stdout);
        return KC_OK;
    }
    kc_suggestion s = {.word = word};
    for (size_t i = 0; i < VERBS; i++) {
        if (strcmp(word, verbs[i].name) == 0) return verbs[i].run(argc - 1, argv + 1);
        kc_suggest_offer(&s, verbs[i].name);
    }
    if (word[0] == '-') {
        kc_say_error("the verb comes first: kc topics list %s ...", word);
    } else {
        kc_say_error("there is no verb '%s'%s%s%s", word, s.best ? "; did you mean " : "", s.best ? s.best : "",
                     s.best ? "?" : "");
    }
    kc_say_try("kc topics --help lists them");
    return KC_USAGE;
}
