#!/usr/bin/env bash
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../rollback/scripts/lib.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/../rollback/scripts/lib.sh"

if is_help "${1-}"; then
  usage '[--force] [--keep-data] [--verify-only] [flags of compose-rollback migrate rollback-to-docker]' \
    'Brings the project in the current directory back to Docker, with the files and images of its newest backup there.'
  exit 0
fi
run_compose_rollback migrate rollback-to-docker "$@"
