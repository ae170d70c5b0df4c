#!/usr/bin/env bash
# All checks and tests: lint, formatting, types, dead code; unit, conformance and end-to-end tests on real engines.
#
#   scripts/test.sh                        everything: Docker and Podman in full, samples of what else they come as
#   scripts/test.sh --engine NAME          one of them, may be repeated: docker, docker-v1 (compose 1), docker-26, podman,
#                                          podman-compose, podman-rootless, podman-5
#   scripts/test.sh [vitest arguments]     e.g. scripts/test.sh --project unit, scripts/test.sh test/e2e/undo
#
# Installs what is missing, starts engines where none answers (Debian, root) and stops only what it started.
# Before the last line, tests: N passed, N failed, N skipped, stands what failed, and what failed once and passed when it was run again
# (unsteady). Exit code 0 means that everything passed.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ENGINES=(docker docker-v1 docker-26 podman podman-compose podman-rootless podman-5)
RESULTS=
WITHIN=() # what vitest is called by, where that is not this shell
STARTED_PODMAN=no
STARTED_NEWER=no
WHOLE=no # no tests were chosen
MANY=10  # files that fail at once are no stumbles

main() {
  local extra_failures=0 status=0 engines=()
  while [[ ${1:-} == --engine || ${1:-} == --engine=* ]]; do
    if [[ $1 == --engine ]]; then shift && engines+=("${1:-}"); else engines+=("${1#*=}"); fi
    shift || true
  done
  assert_engines ${engines[@]+"${engines[@]}"}
  if (($# == 0)); then WHOLE=yes; fi
  if ((${#engines[@]} == 0 && $# == 0)); then engines=("${ENGINES[@]}"); fi
  trap finish EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  cd "$REPO"

  check_node
  say "test: dependencies"
  install_dependencies
  have git || install_debs git # points record the commit, and tests make commits
  { have zsh && have fish; } || install_debs zsh fish # completion is tested in the shells themselves
  have zstd || install_debs zstd # volume data is compressed with it where it is there
  { have mkfs.xfs && have setfattr && have setfacl; } || install_debs xfsprogs attr acl # what volumes are tested with
  have curl || install_debs curl # the deploy scripts in the documentation ask with it
  prepare_engine --test
  [[ -n $("$REPO/test/lab/podman.sh" env) ]] || STARTED_PODMAN=yes
  "$REPO/test/lab/podman.sh" up
  eval "$("$REPO/scripts/lab.sh" env)"
  eval "$("$REPO/test/lab/podman.sh" env)"

  say "test: types, lint, formatting, dead code"
  QUIET_TAIL=80 quiet "npm run check" npm run check || extra_failures=$((extra_failures + 1))
  say "test: build"
  if ! QUIET_TAIL=80 quiet "npm run build" npm run build; then
    summary 1 # what would be tested is not what is in src
    exit 1
  fi

  RESULTS=$(mktemp -d "${TMPDIR:-/tmp}/compose-rollback-tests.XXXXXX")
  if ((${#engines[@]} == 0)); then
    say "test: $*"
    vitest all "$@" || status=$?
  else
    local projects=() engine
    for engine in "${engines[@]}"; do
      case $engine in
        docker) projects+=(unit conformance e2e faults alone) ;;
        docker-v1 | podman | podman-compose) projects+=("$engine") ;;
      esac
    done
    say "test: ${engines[*]}"
    if ((${#projects[@]})); then vitest all "${projects[@]/#/--project=}" "$@" || status=$?; fi
    for engine in "${engines[@]}"; do
      case $engine in
        podman-rootless) rootless "$@" || status=$? ;;
        docker-26 | podman-5) newer "$engine" "$@" || status=$? ;;
      esac
    done
  fi
  summary "$extra_failures"
  if ((status == 0 && extra_failures > 0)); then status=1; fi
  exit "$status"
}

assert_engines() {
  local engine
  for engine in "$@"; do
    [[ " ${ENGINES[*]} " == *" $engine "* ]] || die "test.sh: there is no engine '$engine' (there are ${ENGINES[*]})"
  done
}

# vitest NAME ARGUMENT...: what fails in a whole run is run once more, one file after the other: engines stumble when much is asked of
# them at once. It is named either way. Tests without an engine get no second chance.
vitest() {
  local name=$1 status=0 files=() file
  shift
  vitest_once "$name" "$@" || status=$?
  if ((status == 0)) || [[ $WHOLE != yes || ! -e $RESULTS/$name.json ]]; then return "$status"; fi
  while read -r file; do files+=("$file"); done < <(node "$REPO/scripts/test-results.mjs" failed-files "$RESULTS" "$name")
  if ((${#files[@]} > MANY)) || [[ " ${files[*]}" == *" test/unit/"* ]]; then return "$status"; fi
  say "test: once more: ${files[*]}"
  ONE_AT_A_TIME=yes vitest_once "$name.again" "$@" "${files[@]}"
}

vitest_once() {
  local name=$1
  shift
  ${WITHIN[@]+"${WITHIN[@]}"} npx vitest run --reporter=default --reporter=json --outputFile.json="$RESULTS/$name.json" "$@"
}

# newer ENGINE ARGUMENT...: in the network where the published ports of its containers are.
newer() {
  local engine=$1 WITHIN=("$REPO/test/lab/newer.sh" run "$1")
  shift
  [[ -n $("$REPO/test/lab/newer.sh" env docker-26)$("$REPO/test/lab/newer.sh" env podman-5) ]] || STARTED_NEWER=yes
  "$REPO/test/lab/newer.sh" up "$engine" || return
  if [[ -z $("$REPO/test/lab/newer.sh" env "$engine") ]]; then return 0; fi
  vitest "$engine" "--project=$engine" "$@"
}

# What a user without root has is tested by a user without root, in a copy that is theirs.
rootless() {
  STARTED_PODMAN=yes
  "$REPO/test/lab/podman.sh" up rootless || return
  eval "$("$REPO/test/lab/podman.sh" env rootless)"
  if [[ -z ${PODMAN_ROOTLESS:-} ]]; then return 0; fi
  local copy=$LAB/podman-rootless/repo user
  user=$(stat -c %U "$LAB/podman-rootless/home")
  rm -rf "$copy"
  mkdir -p "$copy/tmp"
  cp -a "$REPO"/{compose.example.yaml,dist,node_modules,package.json,src,test,tsconfig.json,vitest.config.ts} "$copy"
  chown -R "$user:$user" "$copy" "$RESULTS"
  local WITHIN=("$REPO/test/lab/podman.sh" run)
  (cd "$copy" && TMPDIR=$copy/tmp vitest rootless --project=podman-rootless --project=rootless-move --project=rootless-rights "$@")
}

# summary N: what failed, and the counts; N failures of ours (checks, build) count.
summary() { node "$REPO/scripts/test-results.mjs" summary "$RESULTS" "$1"; }

# shellcheck disable=SC2317 # called by the trap
finish() {
  local status=$?
  trap - EXIT
  trap '' INT TERM
  if [[ -n $RESULTS ]]; then rm -rf "$RESULTS"; fi
  if [[ $STARTED_NEWER == yes ]]; then "$REPO/test/lab/newer.sh" down >&2 || true; fi
  if [[ $STARTED_PODMAN == yes ]]; then "$REPO/test/lab/podman.sh" down >&2 || true; fi
  release_engine >&2 || true
  exit "$status"
}

main "$@"
