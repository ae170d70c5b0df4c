#!/usr/bin/env bash
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib.sh"

help() {
  usage '"Description" [--include-volumes] [flags of compose-rollback create]' \
    'Records what runs in the current directory as a rollback point.'
}

if is_help "${1-}"; then
  help
  exit 0
fi
if (($# == 0)); then
  help >&2
  exit 2
fi
options=()
if [[ $1 == --include-volumes ]]; then
  options+=("$1")
  shift
fi
# The first word is the description, whatever it looks like: behind "--" it cannot become an option.
description=("${@:1:1}")
run_compose_rollback create "${options[@]}" "${@:2}" -- "${description[@]}"
