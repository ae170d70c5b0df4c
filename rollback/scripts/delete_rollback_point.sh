#!/usr/bin/env bash
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib.sh"

if is_help "${1-}"; then
  usage '<rollback-id>... [flags of compose-rollback delete]' 'Deletes rollback points, after asking; with --yes it does not ask.'
  exit 0
fi
run_compose_rollback delete "$@"
