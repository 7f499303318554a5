#!/usr/bin/env bash
#
# One broker of another Kafka than kafka.sh starts, on loopback, for as long as a command runs. Needs bash, Java 17, and
# Maven for the first run.
#
#   versions.sh list                     the versions
#   versions.sh jars [VERSION...]        fetch the jars of these versions, of all unless told; what is there stays
#   versions.sh with VERSION COMMAND...  run COMMAND beside a broker, which is gone afterwards, with its data. Exits as
#                                        COMMAND did. COMMAND finds in its environment
#                                          KAFKA_BROKERS, KAFKA_TEST_BOOTSTRAP   127.0.0.1:PORT
#                                          KAFKA_TEST_SH        this script
#                                          KAFKA_TEST_VERSION, KAFKA_TEST_PORT, KAFKA_TEST_DIR
#   versions.sh run CLASS [ARG...]       under `with`: a Java class of the broker's jars
#   versions.sh create TOPIC PARTITIONS [NAME=VALUE...]   under `with`: make a topic on a broker older than CreateTopics
#   versions.sh log-dir TOPIC PARTITION  under `with`: the directory that holds the partition's segments
#
# Environment: PORT, the first of ten that are used (19092 unless told); KAFKA_C_CACHE as in kafka.sh; EXTRA_CONF, lines to
# append to the broker's settings; START_TIMEOUT, seconds.
#
# Versions up to 2.8 bring a ZooKeeper. Broker and ZooKeeper belong to a guardian, a process that holds the reading end of a
# pipe whose writing end only `with` has: however `with` ends, the guardian reads the end of the file, kills both, and
# deletes the data.

set -euo pipefail
shopt -s nullglob

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
self=$here/versions.sh
versions=(0.10.0.1 1.1.1 2.0.1 2.8.2 3.9.1 4.4.0)

PORT=${PORT:-${KAFKA_TEST_PORT:-19092}}
START_TIMEOUT=${START_TIMEOUT:-90}
cache=${KAFKA_C_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kafka-c}
java=${JAVA_HOME:+$JAVA_HOME/bin/}java

die() { printf 'versions.sh: %s\n' "$*" >&2; exit 1; }
usage() { sed -n '3,/^$/s/^# \{0,1\}//p' "$self" >&2; exit 2; }

known() { case " ${versions[*]} " in *" $1 "*) ;; *) die "there is no version '$1' here; there are: ${versions[*]}" ;; esac; }
is_kraft() { case $1 in 3.* | 4.*) ;; *) return 1 ;; esac; }

# ---- Jars ------------------------------------------------------------------------------------------------------------

sum=$(cksum <"$here/versions.xml")
jars_of() { echo "$cache/jars/version-$1-${sum%% *}"; }

profiles_of() {
  case $1 in
    0.*) echo log4j1 2.11 ;;
    1.* | 2.0.*) echo log4j1,zookeeper35 2.12 ;;
    2.8.*) echo log4j1 2.13 ;;
    3.*) echo log4j1,tools 2.13 ;;
    4.4.0) echo log4j2 2.13 ;; # it has no kafka-tools yet
    *) echo log4j2,tools 2.13 ;;
  esac
}

fetch() { # VERSION: all of its jars, or no directory
  local dir profiles scala tmp fd
  dir=$(jars_of "$1")
  [ ! -d "$dir" ] || return 0
  type -P mvn >/dev/null || die "Maven (mvn) is missing; on Debian: apt-get install openjdk-17-jre-headless maven"
  mkdir -p "$cache/jars"
  exec {fd}>"$cache/jars.lock"
  flock -x "$fd"
  if [ ! -d "$dir" ]; then
    read -r profiles scala < <(profiles_of "$1")
    tmp=$(mktemp -d "$cache/jars/tmp.XXXXXX")
    echo "versions.sh: fetching ${dir##*/} (once, into ${dir%/*})" >&2
    mvn -B -q -Dstyle.color=never -f "$here/versions.xml" -P "$profiles" -Dkafka.version="$1" -Dscala.binary="$scala" \
      org.apache.maven.plugins:maven-dependency-plugin:copy-dependencies \
      -DincludeScope=runtime -DoutputDirectory="$tmp/jars" </dev/null >"$tmp/log" 2>&1 {fd}>&- ||
      { grep ERROR "$tmp/log" | head -n 5 >&2; rm -rf "$tmp"; die "Maven could not fetch Kafka $1: is the network there?"; }
    rm -f "$tmp"/jars/slf4j-log4j12-*.jar "$tmp"/jars/log4j-1.2.*.jar # reload4j stands in for them
    mv -T "$tmp/jars" "$dir"
    rm -rf "$tmp"
  fi
  exec {fd}>&-
}

# ---- Java ------------------------------------------------------------------------------------------------------------

flags=()
set_flags() { # LOG: sets flags for the version's JVMs
  flags=(-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData -Xss512k -Djava.net.preferIPv4Stack=true
    -Dkafka.test.log="$1" -Dlog4j.configuration="file:$here/log4j.properties"
    -Dlog4j2.configurationFile="$here/log4j2-broker.properties")
}

classpath() { # VERSION
  local LC_ALL=C list=("$(jars_of "$1")"/*.jar) IFS=:
  echo "${list[*]}"
}

# Class-data archives, which halve the time to start: see kafka.sh. Written into the run's own directory by a JVM that ends
# by itself, and taken into use when the JVM accepts it.
archive_of() { # VERSION NAME
  local real
  real=$(readlink -f "$(type -P "$java")")
  echo "$(jars_of "$1")/$2-$(stat -L -c %s-%Y "${real%/bin/java}/lib/server/libjvm.so" 2>/dev/null || echo none).jsa"
}
use_archive() { # VERSION NAME
  local jsa
  jsa=$(archive_of "$1" "$2")
  if [ -f "$jsa" ]; then flags+=(-XX:SharedArchiveFile="$jsa" -Xlog:cds=off -Xlog:cds+dynamic=off)
  elif [ -n "${run:-}" ]; then flags+=(-XX:ArchiveClassesAtExit="$run/$2.jsa" -Xlog:cds=off -Xlog:cds+dynamic=off)
  fi
}
keep_archive() { # VERSION NAME: of a JVM that has ended
  [ -f "$run/$2.jsa" ] || return 0
  ! "$java" -Xshare:on -XX:SharedArchiveFile="$run/$2.jsa" -XX:ErrorFile=/dev/null -XX:-CreateCoredumpOnCrash \
    -cp "$(classpath "$1")" -version >/dev/null 2>&1 || mv -f "$run/$2.jsa" "$(archive_of "$1" "$2")"
}

# ---- A broker --------------------------------------------------------------------------------------------------------

settings() { # VERSION
  cat <<CONF
listeners=PLAINTEXT://127.0.0.1:$PORT$(! is_kraft "$1" || echo ",CONTROLLER://127.0.0.1:$((PORT + 9))")
advertised.listeners=PLAINTEXT://127.0.0.1:$PORT
log.dirs=$run/data
auto.create.topics.enable=false
delete.topic.enable=true
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
log.retention.hours=2147483
num.network.threads=2
num.io.threads=4
background.threads=2
log.cleaner.dedupe.buffer.size=2097152
log.index.size.max.bytes=1048576
CONF
  if is_kraft "$1"; then
    cat <<CONF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((PORT + 9))
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
group.initial.rebalance.delay.ms=0
CONF
  else
    printf '%s\n' broker.id=1 "zookeeper.connect=127.0.0.1:$((PORT + 8))"
    case $1 in 0.*) ;; *) echo group.initial.rebalance.delay.ms=0 ;; esac
  fi
  printf '%s\n' "${EXTRA_CONF:-}"
}

start_zookeeper() { # VERSION
  printf '%s\n' "dataDir=$run/zookeeper" "clientPort=$((PORT + 8))" clientPortAddress=127.0.0.1 maxClientCnxns=0 \
    admin.enableServer=false >"$run/zookeeper.properties"
  set_flags "$run/zookeeper.log"
  "$java" -Xmx128m "${flags[@]}" -Dzookeeper.jmx.log4j.disable=true -cp "$(classpath "$1")" \
    org.apache.zookeeper.server.quorum.QuorumPeerMain "$run/zookeeper.properties" >"$run/zookeeper.out" 2>&1 {guard}>&- &
  echo $! >"$run/zookeeper.pid"
  await_port $((PORT + 8)) zookeeper
}

start_broker() { # VERSION
  settings "$1" >"$run/server.properties"
  set_flags "$run/broker.log"
  if is_kraft "$1"; then
    "$java" -Xmx128m "${flags[@]}" -cp "$(classpath "$1")" kafka.tools.StorageTool format -t MkU3OEVBNTcwNTJENDM2Qg \
      -c "$run/server.properties" >"$run/broker.out" 2>&1 || { cat "$run/broker.out" >&2; die "cannot format the data"; }
    rm -f "$run/broker.log"
  fi
  use_archive "$1" broker
  "$java" -Xms64m -Xmx256m "${flags[@]}" -cp "$(classpath "$1")" kafka.Kafka "$run/server.properties" \
    >"$run/broker.out" 2>&1 {guard}>&- &
  echo $! >"$run/broker.pid"
  await_started
}

lives() { kill -0 "$(cat "$run/$1.pid")" 2>/dev/null; }
fell() { # NAME
  tail -n 20 "$run/$1.log" "$run/$1.out" >&2 || true
  die "the $1 $2"
}
await_port() { # PORT NAME
  local until=$((SECONDS + START_TIMEOUT))
  until (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; do
    lives "$2" || fell "$2" "ended instead of starting"
    ((SECONDS < until)) || fell "$2" "does not listen after $START_TIMEOUT s"
    sleep 0.05
  done
}
await_started() {
  local until=$((SECONDS + START_TIMEOUT))
  until grep -qsE 'Kafka Server started|started \(kafka.server.KafkaServer\)|KafkaServer: .*started' "$run/broker.log"; do
    lives broker || fell broker "ended instead of starting"
    ((SECONDS < until)) || fell broker "is not up after $START_TIMEOUT s"
    sleep 0.05
  done
}

# ---- Commands --------------------------------------------------------------------------------------------------------

cmd_guardian() { # RUN: standard input ends when there is nobody left who needs it
  local name pid
  trap '' INT TERM HUP
  read -r _ || true
  for name in broker zookeeper; do
    pid=$(cat "$1/$name.pid" 2>/dev/null) || continue
    ! grep -qsaF "$1/" "/proc/$pid/cmdline" || kill -KILL "$pid" 2>/dev/null || true
  done
  rm -rf "$1"
}

run='' guard=''
leave() {
  trap '' INT TERM HUP
  [ -n "$run" ] || return 0
  if [ -f "$run/broker.pid" ] && [ -n "${good:-}" ] && [ ! -f "$(archive_of "$version" broker)" ]; then
    kill "$(cat "$run/broker.pid")" 2>/dev/null || true # it writes its archive as it ends
    local until=$((SECONDS + 20))
    while lives broker && ((SECONDS < until)); do sleep 0.05; done
    lives broker || keep_archive "$version" broker
  fi
  [ -z "$guard" ] || exec {guard}>&-
  wait 2>/dev/null || true
  while [ -d "$run" ]; do sleep 0.02; done
}

cmd_with() { # VERSION COMMAND...
  local base=/dev/shm fifo p
  version=$1
  shift
  known "$version"
  fetch "$version"
  for p in 0 8 9; do
    ! (exec 3<>"/dev/tcp/127.0.0.1/$((PORT + p))") 2>/dev/null || die "port $((PORT + p)) is taken; set PORT"
  done
  (($(df -Pk $base 2>/dev/null | awk 'NR == 2 { print $4 }') >= 1024 * 1024)) || base=${TMPDIR:-/tmp}
  run=$(mktemp -d "$base/kafka-c-$version-$PORT.XXXXXX")
  trap leave EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  fifo=$run/guardian
  mkfifo "$fifo"
  setsid bash "$self" guardian "$run" <"$fifo" >/dev/null 2>&1 &
  exec {guard}>"$fifo"
  is_kraft "$version" || start_zookeeper "$version"
  start_broker "$version"
  export KAFKA_BROKERS=127.0.0.1:$PORT KAFKA_TEST_BOOTSTRAP=127.0.0.1:$PORT KAFKA_TEST_SH=$self KAFKA_TEST_PORT=$PORT
  export KAFKA_TEST_VERSION=$version KAFKA_TEST_DIR=$run KAFKA_C_CACHE=$cache
  unset KAFKA_TEST_ADVBAD KAFKA_TEST_ADVREFUSED KAFKA_TEST_NODES
  local rc=0
  "$@" {guard}>&- & # in the background, so that signals are taken at once
  child=$!
  trap 'kill "$child" 2>/dev/null; exit 143' TERM
  wait "$child" || rc=$?
  if ((rc != 0)) && ! lives broker; then tail -n 20 "$run/broker.log" >&2; echo "versions.sh: the broker has died" >&2; fi
  [ $rc != 0 ] || good=1
  exit $rc
}

under_with() { [ -n "${KAFKA_TEST_DIR:-}" ] || die "$1 works under 'with' only"; }

cmd_run() { # CLASS ARG...
  under_with run
  [ "$KAFKA_TEST_VERSION" != 4.4.0 ] || exec bash "$here/kafka.sh" run "$@" # its tools are those of 4.3
  set_flags "$KAFKA_TEST_DIR/tools.log"
  exec "$java" -Xmx256m "${flags[@]}" -cp "$(classpath "$KAFKA_TEST_VERSION")" "$@"
}

cmd_create() { # TOPIC PARTITIONS [NAME=VALUE...]
  local topic=$1 partitions=$2 one config=()
  under_with create
  shift 2
  for one; do config+=(--config "$one"); done
  cmd_run kafka.admin.TopicCommand --zookeeper "127.0.0.1:$((PORT + 8))" --create --topic "$topic" \
    --partitions "$partitions" --replication-factor 1 "${config[@]}"
}

command=${1:-}
(($# == 0)) || shift
case $command in
  list) printf '%s\n' "${versions[@]}" ;;
  jars)
    (($#)) || set -- "${versions[@]}"
    for v; do known "$v"; (fetch "$v"); done
    ;;
  with) (($# >= 2)) || usage; cmd_with "$@" ;;
  run) (($#)) || usage; cmd_run "$@" ;;
  create) (($# >= 2)) || usage; cmd_create "$@" ;;
  log-dir) (($# == 2)) || usage; under_with log-dir; echo "$KAFKA_TEST_DIR/data/$1-$2" ;;
  guardian) cmd_guardian "$@" ;;
  help | -h | --help) usage ;;
  *) usage ;;
esac
