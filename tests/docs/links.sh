#!/usr/bin/env bash
# links.sh ROOT: whether what the pages of ROOT (README.md, docs/, sdk/) link to is there, files and headings. ROOT is the
# source tree or share/doc/orbweaver of an installation. Links elsewhere (https:) are not looked at.
#
# A link has to lead somewhere on a forge, in the site and in an installation, so
# - it is relative, and stays within what all three have: README.md, LICENSE, docs, configs, sdk/include, sdk/examples
# - it names a file; a folder has no page in the site
# - a heading's anchor is one that forges and MkDocs make alike. They differ where blanks and hyphens meet ("a - b") and
#   where headings are alike.
#
# Without ROOT the script shows on pages of its own that it finds what it has to.
set -euo pipefail
shopt -s inherit_errexit

# check ROOT: prints a line for each fault.
check() (
  cd "$1"
  places=()
  for place in README.md LICENSE docs configs sdk/include sdk/examples; do [ ! -e "$place" ] || places+=("$place"); done
  # -L: some of them are links in an installation.
  files=$(find -L "${places[@]}" -type f | sort)
  mapfile -t pages < <(grep '\.md$' <<<"$files")
  [ ${#pages[@]} -gt 0 ] || { echo "$1: no pages"; return; }
  # Pages twice: headings first, then links.
  LC_ALL=C awk '
    function heading(text, page,    forge, site) {
      sub(/^#+ +/, "", text)
      while (match(text, /\]\([^)]*\)/)) text = substr(text, 1, RSTART - 1) substr(text, RSTART + RLENGTH)
      text = tolower(text)
      gsub(/[^a-z0-9_ -]/, "", text)
      forge = text
      gsub(/ /, "-", forge)
      site = text
      gsub(/[ -]+/, "-", site)
      if (forge == site && !((page, forge) in anchors)) anchors[page, forge] = 1
      else anchors[page, forge] = anchors[page, site] = 2
    }
    function normal(path,    parts, count, kept, i, out) {
      count = split(path, parts, "/")
      kept = 0
      for (i = 1; i <= count; ++i) {
        if (parts[i] == "" || parts[i] == ".") continue
        if (parts[i] == ".." && kept > 0 && stack[kept] != "..") --kept
        else stack[++kept] = parts[i]
      }
      out = ""
      for (i = 1; i <= kept; ++i) out = out (i > 1 ? "/" : "") stack[i]
      return out
    }
    function fault(what) { print FILENAME ":" FNR ": " what }
    function link(target,    path, anchor) {
      sub(/ .*/, "", target)  # a title
      if (target ~ /^[a-z]+:/) return
      anchor = ""
      if (match(target, /#/)) {
        anchor = substr(target, RSTART + 1)
        target = substr(target, 1, RSTART - 1)
      }
      path = FILENAME
      if (target ~ /^\//) return fault("\"" target "\": is absolute, expected a relative link")
      if (target != "") {
        sub(/[^\/]*$/, "", path)
        path = normal(path target)
      }
      if (path !~ /^(README\.md|LICENSE|docs\/.*|configs\/.*|sdk\/include\/.*|sdk\/examples\/.*)$/)
        return fault("\"" target "\": leads to " path ", which the site and an installation do not have")
      if (!(path in exists)) return fault("\"" target "\": there is no file " path)
      if (anchor == "") return
      if (!((path, anchor) in anchors)) return fault("\"#" anchor "\": " path " has no such heading")
      if (anchors[path, anchor] == 2)
        return fault("\"#" anchor "\": forges and MkDocs name this heading of " path " differently; word it otherwise")
    }
    FILENAME == "-" { exists[$0]; next }
    FNR == 1 { fenced = 0; ++seen[FILENAME] }
    /^ *```/ { fenced = !fenced; next }
    fenced { next }
    seen[FILENAME] == 1 { if (/^#+ /) heading($0, FILENAME); next }
    {
      gsub(/`[^`]*`/, "")
      if (match($0, /^ *\[[^]]+\]: +[^ ]+/)) {
        rest = substr($0, RSTART, RLENGTH)
        sub(/^[^:]*: +/, "", rest)
        link(rest)
      }
      while (match($0, /\]\([^)]+\)/)) {
        rest = substr($0, RSTART + 2, RLENGTH - 3)
        $0 = substr($0, RSTART + RLENGTH)
        link(rest)
      }
      while (match($0, /(href|src)="[^"]+"/)) {
        rest = substr($0, RSTART, RLENGTH - 1)
        $0 = substr($0, RSTART + RLENGTH)
        sub(/^[^"]*"/, "", rest)
        link(rest)
      }
    }' - "${pages[@]}" "${pages[@]}" <<<"$files"
  # The site shows the pages that its navigation names.
  [ -e mkdocs.yml ] || return 0
  for page in "${pages[@]}"; do
    grep -q ": $page\$" mkdocs.yml || echo "mkdocs.yml: its nav does not name $page"
  done
)

# expect PART TEXT...: a page with that text has a fault with that part, or none where PART is empty.
expect() {
  local part=$1 text
  shift
  printf '%s\n' "$@" >"$folder/docs/page.md"
  text=$(check "$folder")
  if [ -z "$part" ]; then
    [ -z "$text" ] || { echo "FAILED: \"$*\" is right, but: $text" >&2; exit 1; }
  elif [[ $text != *"$part"* ]] || [ "$(wc -l <<<"$text")" -ne 1 ]; then
    echo "FAILED: \"$*\" has a fault with \"$part\", but the check says: $text" >&2
    exit 1
  fi
}

if [ $# -eq 0 ]; then
  folder=$(mktemp -d)
  trap 'rm -r "$folder"' EXIT
  mkdir -p "$folder"/{docs/methods,sdk/include/orbweaver,framework}
  touch "$folder"/{framework/code.h,sdk/include/orbweaver/scene.h}
  printf '# A page\n\n## What it is, `here`\n\n## In / out\n\n## Twice\n\n## Twice\n\n```\n# code\n```\n' >"$folder/docs/other.md"
  printf '# Read me\n\n[docs](docs/other.md)\n' >"$folder/README.md"
  expect '' '# Own' '[a](other.md) [b](other.md#what-it-is-here) [c](../README.md#read-me) [d](#own)' \
    '![e](../sdk/include/orbweaver/scene.h) [f](https://example.org/none.md) `[g](none.md)`' '```' '[h](none.md)' '```'
  expect 'docs/page.md:2: "none.md": there is no file docs/none.md' '# Page' '[a](none.md)'
  expect 'there is no file docs/methods/other.md' '![a](methods/other.md "title")'
  expect 'there is no file docs/none.png' '<img src="none.png">'
  expect 'there is no file docs/none.md' '[a]: none.md'
  expect '"#none": docs/other.md has no such heading' '[a](other.md#none)'
  expect '"#none": docs/page.md has no such heading' '[a](#none)'
  expect '"#code": docs/other.md has no such heading' '[a](other.md#code)'
  expect 'name this heading of docs/other.md differently' '[a](other.md#in--out)'
  expect 'name this heading of docs/other.md differently' '[a](other.md#twice)'
  expect '"methods": there is no file docs/methods' '[a](methods)'
  expect 'leads to framework/code.h' '[a](../framework/code.h)'
  expect 'leads to ../elsewhere.md' '[a](../../elsewhere.md)'
  expect 'is absolute' '[a](/docs/other.md)'
  rm "$folder/docs/page.md"
  printf 'nav:\n  - A: README.md\n' >"$folder/mkdocs.yml"
  [ "$(check "$folder")" = 'mkdocs.yml: its nav does not name docs/other.md' ] || { echo 'FAILED: the nav' >&2; exit 1; }
  exit 0
fi

faults=$(check "$1")
if [ -n "$faults" ]; then
  echo "$faults" >&2
  exit 1
fi
