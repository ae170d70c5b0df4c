#!/usr/bin/env bash
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib.sh"

if is_help "${1-}"; then
  usage '[rollback-id] [--dry-run] [flags of compose-rollback rollback]' \
    'Brings the current directory back to a rollback point, after asking; with --yes it does not ask.' \
    'Without an id it lets you choose.'
  exit 0
fi
run_compose_rollback rollback "$@"
