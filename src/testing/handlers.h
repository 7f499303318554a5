/* handlers: one per API, each in a file of its own. Group, transaction and share group APIs have their place here
 * later; until then they are not advertised. */
#ifndef KFT_HANDLERS_H
#define KFT_HANDLERS_H
#include "testing/handler.h"

extern const kft_handler kft_handle_produce, kft_handle_fetch, kft_handle_list_offsets, kft_handle_metadata,
    kft_handle_find_coordinator, kft_handle_api_versions, kft_handle_create_topics, kft_handle_delete_topics,
    kft_handle_delete_records, kft_handle_init_producer_id, kft_handle_offset_for_leader_epoch,
    kft_handle_describe_configs, kft_handle_create_partitions, kft_handle_incremental_alter_configs,
    kft_handle_describe_cluster;

#endif
