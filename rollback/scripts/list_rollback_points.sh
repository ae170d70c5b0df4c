#!/usr/bin/env bash
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib.sh"

if is_help "${1-}"; then
  usage '[flags of compose-rollback list]' 'Lists the rollback points of the current directory, newest first.'
  exit 0
fi
run_compose_rollback list "$@"
