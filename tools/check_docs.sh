#!/usr/bin/env bash
# What the documents say is so: the README prints the programs of examples/ as they are, its commands exist, links lead
# somewhere, and every step that is mentioned can be run.
set -euo pipefail
cd "$(dirname "$0")/.."
wrong=0
complain() { echo "check_docs: $*"; wrong=1; }

# block N: the N-th fenced block of C in the README
block() { awk -v want="$1" '/^```c$/ {n++; inside = 1; next} /^```$/ {inside = 0} inside && n == want' README.md; }
cmp -s <(block 1) examples/produce.c || complain "README.md does not print examples/produce.c as it is"
cmp -s <(block 2) examples/consume.c || complain "README.md does not print examples/consume.c as it is"
[ "$(wc -l < examples/produce.c)" -le 15 ] || complain "examples/produce.c is longer than 15 lines"
[ "$(wc -l < examples/consume.c)" -le 20 ] || complain "examples/consume.c is longer than 20 lines"

cmp -s <(awk '/^## A whole test$/ {here = 1} here && /^```c$/ {inside = 1; next} /^```$/ {if (inside) exit} inside' docs/testing-your-application.md) \
  examples/test_with_cluster.c || complain "docs/testing-your-application.md does not print examples/test_with_cluster.c as it is"
# kinds of faults, and what else kafka/testing.h can do: all of it is told of there
for name in $(grep -oE '\bKAFKA_FAULT_[A-Z_]+|\bkafka_cluster_[a-z_]+\(' include/kafka/testing.h | tr -d '(' | sort -u); do
  case $name in *_new_sized | *_clear_faults) continue ;; esac
  grep -q "$name" docs/testing-your-application.md || complain "docs/testing-your-application.md does not tell of $name"
done

# the table of the writer's scenarios: each row has some, they exist, want what the row says, and each has its place
rows=tests/sim/writers/README.md
scenarios() { sed -n 's/^ *X(\(writer_.*\)).*/\1/p' tests/sim/writers/writers.h; }
for row in B01 B0{3..9} B1{5..7} B63 S0{1..9} S10 S16 S17 S22 S23 S35 S37; do
  grep -qE "^\| $row \|.*\| \`writer_" $rows || complain "$rows has no row $row with a scenario"
done
while read -r name; do grep -q "\`$name\`" $rows || complain "$rows does not tell of $name"; done < <(scenarios)
while IFS='|' read -r _ _ _ names _ wanted bugs _; do
  for name in $(grep -oE '`[a-z0-9_]+`' <<< "$names" | tr -d '`'); do
    scenarios | grep -qx "$name" || { complain "$rows tells of $name, which is no scenario"; continue; }
    list=$(grep -hE "^WRITER_SCENARIO\($name," tests/sim/writers/*.c | sed -n 's/.*\.sometimes = \([a-z_]*\).*/\1/p')
    file=$(grep -lE "^WRITER_SCENARIO\($name," tests/sim/writers/*.c)
    for wish in $(grep -oE '`[A-Z_]+`' <<< "$wanted" | tr -d '`'); do
      tr '\n' ' ' < "$file" | grep -qE "const $list\[\] = \{[^}]*\b$wish\b" || complain "$name does not ask for $wish, $rows says so"
    done
  done
  for name in $(grep -oE '`[a-z0-9_]+`' <<< "$bugs" | tr -d '`'); do
    [ -f "tests/sim/mutants/$name.patch" ] || complain "$rows names $name, which is no patch of tests/sim/mutants"
  done
done < <(grep -E '^\| [BS][0-9]+ \|' $rows)

for page in *.md docs/*.md fuzz/README.md tests/kafka/README.md tests/sim/README.md schema/GRAMMAR.md; do
  while read -r link; do
    [ -e "$(dirname "$page")/$link" ] || complain "$page links to $link, which is not there"
  done < <(grep -oE '\]\([^)#:]+\)' "$page" | sed 's/^](//; s/)$//')
done

for target in $(grep -oE '^make [a-z]+|`make [a-z]+' README.md CONTRIBUTING.md DESIGN.md | sed 's/.*make //' | sort -u); do
  grep -qE "^$target:" Makefile || complain "the documents speak of \`make $target\`, the Makefile does not"
done
# functions that the headers declare, one a line
declared() { sed 's|/\*.*\*/||; /\/\*/,/\*\//d; /^#/d' include/kafka/*.h | tr '\n' ' ' | grep -oE 'KAFKA_API [^;{(]*\(' | grep -oE 'kafka_[a-z0-9_]+\($' | tr -d '(' | sort -u; }
described() { grep -oE '`kafka_[a-z0-9_]+`' docs/threading.md | tr -d '`' | sort -u; }
while read -r name; do complain "docs/threading.md has no row for $name"; done < <(comm -23 <(declared) <(described))
while read -r name; do complain "docs/threading.md has a row for $name, which no header declares"; done < <(comm -13 <(declared) <(described))
[ "$(declared | wc -l)" -ge 70 ] || complain "the functions of include/kafka/ are not found any more"
# files that SECURITY.md names
for file in $(grep -oE '`(src|tests|fuzz)/[^`*]+`' SECURITY.md | tr -d '`') $(grep -oE '`(engine|wire|base|net)/[^`*]+`' SECURITY.md | tr -d '`' | sed 's|^|src/|'); do
  [ -e "$file" ] || complain "SECURITY.md names $file, which is not there"
done

tools/check_handlers.py || wrong=1 # of the in-memory cluster

version=$(sed -n 's/^project(kafka-c VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
grep -qF "## $version" CHANGELOG.md || complain "CHANGELOG.md has no entry for version $version"

[ $wrong = 0 ] && echo "check_docs: ok"
exit $wrong
