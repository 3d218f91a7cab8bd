#!/usr/bin/env bash
# Builds the documentation's site by MkDocs, strictly: a link to a page that is not there stops it.
#
#   scripts/docs.sh [OUT]       the site goes to OUT, else to build/docs/site
#
# Status 2: there is no MkDocs with the theme Material.
set -euo pipefail
site=$(realpath -m "${1:-$(dirname "$0")/../build/docs/site}")
cd "$(dirname "$0")/.."

# What pages link to, in the layout that it has here. MkDocs wants its sources in a folder below that of mkdocs.yml.
source=build/docs/source
rm -rf "$source"
mkdir -p "$source/sdk"
root=$PWD
ln -s "$root/README.md" "$root/LICENSE" "$root/docs" "$root/configs" "$source"
ln -s "$root/sdk/include" "$root/sdk/examples" "$source/sdk"

status=0
log=$(command -v mkdocs >/dev/null && mkdocs build --strict --clean --site-dir "$site" 2>&1) || status=$?
if [ $status -eq 0 ]; then exit 0; fi
if [ -z "$log" ] || [[ $log == *'Unrecognised theme'* ]]; then
  echo 'docs.sh: MkDocs with its theme Material is not there; scripts/setup.sh --docs installs it' >&2
  exit 2
fi
echo "$log" >&2
exit 1
