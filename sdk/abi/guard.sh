#!/usr/bin/env bash
# Whether the binary interface of an SDK library is still that of its record, and if not, which part of the SDK's
# version must move. docs/abi.md says what the versions promise.
#
#   guard.sh check LIBRARY SDK WORK [OBJECT...]   0: as the version says; 1: the version must move; 77: no abidiff, g++
#   guard.sh renew LIBRARY SDK WORK [OBJECT...]   writes the record anew, once the version has moved as it must
#
# LIBRARY is orbweaver_sdk or orbweaver_sdk_torch, SDK the sdk/ folder, WORK a folder to write to, OBJECT... what the
# library was linked from, where its sources are not compiled here (LibTorch's headers take a minute).
#
# The record, abi/LIBRARY.abi, is abidw's (Debian: abigail-tools) and holds what is ours alone, so that it is the same
# for every g++, libstdc++ and LibTorch: of standard types it knows the names, not the layouts. g++ does that with
# -femit-struct-debug-baseonly, which describes the types of those headers only that are named like the source; so all
# the SDK's headers are given the source's name in its preprocessed text.
set -euo pipefail
[[ $# -ge 4 && $1 =~ ^(check|renew)$ ]] || { echo "guard.sh: expected check or renew, a library, the sdk folder and one to write to" >&2; exit 2; }
command=$1 library=$2 sdk=$3 work=$4
shift 4
objects=("$@")
compiler=${CXX:-g++}
name=${library#orbweaver_}
record=$sdk/abi/$library.abi
version_header=$sdk/include/orbweaver/version.h
# The folder as a reader of the messages knows it.
shown=sdk/abi
# Types of the headers that no plugin hands to its host nor gets from it; the manifest is read from the plugin's file.
inside_one_binary=' Above AppendBest AtLeast EntriesByItem FieldRef HigherCounts Hungarian Manifest OneBar ParamSpec Scored '

skip() {
  echo "The SDK's record cannot be made here: $*"
  exit 77
}

# indented FILE: without abidiff's counts, and not all of a long one.
indented() { sed -e '/^$/d' -e '/summary:/d' -e 's/^/  /' "$1" | sed -n 1,60p; }

for tool in abidiff abidw; do
  command -v $tool >/dev/null || skip "$tool was not found; install it with scripts/setup.sh --test (Debian: abigail-tools)"
done
"$compiler" --version 2>/dev/null | grep -q 'Free Software' || skip "the record is made with g++, and $compiler is none"
[[ $("$compiler" -dumpmachine) == x86_64-* ]] || skip "the record is that of x86-64, not of $("$compiler" -dumpmachine)"

header_number() { sed -n "s/^#define ORBWEAVER_SDK_VERSION_$1 \([0-9]*\)$/\1/p" "$version_header"; }
major=$(header_number MAJOR) minor=$(header_number MINOR)

# --- the interface as it is --------------------------------------------------------------------------------------------

rm -rf "$work"
mkdir -p "$work"
"$compiler" -std=c++20 -E -I"$sdk/include" -I"$sdk" -isystem "$sdk/abi/libtorch" "$sdk/abi/$name.cpp" |
  sed -E "s|^(# [0-9]+ )\"[^\"]*/include/orbweaver/[^\"]*\"|\1\"$name.h\"|" >"$work/$name.ii"
"$compiler" -std=c++20 -g -O0 -w -fPIC -fvisibility=hidden -fvisibility-inlines-hidden -femit-class-debug-always \
  -femit-struct-debug-baseonly -x c++-cpp-output -c "$work/$name.ii" -o "$work/$name.o"
parts=("$work/$name.o")
if [ ${#objects[@]} -gt 0 ]; then
  # Their own debug information, where they have some, tells of LibTorch.
  ld -r -S -o "$work/objects.o" "${objects[@]}"
  parts+=("$work/objects.o")
fi
"$compiler" -shared -nodefaultlibs -o "$work/$library.so" "${parts[@]}"

# Instances of other people's templates come and go with the compiler.
cat >"$work/foreign.ini" <<'INI'
[suppress_function]
  symbol_name_not_regexp = ^_ZN?K?9orbweaver|_crosses$
  drop = yes
[suppress_variable]
  symbol_name_not_regexp = ^_ZT[VIS]N9orbweaver|_called$
  drop = yes
INI
now=$work/$library.abi
abidw --suppressions "$work/foreign.ini" --no-show-locs --no-comp-dir-path --no-corpus-path --no-elf-needed \
  --no-write-default-sizes --no-parameter-names --exported-interfaces-only --out-file "$now" "$work/$library.so"
# The integer that g++ 12 describes as an argument of destructors, g++ 14 does not.
int=$(sed -nE "s/.*<type-decl name='int' .*id='(type-id-[0-9]+)'.*/\1/p" "$now")
sed -i "/<function-decl name='~/,/<\/function-decl>/{/<parameter type-id='$int' is-artificial/d}" "$now"

# --- against the record ------------------------------------------------------------------------------------------------

# Every type that the headers declare is in the record, or it never leaves the binary that uses it. Every source is
# compiled here, or every function of the headers is listed.
require_all_names() {
  local word unseen='' headers=("$sdk"/include/orbweaver/*.h)
  [ "$name" = sdk ] || headers=("$sdk"/include/orbweaver/torch/*.h)
  for word in $(sed -nE 's/^(struct|class) (ORBWEAVER_API )?([A-Za-z]+)( :.*)? \{$/\3/p' "${headers[@]}"); do
    grep -qE "<class-decl name='$word(&lt;[^']*)?' .*size-in-bits" "$now" && continue
    [[ $inside_one_binary == *" $word "* ]] || unseen+=" CROSSES($word)"
  done
  if [ "$name" = sdk ]; then
    for word in "$sdk"/src/*.cpp; do
      grep -qF "#include \"src/${word##*/}\"" "$sdk/abi/$name.cpp" || unseen+=" #include \"src/${word##*/}\""
    done
  else
    for word in $(sed -nE 's/^ORBWEAVER_API [^(]*[ &*]([a-z0-9_]+)\(.*/\1/p' "${headers[@]}"); do
      grep -qF "<var-decl name='${word}_called'" "$now" || unseen+=" CALLED($word)"
    done
  fi
  [ -n "$unseen" ] || return 0
  echo "The record of lib$library does not see all of the SDK. Add to $shown/$name.cpp:$unseen"
  echo "(a type that no plugin hands to its host nor gets from it: to the list in $shown/guard.sh)."
  exit 1
}

write_record() {
  require_all_names
  { cat "$now" && echo "<!-- SDK $major.$minor -->"; } >"$work/record"
  mv "$work/record" "$record"
  echo "$shown/$library.abi is now that of SDK $major.$minor."
}

if [ ! -f "$record" ]; then
  [ "$command" = renew ] || { echo "$shown/$library.abi is missing: make abi-record"; exit 1; }
  write_record
  exit
fi
recorded=$(sed -nE 's/^<!-- SDK ([0-9]+\.[0-9]+) -->$/\1/p' "$record")
recorded_major=${recorded%.*} recorded_minor=${recorded#*.}

# differences FILE OPTIONS...: whether there are any, with a report of them. abidiff's status has a bit for each kind of
# answer. Without --redundant it passes over a virtual function with other parameters; the report by types is the
# shorter one, but does not know of each change.
differences() {
  local file=$1 status=0
  shift
  abidiff --redundant --no-show-locs "$@" "$record" "$now" >"$file" 2>&1 || status=$?
  if [ $((status & 3)) -ne 0 ]; then
    echo "abidiff could not compare the record with the library (status $status):"
    indented "$file"
    exit 1
  fi
  abidiff --leaf-changes-only --no-show-locs "$@" "$record" "$now" >"$file.types" 2>&1 || true
  if [ -n "$(indented "$file.types")" ]; then mv "$file.types" "$file"; fi
  [ $status -ne 0 ]
}

needed=nothing
if differences "$work/broken" --no-added-syms; then
  needed=major
elif differences "$work/added" --harmless; then  # such as one more enumerator
  needed=minor
fi

if [ "$major" -lt "$recorded_major" ] || { [ "$major" -eq "$recorded_major" ] && [ "$minor" -lt "$recorded_minor" ]; }; then
  echo "$version_header says SDK $major.$minor, the record is that of $recorded: versions do not go back."
  exit 1
fi
new_major=no new_minor=no
[ "$major" -eq "$recorded_major" ] || new_major=yes
[ "$minor" -le "$recorded_minor" ] || new_minor=yes

case $needed in
  nothing)
    echo "lib$library has the interface of SDK $recorded; the version is $major.$minor."
    ;;
  minor)
    echo "lib$library has what SDK $recorded has, and more:"
    indented "$work/added"
    if [ $new_major$new_minor = nono ]; then
      cat <<TEXT
The SDK's MINOR must move: plugins that use what is new must be refused by a host of $recorded, which lacks it. Plugins
of $recorded go on working.
Next: write ORBWEAVER_SDK_VERSION_MINOR $((minor + 1)) into sdk/include/orbweaver/version.h and a row into the table of
docs/abi.md. The record stays that of $recorded until the new version is released; then: make abi-record
TEXT
      exit 1
    fi
    ;;
  major)
    echo "lib$library has changed or lacks something that SDK $recorded has:"
    indented "$work/broken"
    if [ $new_major = no ]; then
      cat <<TEXT
The SDK's MAJOR must move: a plugin of $recorded would be loaded and then read or call the wrong thing.
Next: leave what there is and add beside it (docs/abi.md says how), which takes a minor; or write
ORBWEAVER_SDK_VERSION_MAJOR $((major + 1)) and ORBWEAVER_SDK_VERSION_MINOR 0 into sdk/include/orbweaver/version.h, the next
major of Orbweaver itself into CMakeLists.txt and framework/version.h, and a row into the table of docs/abi.md. The
record stays that of $recorded until the new version is released; then: make abi-record
TEXT
      exit 1
    fi
    ;;
esac
if [ $needed != nothing ]; then echo "The version has moved from $recorded to $major.$minor, as it must."; fi
if [ "$command" = renew ]; then write_record; else require_all_names; fi
