#!/usr/bin/env bash
# abi.py finds what would break programs, and lets additions pass: tried on copies of the headers.
#
#   abi_test.sh BUILD_DIR
set -euo pipefail
build=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { cat "$work/out"; echo "abi_test: $*" >&2; exit 1; }

# change FILE SED-SCRIPT: abi.py on headers where FILE was changed; its exit code is in $code
change() {
  rm -rf "$work/include"
  cp -r "$here/../../include" "$work/include"
  sed -i "$2" "$work/include/kafka/$1"
  ! cmp -s "$work/include/kafka/$1" "$here/../../include/kafka/$1" || fail "the change of $1 changes nothing: $2"
  code=0
  KAFKA_INCLUDE=$work/include "$here/abi.py" check "$build" > "$work/out" 2>&1 || code=$?
}
breaks() { # FILE SED-SCRIPT TEXT: what it says
  change "$1" "$2"
  [ $code = 1 ] || fail "not found: $2"
  grep -qF -- "$3" "$work/out" || fail "it does not say: $3"
  grep -q 'abi.py write' "$work/out" || fail "it does not say how to go on"
  echo "ok: found: $3"
}
passes() { # FILE SED-SCRIPT TEXT
  change "$1" "$2"
  [ $code = 0 ] || fail "not let through: $2"
  grep -qF -- "$3" "$work/out" || fail "it does not say: $3"
  echo "ok: let through: $3"
}

breaks types.h 's/^    size_t len;$/    size_t len, more;/' 'pinned: struct kafka_bytes size 16 align 8'
breaks types.h 's/^    const void \*data;$//; s/^    size_t len;$/    size_t len; const void *data;/' 'pinned: kafka_bytes.data at 0: const void *'
breaks types.h 's/^    const char \*rack; .*/    char *rack;/' 'now: kafka_broker.rack at 8: char *'
breaks types.h 's/KAFKA_COMPRESSION_LZ4 = 3/KAFKA_COMPRESSION_LZ4 = 5/' 'now: constant KAFKA_COMPRESSION_LZ4 = 5'
breaks types.h 's/KAFKA_OFFSET_NONE INT64_C(-1001)/KAFKA_OFFSET_NONE INT64_C(-1002)/' 'now: constant KAFKA_OFFSET_NONE = -1002'
breaks types.h 's/^typedef int32_t kafka_acks;/typedef int64_t kafka_acks;/' 'pinned: typedef kafka_acks = int32_t'
breaks conn.h 's/int kafka_conn_close(kafka_conn \*);/void kafka_conn_close(kafka_conn *);/' 'now: function kafka_conn_close KAFKA_0: void (kafka_conn *)'
breaks types.h 's/int64_t kafka_now_ms(void);/int64_t kafka_now(void);/' 'NOT DECLARED'
breaks testing.h 's/^    int32_t brokers;  *\/\*/    int64_t brokers; \/*/' 'pinned: kafka_cluster_config.brokers at 24: int32_t'
breaks testing.h 's/kafka_cluster_stop_broker(kafka_cluster \*, int32_t broker)/kafka_cluster_stop_broker(kafka_cluster *, int64_t broker)/' 'now: function kafka_cluster_stop_broker KAFKA_TESTING_0: int (kafka_cluster *, int64_t)'
passes types.h 's/^    int32_t id, port, reserved\[2\];/    int32_t id, port, region, reserved;/' 'new: kafka_broker.region at 24: int32_t'
passes types.h 's/KAFKA_ACKS_ONE = 1 /KAFKA_ACKS_ONE = 1, KAFKA_ACKS_TWO = 2 /' 'new: constant KAFKA_ACKS_TWO = 2'
passes conn.h 's/^typedef struct kafka_config_entry {/typedef struct kafka_extra { int n; } kafka_extra;\n&/' 'new: struct kafka_extra size 4 align 4'
