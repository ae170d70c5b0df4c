#!/usr/bin/env bash
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../rollback/scripts/lib.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/../rollback/scripts/lib.sh"

if is_help "${1-}"; then
  usage 'diagnose [flags of compose-rollback migrate recover]' \
    'Names what is wrong with the project in the current directory, and logs it to migration-recovery.log.'
  exit 0
fi
run_compose_rollback migrate recover "$@"
