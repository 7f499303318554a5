/* list: an intrusive, circular, doubly linked list. The head is a node that belongs to no element.
 *
 * Nothing is allocated and nothing can fail. A node that is in no list points to itself, so removing twice is
 * harmless. */
#ifndef KFK_BASE_LIST_H
#define KFK_BASE_LIST_H
#include <stdbool.h>
#include <stddef.h>

typedef struct kfk_list {
    struct kfk_list *prev, *next;
} kfk_list;

/* The element of type `type` whose member `member` is the node `node`. */
#define KFK_CONTAINER(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))
/* Visits all nodes; the current one may be removed while it is visited. */
/* NOLINTBEGIN(bugprone-macro-parentheses): `node` is the name of a variable that is declared here */
#define KFK_LIST_EACH(node, head)                                                  \
    for (kfk_list *node = (head)->next, *node##_next = node->next; node != (head); \
         node = node##_next, node##_next = node->next)
/* NOLINTEND(bugprone-macro-parentheses) */

static inline void kfk_list_init(kfk_list *n)
{
    n->prev = n->next = n;
}

static inline bool kfk_list_empty(const kfk_list *head)
{
    return head->next == head;
}

static inline void kfk_list_insert_between(kfk_list *n, kfk_list *prev, kfk_list *next)
{
    n->prev = prev;
    n->next = next;
    prev->next = n;
    next->prev = n;
}

static inline void kfk_list_push_back(kfk_list *head, kfk_list *n)
{
    kfk_list_insert_between(n, head->prev, head);
}

static inline void kfk_list_push_front(kfk_list *head, kfk_list *n)
{
    kfk_list_insert_between(n, head, head->next);
}

static inline void kfk_list_remove(kfk_list *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
    kfk_list_init(n);
}

/* The first node, or NULL. */
static inline kfk_list *kfk_list_first(const kfk_list *head)
{
    return kfk_list_empty(head) ? NULL : head->next;
}

/* Moves everything from `from` to the end of `to`. */
static inline void kfk_list_splice(kfk_list *to, kfk_list *from)
{
    if (kfk_list_empty(from)) return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    kfk_list_init(from);
}

#endif
