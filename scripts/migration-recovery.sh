#!/usr/bin/env bash
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../rollback/scripts/lib.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/../rollback/scripts/lib.sh"

if is_help "${1-}"; then
  usage 'SCENARIO [flags of compose-rollback migrate recover]' \
    'SCENARIO: failed-build, failed-startup, network-issues, volume-issues, permission-issues, or diagnose, which only names what is wrong with the project in the current directory. Logs to migration-recovery.log.'
  exit 0
fi
run_compose_rollback migrate recover "$@"
