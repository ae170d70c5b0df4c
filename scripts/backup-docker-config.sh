#!/usr/bin/env bash
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../rollback/scripts/lib.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/../rollback/scripts/lib.sh"

if is_help "${1-}"; then
  usage '[--include-data] [--force] [--verify-only] [flags of compose-rollback migrate backup]' \
    'Records the project in the current directory, to come back to when a move to Podman fails; .docker-backup leads to it.'
  exit 0
fi
run_compose_rollback migrate backup "$@"
