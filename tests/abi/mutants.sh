#!/usr/bin/env bash
# mutants.sh SDK WORK OBJECT...: changes a copy of the SDK in one way after the other, and looks whether guard.sh says
# which part of the version must move. OBJECT...: those of liborbweaver_sdk_torch.
set -euo pipefail
sdk=$1 work=$2
shift 2
objects=("$@")
rm -rf "$work"
mkdir -p "$work"
cp -r "$sdk" "$work/base"
rm "$work"/base/abi/*.abi

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

number() { sed -n "s/^#define ORBWEAVER_SDK_VERSION_$1 //p" "$work/base/include/orbweaver/version.h"; }
major=$(number MAJOR) minor=$(number MINOR)

# guard COMMAND LIBRARY: in $work/sdk; its status in $status, its words in $text.
guard() {
  local parts=()
  [ "$2" = orbweaver_sdk ] || parts=("${objects[@]}")
  status=0
  text=$(bash "$sdk/abi/guard.sh" "$1" "$2" "$work/sdk" "$work/out" "${parts[@]}" 2>&1) || status=$?
  if [ $status -eq 77 ]; then echo "$text"; exit 77; fi
}

fresh() {
  rm -rf "$work/sdk"
  cp -r "$work/base" "$work/sdk"
}

# change FILE SED: the copy must differ from then on.
change() {
  sed -i "$2" "$work/sdk/$1"
  if cmp -s "$work/sdk/$1" "$work/base/$1"; then fail "$1 has no place for $2"; fi
}

version() { change include/orbweaver/version.h "s/_MAJOR $major/_MAJOR $1/; s/_MINOR $minor/_MINOR $2/"; }

# expect LIBRARY STATUS PART...: what the guard says of the copy.
expect() {
  local library=$1 wanted=$2 part
  shift 2
  guard check "$library"
  for part in "$@"; do [[ $text == *"$part"* ]] || fail "\"$part\" is not in: $text"; done
  [ $status -eq "$wanted" ] || fail "status $status instead of $wanted: $text"
}

fresh
for library in orbweaver_sdk orbweaver_sdk_torch; do
  guard renew $library
  [ $status -eq 0 ] || fail "$text"
  cp "$work/sdk/abi/$library.abi" "$work/base/abi/"
done

# The record is the same where the checkout's own folder has the name of the headers' one.
mkdir "$work/orbweaver"
cp -r "$work/base" "$work/orbweaver/sdk"
record=abi/orbweaver_sdk_torch.abi
text=$(bash "$sdk/abi/guard.sh" renew orbweaver_sdk_torch "$work/orbweaver/sdk" "$work/out" "${objects[@]}" 2>&1) ||
  fail "$text"
without_path() { sed "s| path='[^']*'||" "$1/$record"; }
diff <(without_path "$work/base") <(without_path "$work/orbweaver/sdk") >&2 || fail "another record in a folder called orbweaver"

# --- what a minor is for -----------------------------------------------------------------------------------------------

fresh
change src/value.cpp '/^const char\* type_name/i ORBWEAVER_API int added() { return 1; }'
expect orbweaver_sdk 1 'and more' "orbweaver::v1::added(" "The SDK's MINOR must move" \
  "write ORBWEAVER_SDK_VERSION_MINOR $((minor + 1)) into"
change include/orbweaver/image_input.h 's/bilinear, bicubic, area/&, added/'
version "$major" $((minor + 1))
expect orbweaver_sdk 0 "Interpolation::added' value '3'" "has moved from $major.$minor to $major.$((minor + 1)), as it must"

# --- what a major is for -----------------------------------------------------------------------------------------------

fresh
change include/orbweaver/params.h 's/with_defaults/renamed/'
change src/params.cpp 's/with_defaults/renamed/'
version "$major" $((minor + 1))  # not enough
expect orbweaver_sdk 1 'lacks something' '1 Removed function' "The SDK's MAJOR must move" \
  "ORBWEAVER_SDK_VERSION_MAJOR $((major + 1)) and ORBWEAVER_SDK_VERSION_MINOR 0"

# A virtual function at the end: the tables of plugins that exist lack it. A member of a type that stands in a span.
fresh
change include/orbweaver/graph_builder.h '/virtual Graph build(const Caption/a \  virtual bool added() const { return false; }'
change include/orbweaver/scene.h '/^  std::string label;/a \  int64_t added = 0;'
expect orbweaver_sdk 1 'GraphBuilder::added() const' "'int64_t added', at offset" "The SDK's MAJOR must move"

fresh
change include/orbweaver/torch/fusion.h '/virtual at::Tensor forward/a \  virtual bool added() const { return false; }'
change include/orbweaver/torch/representation.h 's/local = false, relations = false;/&\n  bool added = false;/'
change include/orbweaver/torch/weights.h 's/^ORBWEAVER_API StateDict read_state_dict/ORBWEAVER_API int read_state_dict/'
expect orbweaver_sdk_torch 1 'Fusion::added() const' "'bool added', at offset" 'read_state_dict' \
  "The SDK's MAJOR must move"
version $((major + 1)) 0
expect orbweaver_sdk_torch 0 "has moved from $major.$minor to $((major + 1)).0, as it must"

# A pure virtual function is no symbol of the library, and keeps its place in the table.
fresh
change include/orbweaver/torch/loss.h 's/virtual LossOutput forward/virtual int forward/'
expect orbweaver_sdk_torch 1 'return type changed' "The SDK's MAJOR must move"
fresh
change include/orbweaver/torch/loss.h 's/forward(const LossInput& batch)/forward(const LossInput* batch)/'
expect orbweaver_sdk_torch 1 'member function deletion' "The SDK's MAJOR must move"

# A source that is no longer built.
fresh
all=("${objects[@]}") objects=()
for object in "${all[@]}"; do [[ $object == *weights* ]] || objects+=("$object"); done
[ ${#objects[@]} -lt ${#all[@]} ] || fail "weights.cpp is not among ${all[*]}"
expect orbweaver_sdk_torch 1 'Removed function' 'read_state_dict' "The SDK's MAJOR must move"
objects=("${all[@]}")

# --- versions and records ----------------------------------------------------------------------------------------------

# The record cannot be renewed to silence the guard.
fresh
change include/orbweaver/torch/representation.h 's/local = false, relations = false;/&\n  bool added = false;/'
guard renew orbweaver_sdk_torch
[ $status -eq 1 ] && cmp -s "$work/sdk/abi/orbweaver_sdk_torch.abi" "$work/base/abi/orbweaver_sdk_torch.abi" ||
  fail "the record was renewed: $text"
version $((major + 1)) 0
guard renew orbweaver_sdk_torch
[ $status -eq 0 ] || fail "$text"
expect orbweaver_sdk_torch 0 "has the interface of SDK $((major + 1)).0"
cp "$work/base/include/orbweaver/version.h" "$work/sdk/include/orbweaver/"
expect orbweaver_sdk_torch 1 'versions do not go back'

# A type and a function that are new in the headers, and that nothing reaches.
fresh
change include/orbweaver/torch/representation.h 's/^struct TokenBatch {/struct Added {\n  int member;\n};\nORBWEAVER_API int added();\n&/'
expect orbweaver_sdk_torch 1 'does not see all of the SDK' 'sdk_torch.cpp: CROSSES(Added) CALLED(added)'
