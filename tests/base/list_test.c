#include "support/memcheck.h"

#include "base/list.h"

typedef struct item {
    int number;
    kfk_list link;
} item;

/* The numbers of a list's items as decimal digits; 0 when it is empty. */
static int digits(const kfk_list *head)
{
    int result = 0;
    KFK_LIST_EACH (node, head) {
        result = result * 10 + KFK_CONTAINER(node, item, link)->number;
    }
    return result;
}

static void items_come_in_the_order_they_were_pushed(void **state)
{
    (void)state;
    kfk_list head;
    item a = {.number = 1}, b = {.number = 2}, c = {.number = 3};

    kfk_list_init(&head);
    assert_true(kfk_list_empty(&head));
    assert_null(kfk_list_first(&head));
    kfk_list_push_back(&head, &b.link);
    kfk_list_push_back(&head, &c.link);
    kfk_list_push_front(&head, &a.link);
    assert_int_equal(digits(&head), 123);
    assert_ptr_equal(kfk_list_first(&head), &a.link);
}

static void removing_twice_is_harmless(void **state)
{
    (void)state;
    kfk_list head;
    item a = {.number = 1}, b = {.number = 2};

    kfk_list_init(&head);
    kfk_list_push_back(&head, &a.link);
    kfk_list_push_back(&head, &b.link);
    kfk_list_remove(&a.link);
    kfk_list_remove(&a.link);
    assert_int_equal(digits(&head), 2);
    kfk_list_remove(&b.link);
    assert_true(kfk_list_empty(&head));
}

static void the_current_item_may_leave_while_it_is_visited(void **state)
{
    (void)state;
    kfk_list head;
    item items[6];

    kfk_list_init(&head);
    for (int i = 0; i < 6; i++) {
        items[i].number = i + 1;
        kfk_list_push_back(&head, &items[i].link);
    }
    KFK_LIST_EACH (node, &head) {
        if (KFK_CONTAINER(node, item, link)->number % 2 == 0) kfk_list_remove(node);
    }
    assert_int_equal(digits(&head), 135);
}

static void splicing_moves_everything_to_the_end(void **state)
{
    (void)state;
    kfk_list to, from;
    item a = {.number = 1}, b = {.number = 2}, c = {.number = 3};

    kfk_list_init(&to);
    kfk_list_init(&from);
    kfk_list_splice(&to, &from);
    assert_true(kfk_list_empty(&to));
    kfk_list_push_back(&to, &a.link);
    kfk_list_push_back(&from, &b.link);
    kfk_list_push_back(&from, &c.link);
    kfk_list_splice(&to, &from);
    assert_int_equal(digits(&to), 123);
    assert_true(kfk_list_empty(&from));
    kfk_list_remove(&c.link);
    assert_int_equal(digits(&to), 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(items_come_in_the_order_they_were_pushed),
        MEMCHECK_TEST(removing_twice_is_harmless),
        MEMCHECK_TEST(the_current_item_may_leave_while_it_is_visited),
        MEMCHECK_TEST(splicing_moves_everything_to_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
