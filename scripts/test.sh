#!/usr/bin/env bash
# All checks and tests: lint, formatting, types, dead code; unit, conformance and end-to-end tests on real engines.
#
#   scripts/test.sh                        everything: Docker and Podman in full, samples of what else they come as
#   scripts/test.sh --engine NAME          one of them, may be repeated: docker, docker-v1 (compose 1), docker-26, podman,
#                                          podman-compose, podman-rootless, podman-5
#   scripts/test.sh [vitest arguments]     e.g. scripts/test.sh --project unit, scripts/test.sh test/e2e/undo
#
# Installs what is missing, starts engines where none answers (Debian, root) and stops only what it started.
# The last line is: tests: N passed, N failed, N skipped. Exit code 0 means that everything passed.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ENGINES=(docker docker-v1 docker-26 podman podman-compose podman-rootless podman-5)
RESULTS=
WITHIN=() # what vitest is called by, where that is not this shell
STARTED_PODMAN=no
STARTED_NEWER=no

main() {
  local extra_failures=0 status=0 engines=()
  while [[ ${1:-} == --engine || ${1:-} == --engine=* ]]; do
    if [[ $1 == --engine ]]; then shift && engines+=("${1:-}"); else engines+=("${1#*=}"); fi
    shift || true
  done
  assert_engines ${engines[@]+"${engines[@]}"}
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

# vitest NAME ARGUMENT...
vitest() {
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

# summary N: what failed, with the first lines of why, and the counts of vitest's reports; N failures of ours (checks, build)
# and files that did not even load count.
summary() {
  # shellcheck disable=SC2016 # this is JavaScript
  node -e '
    const fs = require("node:fs");
    const path = require("node:path");
    const [folder, extra] = process.argv.slice(1);
    // Without where in the code that was; of a program that failed, what it said.
    const reason = (text = "") => text.trim().split(/\n\s+at /, 1)[0].split(/\n+/).slice(0, 12).join("\n    ").slice(0, 3000);
    const counts = { passed: 0, failed: Number(extra), skipped: 0 };
    const files = folder === "" ? [] : fs.readdirSync(folder);
    if (folder !== "" && files.length === 0) counts.failed += 1;
    for (const file of files) {
      const report = JSON.parse(fs.readFileSync(`${folder}/${file}`, "utf8"));
      counts.passed += report.numPassedTests;
      counts.failed += report.numFailedTests;
      counts.skipped += report.numPendingTests + report.numTodoTests;
      for (const suite of report.testResults.filter(({ status }) => status === "failed")) {
        const failed = suite.assertionResults.filter(({ status }) => status === "failed");
        if (failed.length === 0) counts.failed += 1;
        const names = failed.map(({ fullName, failureMessages }) => `${fullName}: ${reason(failureMessages[0])}`);
        if (failed.length === 0) names.push(`(did not run to its end): ${reason(suite.message)}`);
        for (const name of names) console.log(`failed: ${path.basename(file, ".json")}: ${suite.name.replace(/^.*\/(?=test\/)/, "")}: ${name}`);
      }
    }
    console.log(`tests: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  ' "$RESULTS" "$1"
}

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
