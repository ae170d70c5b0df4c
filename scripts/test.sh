#!/usr/bin/env bash
# All checks and tests: lint, formatting, types, dead code; unit, conformance and end-to-end tests on a real engine.
#
#   scripts/test.sh [vitest arguments]     e.g. scripts/test.sh --project unit, scripts/test.sh test/e2e/undo
#
# Installs what is missing, starts an engine if none answers (Debian, root) and stops only what it started.
# The last line is: tests: N passed, N failed, N skipped. Exit code 0 means that everything passed.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

RESULTS=
STARTED_PODMAN=no

main() {
  local extra_failures=0 status=0
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

  say "test: unit, conformance, e2e"
  RESULTS=$(mktemp "${TMPDIR:-/tmp}/compose-rollback-tests.XXXXXX")
  npx vitest run --reporter=default --reporter=json --outputFile.json="$RESULTS" "$@" || status=$?
  summary "$extra_failures"
  if ((status == 0 && extra_failures > 0)); then status=1; fi
  exit "$status"
}

# summary N: the counts of vitest's report; N failures of ours (checks, build) and files that did not even load count.
summary() {
  # shellcheck disable=SC2016 # this is JavaScript
  node -e '
    const fs = require("node:fs");
    const [file, extra] = process.argv.slice(1);
    let counts = { passed: 0, failed: Number(extra), skipped: 0 };
    let report;
    try { report = JSON.parse(fs.readFileSync(file, "utf8")); } catch { report = undefined; }
    if (report) {
      counts.passed = report.numPassedTests;
      counts.failed += report.numFailedTests;
      counts.skipped = report.numPendingTests + report.numTodoTests;
      const broken = report.testResults.filter((suite) => suite.status === "failed" && !suite.assertionResults.some((test) => test.status === "failed"));
      counts.failed += broken.length;
    } else if (file !== "") {
      counts.failed += 1;
    }
    console.log(`tests: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  ' "$RESULTS" "$1"
}

# shellcheck disable=SC2317 # called by the trap
finish() {
  local status=$?
  trap - EXIT
  trap '' INT TERM
  if [[ -n $RESULTS ]]; then rm -f "$RESULTS"; fi
  if [[ $STARTED_PODMAN == yes ]]; then "$REPO/test/lab/podman.sh" down >&2 || true; fi
  release_engine >&2 || true
  exit "$status"
}

main "$@"
