#!/usr/bin/env bash
#
# A real Apache Kafka for the tests, on loopback, from Maven's jars. Needs bash, Java 17 or later, and Maven for the
# first run. README.md says how to use it by hand.
#
#   kafka.sh with COMMAND [ARG...]     run COMMAND beside a broker: starts one unless one runs at PORT, and stops (and
#                                      wipes) what it started. Exits as COMMAND did. COMMAND finds in its environment
#                                        KAFKA_BROKERS, KAFKA_TEST_BOOTSTRAP   the bootstrap list, host:port[,...]
#                                        KAFKA_TEST_ADVBAD      a listener that advertises a name that does not resolve
#                                        KAFKA_TEST_ADVREFUSED  a listener that advertises a port that refuses
#                                        KAFKA_TEST_SH          this script
#                                        KAFKA_TEST_PORT, KAFKA_TEST_NODES, KAFKA_TEST_VERSION, KAFKA_TEST_DIR
#   kafka.sh start                     start N nodes, wait until they answer, print the bootstrap list; keeps old data
#   kafka.sh stop [NODE...]            stop all nodes, or these; the data stays
#   kafka.sh restart [NODE...]         stop if need be, start, wait
#   kafka.sh wipe                      stop all nodes and delete their data
#   kafka.sh freeze|thaw|kill [NODE...]   SIGSTOP, SIGCONT, SIGKILL; node 1 unless told
#   kafka.sh status                    one line per node; exits 1 unless all run
#   kafka.sh log [NODE]                the path of a node's log
#   kafka.sh log-dir TOPIC PARTITION [NODE]   the directory that holds a partition's segments
#   kafka.sh run CLASS [ARG...]        a Java class of the jars, such as org.apache.kafka.tools.TopicCommand
#   kafka.sh jars                      fetch the jars of broker and tools, unless they are there
#   kafka.sh client-jar VERSION        print the path of kafka-clients-VERSION.jar; fetches it, unless it is there
#
# Environment:
#   PORT            first port, 19092 unless told (within `with`: its own). Node i has PORT + 10*(i-1) + 0..9; see listeners()
#   N               how many nodes `start` and `with` start: as many as were started before, or else 1, unless told
#   KAFKA_C_CACHE   where jars are kept: ${XDG_CACHE_HOME:-$HOME/.cache}/kafka-c unless told
#   EXTRA_CONF      lines to append to the broker's settings
#   HEAP            a node's largest heap, 256m unless told
#   START_TIMEOUT   seconds that `start` waits, 90 unless told
#   KEEP            not empty: `with` stops the broker but leaves data and logs (kafka.sh wipe deletes them)
#
# Exit codes: 0, 1 failed (standard error says why and what to do), 2 wrong usage.
#
# Who may outlive whom. A broker is started with setsid and belongs to nobody's terminal. Each `with` holds a shared lock
# (flock) on the port's "users" file; the last to leave stops the broker if a `with` had started it. A `with` that is
# killed outright cannot do that, so it leaves a guardian behind at its start: a process that waits for the exclusive lock,
# which the kernel grants as soon as no `with` lives, and then does the same. Tools started by `run` under a `with` are
# noted down, and ended with it.

set -euo pipefail
shopt -s nullglob

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
self=$here/kafka.sh
prog=${0##*/}

PORT=${PORT:-${KAFKA_TEST_PORT:-19092}}
N=${N:-}   # empty: as many as there are, or else 1
HEAP=${HEAP:-256m}
START_TIMEOUT=${START_TIMEOUT:-90}

{ : 3<&0; } 2>/dev/null || exec </dev/null    # `with` hands its standard input on, so there must be one

say() { printf '%s: %s\n' "$prog" "$*" >&2; }
die() { say "$@"; exit 1; }
usage() { say "$@"; say "see the top of $self"; exit 2; }

[[ $PORT =~ ^[1-9][0-9]{0,4}$ && $PORT -le 65000 ]] || usage "PORT=$PORT is not a port from 1 to 65000"
[[ $N =~ ^[1-9]?$ ]] || usage "N=$N is not a number of nodes from 1 to 9"
[[ $START_TIMEOUT =~ ^[1-9][0-9]*$ ]] || usage "START_TIMEOUT=$START_TIMEOUT is not a number of seconds"

# ---- Places ----------------------------------------------------------------------------------------------------------

if [ -n "${KAFKA_C_CACHE:-}" ]; then cache=$KAFKA_C_CACHE
elif [ -n "${XDG_CACHE_HOME:-}" ]; then cache=$XDG_CACHE_HOME/kafka-c
else cache=${HOME:?is not set: set KAFKA_C_CACHE}/.cache/kafka-c
fi
[[ $cache = /* ]] || cache=$PWD/$cache

version=$(sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' "$here/pom.xml")
pom_sum=$(cksum <"$here/pom.xml")
jars=$cache/jars/broker-$version-${pom_sum%% *}   # a changed pom.xml gets a directory of its own

state=$cache/run/$PORT        # .lock: who starts and stops; .users: who runs `with`; .dir: where the data lies
mkdir -p "$cache/jars" "$cache/run" || die "cannot write to $cache: set KAFKA_C_CACHE to a directory that can be written"

# The nodes' directory: in memory when there is room, since a broker syncs and preallocates files. It is written down so
# that every later call finds the same one.
run=''
find_run() {
  run=''
  [ ! -f "$state.dir" ] || run=$(<"$state.dir")
  [ -d "$run" ] || run=''
}
find_run

make_run() {
  local base=/dev/shm free=0
  [ ! -w $base ] || free=$(df -Pk $base | awk 'NR == 2 { print $4 }')
  ((free >= ${N:-1} * 1024 * 1024)) || base=${TMPDIR:-/tmp}
  run=$(mktemp -d "$base/kafka-c-$PORT.XXXXXX") || die "cannot make a directory under $base"
  echo "$run" >"$state.dir"
  echo "${N:-1}" >"$run/nodes"
}

need_run() { [ -n "$run" ] || die "no broker was started at port $PORT; start one: $prog start"; }
nodes() { local d; for d in "$run"/[1-9]; do [ ! -d "$d" ] || echo "${d##*/}"; done; }
need_node() { [[ $1 =~ ^[1-9]$ && -d $run/$1 ]] || die "there is no node $1 at port $PORT; there are: $(nodes | xargs)"; }
port() { echo $((PORT + 10 * ($1 - 1) + $2)); }
bootstrap() { # OFFSET: one address per node, joined by commas
  local i list=
  for ((i = 1; i <= N; i++)); do list+=${list:+,}127.0.0.1:$(port "$i" "$1"); done
  echo "$list"
}

# ---- Java and Maven --------------------------------------------------------------------------------------------------

install_hint="on Debian: apt-get install openjdk-17-jre-headless maven"

java='' java_home=''
need_java() {
  local found release
  [ -z "$java" ] || return 0
  found=$(type -P "${JAVA_HOME:+$JAVA_HOME/bin/}java") || die "Java is missing (Kafka $version needs 17 or later); $install_hint"
  java_home=$(readlink -f "$found")
  java_home=${java_home%/bin/java}
  release=$(sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$java_home/release" 2>/dev/null || true)
  ((${release:-17} >= 17)) || die "$found is Java $release, Kafka $version needs 17 or later; $install_hint, or set JAVA_HOME"
  java=$found
}

# The jars of one profile of pom.xml, all of them or no directory at all.
maven() { # DIRECTORY PROFILE [MAVEN-ARG...]
  local dir=$1 profile=$2 tmp fd
  shift 2
  need_java
  type -P mvn >/dev/null || die "Maven (mvn) is missing; $install_hint"
  exec {fd}>"$cache/jars.lock"
  flock -x "$fd"
  if [ ! -d "$dir" ]; then    # else another process fetched it while we waited
    say "fetching ${dir##*/} (once, into ${dir%/*})"
    rm -rf "$cache/jars"/tmp.*
    tmp=$(mktemp -d "$cache/jars/tmp.XXXXXX")
    # shellcheck disable=SC2064  # this tmp, not a later one
    trap "rm -rf '$tmp'" EXIT
    if ! mvn -B -q -U -Dstyle.color=never -f "$here/pom.xml" -P "$profile" "$@" \
      org.apache.maven.plugins:maven-dependency-plugin:copy-dependencies \
      -DincludeScope=runtime -DoutputDirectory="$tmp/jars" </dev/null >"$cache/jars/maven.log" 2>&1 {fd}>&-; then
      sed -n 's/^[^[]*\(\x1b[^E]*\)*\[ERROR\] \([A-Z]\)/maven: \2/p' "$cache/jars/maven.log" | grep -vE ': (To see|Re-run|For more) ' | head -n 5 >&2
      die "Maven could not fetch ${dir##*/}; above is why. Look at the network, and at the mirrors and proxies in Maven's" \
        "settings (~/.m2/settings.xml, /etc/maven/settings.xml), then try again; mvn's own words: $cache/jars/maven.log"
    fi
    mv -T "$tmp/jars" "$dir"
    rm -rf "$tmp"
    trap - EXIT
  fi
  exec {fd}>&-
}

cmd_jars() { [ -d "$jars" ] || (maven "$jars" broker); }

cmd_client_jar() {
  local v=$1 dir=$cache/jars/client-$1
  [[ $v =~ ^[0-9]+(\.[0-9]+)+$ ]] || usage "client-jar: '$v' is not a version such as 4.4.0"
  [ -d "$dir" ] || (maven "$dir" client -Dclient.version="$v")
  echo "$dir/kafka-clients-$v.jar"
}

classpath() { # sorted, so always the same: a class-data archive is good for one class path only
  local LC_ALL=C list=("$jars"/*.jar) IFS=:
  echo "${list[*]}"
}

# A class-data archive (JEP 350) holds the loaded classes of an earlier run and halves the time to start. A JVM writes one
# as it exits; it is used from the next start on. It is good for one JVM and is ignored by any other, hence the name.
archive() { # NAME: the archive's path, or nothing if this JVM is laid out in a way unknown here
  local jvm=$java_home/lib/server/libjvm.so
  [ ! -f "$jvm" ] || echo "$jars/$1-$(stat -L -c %s-%Y "$jvm").jsa"
}

flags=()
set_flags() { # ARCHIVE-PATH FILE-TO-WRITE-IT-TO: either may be empty
  flags=(-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData -Xss512k -Djava.net.preferIPv4Stack=true)
  if [ -n "$1" ] && [ -f "$1" ]; then flags+=(-XX:SharedArchiveFile="$1" -Xlog:cds=off -Xlog:cds+dynamic=off)
  elif [ -n "$2" ]; then flags+=(-XX:ArchiveClassesAtExit="$2" -Xlog:cds=off -Xlog:cds+dynamic=off)
  fi
}

jsa=''
archive_wanted() { # sets jsa; true if this JVM could have one and has none yet
  (need_java) 2>/dev/null || return 1
  need_java
  jsa=$(archive broker)
  [ -n "$jsa" ] && [ ! -f "$jsa" ]
}

publish_archive() { # WRITTEN ARCHIVE: takes an archive into use if this JVM accepts it (a truncated one crashes it)
  [ -f "$1" ] || return 0
  if "$java" -Xshare:on -XX:SharedArchiveFile="$1" -XX:ErrorFile=/dev/null -XX:-CreateCoredumpOnCrash \
    -cp "$(classpath)" -version >/dev/null 2>&1
  then mv -f "$1" "$2"
  else rm -f "$1"
  fi
}

# ---- A node ----------------------------------------------------------------------------------------------------------

# Every listener of a node: its name, its protocol, the offset of its port, and the address that it tells clients.
# "self" is the true one. Offsets 3 to 8 are free: listeners with TLS and SASL go here, what they need goes into settings().
listeners() {
  cat <<'TABLE'
PLAINTEXT   PLAINTEXT  0  self
ADVBAD      PLAINTEXT  1  kafka.invalid:29092
ADVREFUSED  PLAINTEXT  2  127.0.0.1:1
TABLE
}
readonly controller_offset=9

settings() { # NODE
  local i=$1 n k name protocol offset advertised own rf voters='' listen='' advertise='' map=CONTROLLER:PLAINTEXT
  n=$(<"$run/nodes")
  rf=$((n < 3 ? n : 3))
  for ((k = 1; k <= n; k++)); do voters+=${voters:+,}$k@127.0.0.1:$(port "$k" $controller_offset); done
  while read -r name protocol offset advertised; do
    own=127.0.0.1:$(port "$i" "$offset")
    [ "$advertised" != self ] || advertised=$own
    listen+=$name://$own,
    advertise+=${advertise:+,}$name://$advertised
    map+=,$name:$protocol
  done < <(listeners)
  cat <<CONF
node.id=$i
broker.rack=rack$i
process.roles=broker,controller
controller.quorum.voters=$voters
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=$map
listeners=${listen}CONTROLLER://127.0.0.1:$(port "$i" $controller_offset)
advertised.listeners=$advertise
log.dirs=$run/$i/data

# A test creates its topics itself, and a mistyped name is an error.
auto.create.topics.enable=false
default.replication.factor=$rf

# Tests write records with timestamps of any year. Retention would delete the old ones half a minute later, and a jump in
# time would begin a new segment.
log.retention.ms=-1
log.roll.ms=9223372036854775807

# Internal topics: few partitions, and copies on as many nodes as there are.
offsets.topic.num.partitions=4
offsets.topic.replication.factor=$rf
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=$rf
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=4
share.coordinator.state.topic.replication.factor=$rf
share.coordinator.state.topic.min.isr=1

# Groups settle at once instead of waiting for members who might still come.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000

# A node that was killed may come back only when its old session has ended; the default is 9 s.
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=500

# A small process.
num.network.threads=2
num.io.threads=4
background.threads=2
log.cleaner.dedupe.buffer.size=2097152
log.index.size.max.bytes=1048576
${EXTRA_CONF:-}
CONF
}

pid_of() { # NODE: prints the process id if the node lives (frozen ones do)
  local pid
  pid=$(cat "$run/$1/pid" 2>/dev/null) || return 1
  grep -qsaF "$run/$1/server.properties" "/proc/$pid/cmdline" || return 1   # an id may have gone to another process
  echo "$pid"
}

living() { local i; for i in $(nodes); do ! pid_of "$i" >/dev/null || echo "$i"; done; }

# Asks a node for Metadata (version 1, no topics) and succeeds if it names as many brokers as there should be.
answers() { # NODE
  local reply want
  reply=$( (
    exec 3<>"/dev/tcp/127.0.0.1/$(port "$1" 0)"
    printf '\0\0\0\016\0\003\0\001\0\0\0\001\377\377\0\0\0\0' >&3     # size, key, version, correlation, no client id, 0 topics
    timeout 2 head -c 12 <&3 | od -An -v -tx1 | tr -d ' \n'
  ) 2>/dev/null) || return 1
  printf -v want '00000001%08x' "$(<"$run/nodes")"                    # correlation, brokers
  [ "${reply:8}" = "$want" ]
}

launch() { # NODE
  local i=$1 dir=$run/$1 jsa write='' offset
  jsa=$(archive broker)
  mkdir -p "$dir"
  rm -f "$dir/pid"
  for offset in $(listeners | awk '{ print $3 }') $controller_offset; do
    ! (exec 3<>"/dev/tcp/127.0.0.1/$(port "$i" "$offset")") 2>/dev/null ||
      die "port $(port "$i" "$offset") is taken by another process; set PORT to the first of $((N * 10)) free ones"
  done
  settings "$i" >"$dir/server.properties"
  if [ ! -f "$dir/data/meta.properties" ]; then
    set_flags "$jsa" ''
    "$java" -Xmx64m "${flags[@]}" -Dlog4j2.configurationFile="$here/log4j2-tools.properties" -cp "$(classpath)" \
      kafka.tools.StorageTool format -t MkU3OEVBNTcwNTJENDM2Qg -c "$dir/server.properties" >"$dir/format.out" 2>&1 ||
      { cat "$dir/format.out" >&2; die "node $i: cannot format $dir/data"; }
  fi
  [ ! -f "$dir/broker.log" ] || mv -f "$dir/broker.log" "$dir/broker.log.old"
  [ "$i" != 1 ] || write=${jsa:+$jsa.$PORT}
  [ -z "$write" ] || rm -f "$write"
  set_flags "$jsa" "$write"
  # Without our locks: an inherited one would be held as long as the broker lives.
  (
    cd "$dir"
    close_locks
    exec setsid "$java" -Xms64m -Xmx"$HEAP" "${flags[@]}" -Dkafka.test.log="$dir/broker.log" \
      -Dlog4j2.configurationFile="$here/log4j2-broker.properties" -cp "$(classpath)" kafka.Kafka "$dir/server.properties"
  ) </dev/null >"$dir/out" 2>&1 &
  echo $! >"$dir/pid"
  until pid_of "$i" >/dev/null || ! kill -0 $! 2>/dev/null; do sleep 0.01; done   # it is java now, so slay() would find it
  disown $!                                                                       # bash shall not report how it ends
}

tail_logs() { # NODE
  local f
  for f in "$run/$1/out" "$run/$1/broker.log"; do
    [ ! -s "$f" ] || { say "the last lines of $f:"; tail -n 20 "$f" | cut -c 1-300 >&2; }
  done
}

await() { # NODE...: until each of them answers
  local i until=$((SECONDS + START_TIMEOUT))
  for i; do
    until answers "$i"; do
      if ! pid_of "$i" >/dev/null; then
        tail_logs "$i"; die "node $i ended instead of starting"
      elif ((SECONDS >= until)); then
        tail_logs "$i"; die "node $i does not answer after $START_TIMEOUT s (START_TIMEOUT allows more)"
      fi
      sleep 0.05
    done
  done
}

# Stops nodes as one should. One that does not end in 20 s is killed; so is, after 3 s, one that waits for leave from a
# controller quorum that no longer is, as the last of several always do.
halt() { # NODE...
  local i pid until
  local -A pids=()
  for i; do
    pid=$(pid_of "$i") || continue
    pids[$i]=$pid
    kill -CONT "$pid" 2>/dev/null || true
    kill -TERM "$pid" 2>/dev/null || true
  done
  until=$((SECONDS + 20))
  for i in "${!pids[@]}"; do
    while pid_of "$i" >/dev/null; do
      if ((2 * $(living | wc -l) <= $(<"$run/nodes") && until > SECONDS + 3)); then until=$((SECONDS + 3)); fi
      if ((SECONDS >= until)); then slay "$i"; break; fi
      sleep 0.05
    done
    rm -f "$run/$i/pid"
  done
  if [ -n "${pids[1]:-}" ] && archive_wanted; then publish_archive "$jsa.$PORT" "$jsa"; fi
}

slay() { # NODE...
  local i pid
  for i; do
    pid=$(pid_of "$i") || continue
    kill -KILL "$pid" 2>/dev/null || true
    while pid_of "$i" >/dev/null; do sleep 0.02; done
    rm -f "$run/$i/pid"
  done
}

# ---- Locks and signals -----------------------------------------------------------------------------------------------

lock_fd='' users_fd=''
lock() { [ -n "$lock_fd" ] || { exec {lock_fd}>>"$state.lock"; flock -x "$lock_fd"; }; }
unlock() { [ -z "$lock_fd" ] || exec {lock_fd}>&-; lock_fd=; }
close_locks() {
  [ -z "$lock_fd" ] || exec {lock_fd}>&-
  [ -z "$users_fd" ] || exec {users_fd}>&-
}

# ---- Commands --------------------------------------------------------------------------------------------------------

# Starts what does not run. On failure, also by a signal, nothing that it started is left.
bring_up() { # NODE...
  local i
  starting=()
  for i; do
    if ! pid_of "$i" >/dev/null; then starting+=("$i"); launch "$i"; fi
  done
  await "$@"
  starting=()
}
starting=()
abandon() { ((${#starting[@]} == 0)) || slay "${starting[@]}"; starting=(); }

up() { # N nodes
  need_java
  cmd_jars
  lock
  [ -n "$run" ] || make_run
  [ "${N:=$(<"$run/nodes")}" = "$(<"$run/nodes")" ] ||
    die "at port $PORT there are $(<"$run/nodes") node(s), and N=$N was asked for: $prog wipe first, or take another PORT"
  # shellcheck disable=SC2046  # numbers
  bring_up $(seq "$N")
  unlock
}

cmd_start() {
  trap abandon EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  up
  trap - EXIT
  bootstrap 0
}

cmd_stop() {
  local i
  [ -n "$run" ] || return 0
  lock
  for i; do need_node "$i"; done
  # shellcheck disable=SC2046  # numbers
  if (($#)); then halt "$@"; else halt $(nodes); fi
  unlock
}

cmd_wipe() {
  [ -n "$run" ] || return 0
  lock
  # shellcheck disable=SC2046  # numbers
  if archive_wanted; then halt $(nodes); else slay $(nodes); fi
  rm -rf "$run"
  rm -f "$state.dir"
  unlock
}

cmd_restart() {
  local i
  need_run
  need_java
  lock
  for i; do need_node "$i"; done
  # shellcheck disable=SC2046  # numbers
  (($#)) || set -- $(nodes)
  halt "$@"
  trap abandon EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  bring_up "$@"
  trap - EXIT
  unlock
}

# One thread takes the signal and stops the others, when it gets a processor: until then these go on.
await_standstill() { # PID
  local i
  for ((i = 0; i < 500; i++)); do
    grep -qsv '^State:[[:space:]]*[TtZX]' <(grep -hs '^State:' /proc/"$1"/task/*/status) || return 0
    sleep 0.01
  done
  return 1
}

cmd_signal() { # SIGNAL NODE...
  local signal=$1 i pid
  shift
  need_run
  (($#)) || set -- 1
  for i; do need_node "$i"; done
  for i; do
    pid=$(pid_of "$i") || die "node $i does not run; start it: $prog restart $i"
    if [ "$signal" = KILL ]; then slay "$i"; else kill -s "$signal" "$pid"; fi
    [ "$signal" != STOP ] || await_standstill "$pid" || die "node $i goes on after SIGSTOP"
  done
}

cmd_status() {
  local i pid word all=0
  [ -n "$run" ] || { echo "no broker at port $PORT"; return 1; }
  for i in $(nodes); do
    word=running
    pid=$(pid_of "$i") || { word=stopped pid=-; all=1; }
    ! grep -qs '^State:.T' "/proc/$pid/status" || { word=frozen; all=1; }
    echo "node $i  $word  pid $pid  127.0.0.1:$(port "$i" 0)  $run/$i"
  done
  return $all
}

cmd_log_dir() { # TOPIC PARTITION [NODE]
  local d
  need_run
  [ -z "${3:-}" ] || need_node "$3"
  for d in "$run"/${3:-[1-9]}/data/"$1-$2"; do [ ! -d "$d" ] || { echo "$d"; return; }; done
  die "no node at port $PORT holds partition $2 of topic $1${3:+ (asked for node $3)}"
}

cmd_run() { # CLASS ARG...
  need_java
  cmd_jars
  if [ -n "${KAFKA_TEST_WITH:-}" ] && [ -n "$run" ]; then
    mkdir -p "$run/tools"
    : >"$run/tools/$KAFKA_TEST_WITH.$$"
  fi
  set_flags "$(archive broker)" ''
  exec "$java" -Xmx256m "${flags[@]}" -Dlog4j2.configurationFile="$here/log4j2-tools.properties" -cp "$(classpath)" "$@"
}

end_tools() { # WITH: kills what `run` started under it, or under any if WITH is *
  local f pid
  # shellcheck disable=SC2231  # * is meant
  for f in "$run"/tools/$1.*; do
    pid=${f##*.}
    ! grep -qsaF "$jars/" "/proc/$pid/cmdline" || kill -KILL "$pid" 2>/dev/null || true
    rm -f "$f"
  done
}

# For the last `with` to leave, and for the guardian. What is to be done is in a file that a `with` wrote: "wipe", or "stop"
# if it had found data of a broker started by hand. Without the file the broker is not ours.
last_out() {
  local todo
  find_run
  [ -n "$run" ] && [ -f "$run/when-unused" ] || return 0
  todo=$(<"$run/when-unused")
  rm -f "$run/when-unused"
  if [ "$todo" = wipe ] && [ -z "${KEEP:-}" ]; then cmd_wipe; else cmd_stop; fi
}

cmd_guardian() {
  exec {users_fd}>>"$state.users"
  flock -x "$users_fd"
  find_run
  [ -z "$run" ] || end_tools '*'
  last_out
}

leave() {
  trap '' HUP INT TERM
  abandon
  unlock
  [ -z "$run" ] || end_tools "$$"
  flock -u "$users_fd"
  if flock -xn "$users_fd"; then last_out
  else flock -s "$users_fd"       # others use the broker, or the guardian was quicker: then this waits for it
  fi
  [ -z "${KEEP:-}" ] || say "kept: $run"
}

# Whether the terminal signals our whole process group on Ctrl-C, and so COMMAND, without our help.
in_foreground() {
  local stat
  stat=$(</proc/$$/stat)
  # shellcheck disable=SC2086  # state, parent, group, session, terminal, its foreground group
  set -- ${stat##*) }
  [ "$3" = "$6" ]
}

child='' pending=''
on_signal() { # NAME NUMBER
  case $child in
    '') exit $((128 + $2)) ;;
    soon) pending=$1 ;;
    *) [ "$1" = INT ] && in_foreground || kill -s "$1" "$child" 2>/dev/null || true ;;
  esac
}

cmd_with() {
  local rc=0 i tick
  (($#)) || usage "with: which command?"
  need_java
  cmd_jars
  exec {users_fd}>>"$state.users"
  if flock -xn "$users_fd"; then last_out; fi    # left over from a run that ended together with its guardian
  flock -s "$users_fd"                           # waits while a broker that nobody uses any more is being stopped
  trap leave EXIT
  trap 'on_signal HUP 1' HUP
  trap 'on_signal INT 2' INT
  trap 'on_signal TERM 15' TERM
  (close_locks; exec setsid bash "$self" guardian) </dev/null >/dev/null 2>&1 &
  disown $!

  lock
  find_run
  if [ -z "$run" ]; then make_run; echo wipe >"$run/when-unused"
  elif [ -z "$(living)" ]; then [ -f "$run/when-unused" ] || echo stop >"$run/when-unused"
  fi
  up

  export KAFKA_BROKERS KAFKA_TEST_BOOTSTRAP KAFKA_TEST_ADVBAD KAFKA_TEST_ADVREFUSED
  KAFKA_BROKERS=$(bootstrap 0) KAFKA_TEST_BOOTSTRAP=$(bootstrap 0)
  KAFKA_TEST_ADVBAD=$(bootstrap 1) KAFKA_TEST_ADVREFUSED=$(bootstrap 2)
  export KAFKA_TEST_SH=$self KAFKA_TEST_PORT=$PORT KAFKA_TEST_NODES=$N KAFKA_TEST_VERSION=$version KAFKA_TEST_DIR=$run
  export KAFKA_TEST_WITH=$$ KAFKA_C_CACHE=$cache

  # In the background, so that a signal is passed on at once; but as in the foreground otherwise: with our standard input,
  # and without the SIGINT and SIGQUIT that bash makes a background command ignore.
  child=soon
  (close_locks; exec env --default-signal=INT,QUIT -- "$@") <&0 &
  child=$!
  [ -z "$pending" ] || kill -s "$pending" "$child" 2>/dev/null || true
  # Looks instead of calling wait: in bash 5.2 a wait that a signal interrupts as the child ends loses the child's exit
  # code, or never returns. The read is a sleep without a process.
  exec {tick}<> <(:)
  while kill -0 "$child" 2>/dev/null; do read -rt 0.1 -u "$tick" || true; done
  wait "$child" || rc=$?
  child=''
  if ((rc != 0)); then
    for i in $(nodes); do pid_of "$i" >/dev/null || { say "node $i was not running at the end"; tail_logs "$i"; }; done
  fi
  exit $rc
}

command=${1:-}
(($# == 0)) || shift
arguments() { (($3 >= $1 && $3 <= $2)) || usage "$command: wrong number of arguments"; }   # LEAST MOST COUNT
case $command in
  jars) arguments 0 0 $#; cmd_jars ;;
  client-jar) arguments 1 1 $#; cmd_client_jar "$1" ;;
  start) arguments 0 0 $#; cmd_start ;;
  stop) cmd_stop "$@" ;;
  wipe) arguments 0 0 $#; cmd_wipe ;;
  restart) cmd_restart "$@" ;;
  freeze) cmd_signal STOP "$@" ;;
  thaw) cmd_signal CONT "$@" ;;
  kill) cmd_signal KILL "$@" ;;
  status) arguments 0 0 $#; cmd_status ;;
  log) arguments 0 1 $#; need_run; need_node "${1:-1}"; echo "$run/${1:-1}/broker.log" ;;
  log-dir) arguments 2 3 $#; cmd_log_dir "$@" ;;
  run) arguments 1 9999 $#; cmd_run "$@" ;;
  with) cmd_with "$@" ;;
  guardian) cmd_guardian ;;
  help | -h | --help) sed -n '3,/^$/s/^# \{0,1\}//p' "$0" ;;
  '') usage "which command?" ;;
  *) usage "there is no command '$command'" ;;
esac
