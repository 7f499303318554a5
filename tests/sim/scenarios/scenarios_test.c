/* Runs all scenarios of this folder. 2 000 seeds by default, shared equally; KFK_SEEDS and the like as in
 * sim/runner.h. */
#include "scenarios.h"
#include <stdlib.h>

int main(void)
{
#define SCENARIO_ENTRY(test) MEMCHECK_TEST(test),
    const struct CMUnitTest tests[] = {SCENARIO_LIST(SCENARIO_ENTRY)};
#undef SCENARIO_ENTRY
    int failed = RUNNER_MAIN(tests);
    runner_sum_up();
    return failed;
}
