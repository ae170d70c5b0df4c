# Shared by the scripts beside it: finds the program. They act on the current directory, like the program itself.
# shellcheck shell=bash

# run_compose_rollback ARGUMENT...: replaces this script by the program, compose-rollback on PATH before the one built here.
run_compose_rollback() {
  if command -v compose-rollback >/dev/null 2>&1; then
    exec compose-rollback "$@"
  fi
  local here program
  here=$(cd -P -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd)
  program=$here/../../dist/main.js
  if [[ ! -f $program ]]; then
    echo "${0##*/}: compose-rollback is neither on PATH nor built in ${here%/rollback/scripts}" >&2
    echo "hint: npm install -g compose-rollback, or npm ci && npm run build there" >&2
    exit 2
  fi
  if ! command -v node >/dev/null 2>&1; then
    echo "${0##*/}: there is no node on PATH" >&2
    echo "hint: install Node.js 20.19 or newer" >&2
    exit 2
  fi
  exec node "$program" "$@"
}

# usage LINE...: how a script is called, for -h and for calls that lack something.
usage() {
  printf 'Usage: %s\n' "${0##*/} $1"
  shift
  if (($# > 0)); then printf '%s\n' '' "$@"; fi
}

is_help() {
  [[ ${1-} == -h || ${1-} == --help ]]
}
