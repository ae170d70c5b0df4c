#!/usr/bin/env bash
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../rollback/scripts/lib.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/../rollback/scripts/lib.sh"

if is_help "${1-}"; then
  usage '[--fix-issues] [--export-report] [--verify-only] [--detailed] [flags of compose-rollback migrate validate]' \
    'Tells whether the project in the current directory is ready to move from Docker to Podman.' \
    'Ends with 0 when it is, with or without warnings, and with 3 when it is not.'
  exit 0
fi
run_compose_rollback migrate validate "$@"
