/* A whole connection, from dialling to closing, fed by a broker in memory: see conversation.h, also for the input. */
#include "conversation.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    conversation_run(data, size, NULL, NULL);
    return 0;
}
