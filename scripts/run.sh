#!/bin/sh
# The project's commands: scripts/run.sh build|check|test|test:vm|sim|fuzz|demo|bench|… Each does the set-up that it needs by itself.
set -eu
. "$(dirname -- "$0")/setup.sh"
cd "$root"

# the day of the sources is the day of the build, where they know it
build() {
  if [ -z "${SOURCE_DATE_EPOCH:-}" ] && date=$(git log -1 --format=%ct 2>/dev/null); then
    export SOURCE_DATE_EPOCH="$date"
  fi
  node scripts/build.ts
}

check() {
  tsc -b
  vue-tsc -p web
  biome check --error-on-warnings .
  depcruise --config .dependency-cruiser.json src web/src
  knip
  node scripts/gen-docs.ts --check
  node scripts/audit.ts
}

# usage: tests PROJECT... [-- ARGUMENTS]: vitest, and its count in one plain line at the end
tests() {
  mkdir -p .cache
  status=0
  vitest run --reporter=default --reporter=json --outputFile.json=.cache/tests.json "$@" || status=$?
  node scripts/count-tests.ts .cache/tests.json
  return "$status"
}

command=$1
shift
case $command in
  setup) ;;
  build) build ;;
  check) check; tests --project unit ;;
  test)
    sh test/lab/install.sh
    sh test/web/install.sh
    build
    check
    tests --project unit --project system "$@"
    node test/sim/main.ts --seed 1
    ;;
  test:mutants) build; node test/mutants/main.ts "$@" ;;
  chaos) sh test/lab/install.sh; build; node test/chaos/main.ts "$@" ;;
  sim) node test/sim/main.ts "$@" ;;
  fuzz) node test/fuzz/main.ts "$@" ;;
  test:vm)
    sh test/vm/install.sh
    build
    tests --project vm "$@"
    ;;
  demo) build; node scripts/demo.ts "$@" ;;
  bench) sh test/lab/install.sh; build; node bench/main.ts "$@" ;;
  test:build) node scripts/compare-builds.ts ;;
  format) biome check --write . ;;
  docs) node scripts/gen-docs.ts ;;
  pictures) build; node scripts/pictures.ts; node scripts/web-pictures.ts ;;
  *) say "unknown command: $command"; exit 2 ;;
esac
