#!/usr/bin/env bash
# reference.sh ROOT PROGRAM: whether docs/reference.md is what the program prints.
set -euo pipefail
unset ORBWEAVER_PLUGIN_PATH
if ! "$2" manual config | diff "$1/docs/reference.md" - >&2; then
  echo 'docs/reference.md is not what the program prints; renew it: orbweaver manual config > docs/reference.md' >&2
  exit 1
fi
