/* Runs all scenarios of this folder: as scenarios/scenarios_test.c. */
#include "writers.h"

int main(void)
{
#define SCENARIO_ENTRY(test) MEMCHECK_TEST(test),
    const struct CMUnitTest tests[] = {SCENARIO_LIST(SCENARIO_ENTRY)};
#undef SCENARIO_ENTRY
    int failed = RUNNER_MAIN(tests);
    runner_sum_up();
    return failed;
}
