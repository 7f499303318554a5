#!/usr/bin/env bash
# An installed tree serves programs that were not built with us: through pkg-config and through CMake, shared and static,
# in C and in C++, wherever it lies and however often it is moved. Exactly the files of files.txt are installed, and
# uninstalling takes all of them away.
#
#   install_test.sh BUILD_DIR           installs that build into a temporary place and builds programs against it
#   install_test.sh --files BUILD_DIR   prints what it installs: the new files.txt
set -euo pipefail
only_files=
[ "$1" != --files ] || { only_files=1; shift; }
build=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
# The list of what a `make install` before this one wrote is kept, for `make uninstall`.
manifest=$build/install_manifest.txt
[ ! -e "$manifest" ] || cp "$manifest" "$work/manifest"
trap 'rm -f "$manifest"; [ ! -e "$work/manifest" ] || cp "$work/manifest" "$manifest"; rm -rf "$work"' EXIT
fail() { echo "install_test: $*" >&2; exit 1; }
ok() { echo "ok: $*"; }

setting() { sed -n "s/^$1:[A-Z]*=//p" "$build/CMakeCache.txt"; }
on() { [ "$(setting "$1")" = ON ]; }
version=$(setting CMAKE_PROJECT_VERSION)
cc=$(setting CMAKE_C_COMPILER) cxx=$(setting CMAKE_CXX_COMPILER)
strict=(-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)

# ---- installing: into a prefix with a blank in it, below DESTDIR ------------------------------------------------------------

DESTDIR=$work/stage cmake --install "$build" --prefix "/opt/kafka c" > "$work/install.log"
prefix="$work/stage/opt/kafka c"
libdir=$(dirname "$(find "$prefix" -name libkafka.pc)")/..
libdir=$(cd "$libdir" && pwd)

# As files.txt has them: without what differs between machines and versions.
installed() {
  (cd "$prefix" && find . ! -type d -printf '%P\n') |
    sed -e "s:^${libdir#"$prefix"/}/:LIBDIR/:" -e "s:\.so\.$version\$:.so.VERSION:" -e 's:targets-[a-z]*\.cmake:targets-TYPE.cmake:' |
    LC_ALL=C sort
}
[ -z "$only_files" ] || { installed; exit; }
expected() { # files.txt, without what this build leaves out
  local without=()
  on KAFKA_BUILD_CLI || without+=(-e '^bin/' -e '^share/man/man1/' -e '^share/[a-z]*-completion/' -e '^share/[a-z]*/.*completions' -e '^share/zsh/')
  on KAFKA_BUILD_SHARED || without+=(-e '\.so')
  on KAFKA_BUILD_STATIC || without+=(-e '\.a$')
  grep -v -e '^#' ${without[@]+"${without[@]}"} "$here/files.txt"
}
diff <(expected) <(installed) > "$work/diff" ||
  { cat "$work/diff"; fail "what is installed is not what tests/install/files.txt lists (install_test.sh --files prints the list anew)"; }
ok "what is installed is what is listed"

# ---- the libraries themselves -----------------------------------------------------------------------------------------------

exported() { nm -D --defined-only "$1" | awk '{sub(/@.*/, "", $3); print $3}'; }
declared() { tr '\n' ' ' | grep -oE 'KAFKA_API [^;]*;' | grep -oE '\bkafka_[a-z0-9_]+ ?\(' | tr -d ' (' | sort -u; }
every_declared() { # LIBRARY: what the declarations on standard input promise is there
  local f
  for f in $(declared); do
    grep -qx "$f" <(exported "$1") || fail "$f is declared and not exported"
  done
}
if on KAFKA_BUILD_SHARED; then
  for name in kafka kafka-testing; do
    [ "$(basename "$(readlink "$libdir/lib$name.so")")" = lib$name.so.0 ] || fail "lib$name.so does not lead to lib$name.so.0"
  done
  foreign=$(exported "$libdir/libkafka.so" | grep -v -e '^kafka_' -e '^KAFKA_0' || true)
  foreign+=$(exported "$libdir/libkafka-testing.so" | grep -v -e '^kafka_cluster_' -e '^kafka_fault_on$' -e '^KAFKA_TESTING_0' || true)
  [ -z "$foreign" ] || fail "symbols are exported that do not belong there: $foreign"
  find "$prefix/include/kafka" -name '*.h' ! -name testing.h -exec cat {} + | every_declared "$libdir/libkafka.so"
  every_declared "$libdir/libkafka-testing.so" < "$prefix/include/kafka/testing.h"
  ok "all that is declared is exported, and nothing else"
  if [ "$(setting CMAKE_BUILD_TYPE)" != Debug ] && [ -z "$(setting KAFKA_SANITIZE)" ]; then
    text=$(size "$libdir/libkafka.so" | awk 'NR == 2 {print $1}')
    [ "$text" -le 600000 ] || fail "the library has $text bytes of text, more than 600 000"
    ok "the library's text is no larger than 600 000 bytes: $text"
  fi
fi
if on KAFKA_BUILD_STATIC; then
  for name in kafka kafka-testing; do
    foreign=$(nm -g --defined-only "$libdir/lib$name.a" 2>/dev/null | awk 'NF == 3 && $2 != "V" && $2 != "W" && $3 !~ /^(kafka|kfk|kft)_/ {print $3}')
    [ -z "$foreign" ] || fail "lib$name.a defines names that may be somebody else's: $foreign"
  done
  ok "the static libraries take no names but their own"
fi

# ---- programs ---------------------------------------------------------------------------------------------------------------

runs() { # NAME LINKED: it runs, and libkafka is linked as said: shared, static, or all-static (nothing is shared)
  local out needed
  out=$(LD_LIBRARY_PATH=$libdir "$work/$1") || fail "$1 ends with $?"
  [[ $out == "kafka-c $version: "* ]] || fail "$1 prints \"$out\""
  needed=$(readelf -d "$work/$1" | grep NEEDED || true)
  case $2 in
    shared) [[ $needed == *libkafka.so.0* ]] ;;
    static) [[ $needed != *libkafka* ]] ;;
    all-static) [ -z "$needed" ] ;;
  esac || fail "$1 is not linked as it should be ($2): $needed"
  ok "$1"
}

# compile SOURCE NAME LANGUAGE COMPILE-OPTIONS LINK-OPTIONS: the options are pkg-config's, quoted for a shell. A C program is linked
# as one, so that what the library needs of C++ has to come from pkg-config.
compile() {
  local compiler=$cc standard=c11 language=c
  [ "$3" = c ] || { compiler=$cxx standard=c++17 language=c++; }
  eval "\"\$compiler\" -std=$standard \"\${strict[@]}\" -x $language \"\$here/$1.c\" -x none -o \"\$work/$2\" $4 $5" ||
    fail "$2 does not compile"
}

pkg_config_programs() { # SUFFIX
  local language cflags package program prefix
  export PKG_CONFIG_PATH=$libdir/pkgconfig
  for program in program cluster; do
    package=libkafka prefix=pkgconfig
    [ $program = program ] || package=libkafka-testing prefix=pkgconfig-cluster
    [ "$(pkg-config --modversion $package)" = "$version" ] || fail "pkg-config knows another version of $package"
    cflags=$(pkg-config --cflags $package)
    for language in c c++; do
      if on KAFKA_BUILD_SHARED; then
        compile $program "$prefix-shared-$language$1" $language "$cflags" "$(pkg-config --libs $package)"
        runs "$prefix-shared-$language$1" shared
      else
        compile $program "$prefix-$language$1" $language "$cflags" "$(pkg-config --libs $package)"
        runs "$prefix-$language$1" static
      fi
      on KAFKA_BUILD_STATIC || continue
      compile $program "$prefix-static-$language$1" $language "$cflags" \
        "$(pkg-config --static --libs $package | sed 's/-lkafka\(-testing\)\?\b/-l:libkafka\1.a/g')"
      runs "$prefix-static-$language$1" static
      # The warnings are glibc's, about names that a static program looks up through shared libraries all the same.
      compile $program "$prefix-all-static-$language$1" $language "$cflags" "-static $(pkg-config --static --libs $package)" 2> /dev/null
      runs "$prefix-all-static-$language$1" all-static
    done
  done
}

cmake_programs() { # SUFFIX
  local tree=$work/cmake$1 linked kind
  cmake -S "$here" -B "$tree" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" \
    -DSTRICT="$(IFS=';'; echo "${strict[*]}")" -DVERSION="$version" > "$work/cmake.log" 2>&1 ||
    { cat "$work/cmake.log"; fail "find_package(kafka) failed"; }
  cmake --build "$tree" > "$work/cmake.log" 2>&1 || { cat "$work/cmake.log"; fail "building with kafka::kafka failed"; }
  for kind in shared static; do
    linked=$kind
    on KAFKA_BUILD_STATIC || [ $kind = shared ] || continue
    on KAFKA_BUILD_SHARED || linked=static
    for language in c c++ cluster-c cluster-c++; do
      cp "$tree/$kind-$language" "$work/cmake-$kind-$language$1"
      runs "cmake-$kind-$language$1" $linked
    done
  done
}

pkg_config_programs ""
cmake_programs ""

if on KAFKA_BUILD_SHARED; then # a libkafka of another version, as far as it says so itself
  "$cc" -shared -fPIC -x c -o "$work/other.so" - <<< 'const char *kafka_version(void) { return "99.0"; }'
  out=$(LD_PRELOAD=$work/other.so LD_LIBRARY_PATH=$libdir "$work/pkgconfig-cluster-shared-c" refused) || fail "libkafka-testing takes another version's libkafka"
  [[ $out == *"libkafka-testing $version beside libkafka 99.0"* ]] || fail "libkafka-testing beside another version says \"$out\""
  ok "libkafka-testing refuses a libkafka of another version"
fi

for wrong in "${version%%.*}.$(($(cut -d. -f2 <<< "$version") + 1))" "$((${version%%.*} + 1)).0"; do
  cmake -S "$here" -B "$work/wrong" -DCMAKE_PREFIX_PATH="$prefix" -DVERSION="$wrong" > "$work/cmake.log" 2>&1 &&
    fail "find_package(kafka $wrong) is content with version $version"
  grep -q "kafka-config.cmake, version: $version" "$work/cmake.log" || { cat "$work/cmake.log"; fail "find_package(kafka $wrong) fails for another reason"; }
done
ok "find_package refuses versions that this one does not serve"

# ---- moving and removing ----------------------------------------------------------------------------------------------------

mv "$work/stage/opt" "$work/stage/elsewhere"
prefix="$work/stage/elsewhere/kafka c" libdir=${libdir/stage\/opt/stage\/elsewhere}
pkg_config_programs -moved
cmake_programs -moved
if on KAFKA_BUILD_CLI; then
  [[ $("$prefix/bin/kc" --version) == "kc, of kafka-c $version"* ]] || fail "kc --version says something else"
  ok "kc runs"
fi

mv "$work/stage/elsewhere" "$work/stage/opt"
prefix="$work/stage/opt/kafka c"
echo theirs > "$prefix/include/theirs.h"
DESTDIR=$work/stage cmake --build "$build" --target uninstall > "$work/uninstall.log" || { cat "$work/uninstall.log"; fail "uninstalling failed"; }
left=$(cd "$prefix" && find . ! -type d)
[ "$left" = ./include/theirs.h ] || fail "uninstalling leaves: $left"
[ ! -e "$prefix/include/kafka" ] || fail "uninstalling leaves include/kafka"
ok "uninstalling takes away what was installed and nothing else"
