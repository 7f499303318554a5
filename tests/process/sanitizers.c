/* For programs that fork: the leak sanitizer would report in a child what is reachable only from threads that it does
 * not have. The first process is looked at as always. */
#include <unistd.h>

__attribute__((visibility("default"))) int __lsan_is_turned_off(void);

static pid_t first_process;

__attribute__((constructor)) static void remember_process(void)
{
    first_process = getpid();
}

int __lsan_is_turned_off(void)
{
    return getpid() != first_process;
}
