#!/bin/sh
# Makes a fresh clone ready: a Node that is new enough, and the npm packages. Does again only what changed.
# Sourced by scripts/run.sh: leaves PATH so that `node` and the packages' commands are the right ones.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
stamps=$root/node_modules/.hakuriver

say() { printf '%s\n' "$*" >&2; }

# 24.15 is the first with node:sqlite as release candidate.
node_is_new_enough() {
  "$1" -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 24 || (a === 24 && b >= 15) ? 0 : 1)' 2>/dev/null
}

find_node() {
  for candidate in node "$root"/tools/node/node_modules/node-linux-*/bin/node; do
    if command -v "$candidate" >/dev/null 2>&1 && node_is_new_enough "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
}

use_node() {
  node=$(find_node)
  if [ -z "$node" ]; then
    say "This machine's Node is older than 24.15: fetching one for this folder …"
    (cd "$root/tools/node" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
    node=$(find_node)
  fi
  if [ -z "$node" ]; then
    say "There is no Node 24.15 or newer for this machine from npm; install one from your system's packages."
    exit 1
  fi
  PATH=$(dirname -- "$node"):$root/node_modules/.bin:$PATH
  export PATH
}

# usage: once STAMP FILE... -- COMMAND...: runs the command unless it succeeded before with the same files
once() {
  stamp=$stamps/$1
  shift
  files=
  while [ "$1" != -- ]; do files="$files $1"; shift; done
  shift
  # shellcheck disable=SC2086 # the list of files is made of our own names
  sum=$(cd "$root" && cat $files | sha256sum)
  if [ "$(cat "$stamp" 2>/dev/null)" = "$sum" ]; then return; fi
  (cd "$root" && "$@")
  mkdir -p "$stamps"
  printf '%s\n' "$sum" > "$stamp"
}

use_node
once packages package.json package-lock.json -- npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
