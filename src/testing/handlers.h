/* handlers: one per API, each in a file of its own. */
#ifndef KFT_HANDLERS_H
#define KFT_HANDLERS_H
#include "testing/handler.h"

extern const kft_handler kft_handle_metadata;
extern const kft_handler kft_handle_api_versions;

#endif
