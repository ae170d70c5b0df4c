#!/usr/bin/env bash
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib.sh"

if is_help "${1-}"; then
  usage '[--dry-run] [--auto-confirm] [flags of compose-rollback quick-rollback]' \
    'Brings the current directory back to its newest rollback point, after asking; with --auto-confirm it does not ask.'
  exit 0
fi
run_compose_rollback quick-rollback "$@"
