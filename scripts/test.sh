#!/usr/bin/env bash
# The checks and the tests, on real engines.
#
#   scripts/test.sh                       checks, all tests that need no engine, and a smoke set on one engine
#   scripts/test.sh --engine NAME         the same, and one engine in full; may be repeated
#   scripts/test.sh --all                 the whole matrix
#   scripts/test.sh [vitest arguments]    chosen tests, e.g. scripts/test.sh --project docker test/e2e/hooks
#
# Engines: docker (today's), docker-v1 (compose 1), docker-20 (the oldest supported), docker-26, docker-26-classic,
#          podman (today's), podman-compose, podman-rootless, podman-4, podman-5
# KEEP_FAILED=1 keeps the stack of a test that failed, and prints where it is.
#
# Installs what is missing, starts engines where none answers (Debian, root), and stops only what it started. Prints the
# slowest files and tests, what failed, and what failed once and passed when it was repeated (flaky).
# The last line is: tests: N passed, N failed, N skipped. Exit code 0 means that everything passed.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ENGINES=(docker docker-v1 docker-20 docker-26 docker-26-classic podman podman-compose podman-rootless podman-4 podman-5)
RESULTS=
FAILED_CHECKS=0
STATUS=0
STARTED_ENGINES=no

main() {
  local engines=() engine
  while (($#)); do
    case $1 in
      --engine) shift && engines+=("${1:-}") ;;
      --engine=*) engines+=("${1#*=}") ;;
      --all) engines=("${ENGINES[@]}") ;;
      *) break ;;
    esac
    shift || true
  done
  assert_engines ${engines[@]+"${engines[@]}"}
  trap finish EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  cd "$REPO"

  phase "dependencies"
  check_node
  install_dependencies
  install_test_programs
  phase "engines"
  prepare_engine --test
  start_engine podman
  eval "$("$REPO/scripts/lab.sh" env)"
  eval "$("$REPO/test/lab/engines.sh" env podman)"
  print_versions
  RESULTS=$(mktemp -d "${TMPDIR:-/tmp}/compose-rollback-tests.XXXXXX")

  phase "build, types, lint, formatting, dead code, package"
  if ! QUIET_TAIL=80 quiet "npm run build" npm run build; then
    FAILED_CHECKS=1 # the tests would test an older build
    STATUS=1
    summary
    exit 1
  fi
  QUIET_TAIL=80 quiet "npm run check" npm run check || failed_check
  QUIET_TAIL=80 quiet "npm run check:package" npm run check:package || failed_check

  if (($#)); then
    phase "tests: $*"
    vitest chosen "$@"
  else
    phase "tests without an engine"
    NO_SKIPS=yes vitest no-engine --project unit --project contract
    phase "smoke tests on Docker"
    vitest smoke --project smoke
    for engine in ${engines[@]+"${engines[@]}"}; do
      phase "tests on $engine"
      test_engine "$engine"
    done
  fi
  phase ''
  check_time
  summary
  exit "$STATUS"
}

assert_engines() {
  local engine
  for engine in "$@"; do
    [[ " ${ENGINES[*]} " == *" $engine "* ]] || die "test.sh: there is no engine '$engine' (there are ${ENGINES[*]})"
  done
}

failed_check() {
  FAILED_CHECKS=$((FAILED_CHECKS + 1))
  STATUS=1
}

# phase WHAT: prints how long the phase before took, and begins the next one.
PHASE=
PHASE_START=0
phase() {
  if [[ -n $PHASE ]]; then say "test: $PHASE took $((SECONDS - PHASE_START)) s"; fi
  PHASE=$1
  PHASE_START=$SECONDS
  if [[ -n $PHASE ]]; then say "test: $PHASE"; fi
}

# TEST_WARN_AFTER and TEST_FAIL_AFTER: seconds that the whole run may take.
check_time() {
  say "test: everything took $((SECONDS / 60)) min $((SECONDS % 60)) s"
  if ((SECONDS > ${TEST_FAIL_AFTER:-SECONDS})); then
    say "test: that is more than the limit of $((TEST_FAIL_AFTER / 60)) minutes"
    failed_check
  elif ((SECONDS > ${TEST_WARN_AFTER:-SECONDS})); then
    warn "the tests took more than $((TEST_WARN_AFTER / 60)) minutes"
  fi
}

install_test_programs() {
  have git || install_debs git # points record the commit, and tests make commits
  { have zsh && have fish; } || install_debs zsh fish # completion is tested in the shells themselves
  have zstd || install_debs zstd # compresses volume data
  { have mkfs.xfs && have setfattr && have setfacl; } || install_debs xfsprogs attr acl # file systems and attributes of volumes
  have curl || install_debs curl # the deploy scripts in the documentation use it
}

# ---------------------------------------------------------------- engines

start_engine() {
  STARTED_ENGINES=yes
  "$REPO/test/lab/engines.sh" up "$1"
}

print_versions() {
  say "test: Docker $(docker version --format '{{.Server.Version}}'), docker compose $(docker compose version --short)"
  say "test: $("$REPO/test/lab/engines.sh" version podman)"
}

test_engine() {
  local engine=$1
  case $engine in
    docker) vitest docker --project docker --project alone ;;
    podman | podman-compose) vitest "$engine" --project "$engine" ;;
    podman-rootless) test_rootless ;;
    docker-v1) test_apart docker-20 docker-v1 ;;
    *) test_apart "$engine" "$engine" ;;
  esac
}

# test_apart ENGINE PROJECT: tests on an engine that has namespaces of its own.
test_apart() {
  start_engine "$1" || { failed_check && return; }
  [[ -n $("$REPO/test/lab/engines.sh" env "$1") ]] || return 0
  say "test: $("$REPO/test/lab/engines.sh" version "$1")"
  WITHIN=("$REPO/test/lab/engines.sh" run "$1")
  vitest "$2" --project "$2"
  WITHIN=()
}

# A user without root runs the tests of what such a user has, in a copy of the checkout that is theirs.
test_rootless() {
  start_engine podman-rootless || { failed_check && return; }
  [[ -n $("$REPO/test/lab/engines.sh" env podman-rootless) ]] || return 0
  local home=$LAB/engines/podman-rootless copy user
  copy=$home/repo
  user=$(stat -c %U "$home/home")
  rm -rf "$copy"
  mkdir -p "$copy/tmp"
  cp -a "$REPO"/{compose.example.yaml,dist,node_modules,package.json,scripts,src,test,tsconfig.json,vitest.config.ts} "$copy"
  chown -R "$user:$user" "$copy" "$RESULTS"
  WITHIN=("$REPO/test/lab/engines.sh" run podman-rootless)
  pushd "$copy" >/dev/null
  TMPDIR=$copy/tmp vitest podman-rootless --project podman-rootless --project rootless-move --project rootless-rights
  popd >/dev/null
  WITHIN=()
}

# ---------------------------------------------------------------- vitest

WITHIN=() # calls vitest, when it is not this shell that does

# vitest NAME ARGUMENT...: runs tests; a failure is kept in STATUS, so that the other engines are tested too.
vitest() {
  local name=$1
  shift
  TEST_RESULT=$RESULTS/$name.json ${WITHIN[@]+"${WITHIN[@]}"} \
    npx vitest run --reporter=default --reporter="./scripts/test-reporter.mjs" "$@" || STATUS=1
  # A run that ended before its report is a failure that no report counts.
  [[ -s $RESULTS/$name.json ]] || failed_check
}

summary() { node "$REPO/scripts/test-summary.mjs" "$RESULTS" "$FAILED_CHECKS"; }

# shellcheck disable=SC2317 # called by the trap
finish() {
  local status=$?
  trap - EXIT
  trap '' INT TERM
  if [[ -n $RESULTS ]]; then rm -rf "$RESULTS"; fi
  if [[ -z ${KEEP_FAILED:-} ]]; then
    if [[ $STARTED_ENGINES == yes ]]; then "$REPO/test/lab/engines.sh" down >&2 || true; fi
    release_engine >&2 || true
  fi
  exit "$status"
}

main "$@"
