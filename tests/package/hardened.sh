#!/usr/bin/env bash
# What is installed was compiled and linked with the hardening of cmake/OrbweaverOptions.cmake.
source "$(dirname "$0")/common.sh"

count=0
for file in "$orbweaver" "$prefix"/lib*/liborbweaver*.so.*.* "$prefix"/lib*/orbweaver/plugins/*.so; do
  headers=$(readelf -lW "$file")
  dynamic=$(readelf -dW "$file")
  expect_in "$headers" GNU_RELRO
  grep -q 'GNU_STACK.* RW ' <<<"$headers" || fail "$file: the stack is executable"
  grep -qE 'BIND_NOW|Flags:.* NOW' <<<"$dynamic" || fail "$file: addresses are bound lazily and stay writable"
  ! grep -q TEXTREL <<<"$dynamic" || fail "$file: its code is changed when it is loaded"
  count=$((count + 1))
done
[ $count -gt 30 ] || fail "only $count files were looked at"
grep -q 'Type:.*DYN' <<<"$(readelf -hW "$orbweaver")" || fail "$orbweaver: always at the same address"

# The compiler puts these in where there is something to watch, which is not in every small plugin.
symbols=$(nm -D --undefined-only "$orbweaver" "$prefix"/lib*/liborbweaver*.so.*.* "$prefix"/lib*/orbweaver/plugins/*.so)
for symbol in __stack_chk_fail __memcpy_chk; do
  grep -q " $symbol" <<<"$symbols" || fail "nothing calls $symbol: no stack protector, or no fortified functions"
done
