#!/usr/bin/env bash
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib.sh"

if is_help "${1-}"; then
  usage '<service-name> [image-tag] [flags of compose-rollback rollback-service]' \
    'Brings one service back to its image in the newest rollback point, or to another tag of its image, after asking.'
  exit 0
fi
run_compose_rollback rollback-service "$@"
