#!/usr/bin/env bash
# Shows the main job on the example stack: make a point, ship a broken release over the same tag, get the old one back.
#
#   scripts/demo.sh              everything, and cleans up after itself
#   scripts/demo.sh --keep       leaves the stack running and says how to look at it
#   scripts/demo.sh --clean DIR  cleans up what --keep left
#
# Needs Node and either a Docker engine that answers or Debian as root. Works in a copy of the example, under a project
# name of its own: neither this checkout nor an example stack of yours is touched.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

PREFIX=compose-rollback-demo
STACK=      # the folder with the copy of the example
PROJECT=    # its compose project name
KEEP=no
ENGINE=none

main() {
  case ${1:-} in
    '') ;;
    --keep) KEEP=yes ;;
    --clean)
      clean "${2:-}"
      return
      ;;
    *)
      say "usage: scripts/demo.sh [--keep] | --clean DIR"
      exit 2
      ;;
  esac
  exec 2>&1 # one stream, in order: what the demo tells and what the commands it shows print
  trap finish EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM

  step "The project: dependencies and build"
  check_node
  install_dependencies
  quiet "npm run build" npm --prefix "$REPO" run build || die "the project does not build"

  step "The engine and the images"
  # shellcheck disable=SC2119 # this script's arguments are not its
  prepare_engine

  step "The example stack: Redis, an API that needs it, Prometheus, Grafana"
  copy_example
  build_api "building the API"
  compose_quietly "starting the stack" up --detach --no-build --wait --wait-timeout 120
  compose ps --format '{{.Service}}: {{.Status}}' | indent
  show_health

  step "A rollback point, before the deployment"
  rollback create "Before v2.0 deployment"

  step "Version 2.0 is shipped over the same image tag, and is broken"
  build_api "building 2.0" --build-arg ENTRY=broken.js --build-arg VERSION=2.0.0
  compose_quietly "deploying 2.0" up --detach --no-build api
  until_true 30 api_answers || die "the broken version does not answer at all"
  show_health
  [[ $(api_status) == 500 ]] || die "the broken version was meant to answer 500"

  step "Quick rollback"
  rollback quick-rollback --auto-confirm

  step "Version 1.0 is back"
  show_health
  [[ $(api_status) == 200 ]] || die "the API is not healthy after the rollback"
  rollback list

  say ''
  say "The demo took $SECONDS s, installation and build included."
  if [[ $KEEP == yes ]]; then how_to_look; else say "Cleaning up."; fi
}

# ---------------------------------------------------------------- steps

STEP=0
step() {
  STEP=$((STEP + 1))
  printf '\n[%d/7] %s\n' "$STEP" "$1"
}

indent() { sed 's/^/  /'; }

# A copy under another name: the example's own project, image and ports stay free for the user.
copy_example() {
  STACK=$(mktemp -d "${TMPDIR:-/tmp}/$PREFIX.XXXXXX")
  STACK=$(cd "$STACK" && pwd -P)
  PROJECT=$PREFIX-$(printf '%s' "${STACK##*.}" | tr '[:upper:]' '[:lower:]')
  mkdir "$STACK/rollback"
  cp -R "$REPO/rollback/example" "$STACK/rollback/example"
  sed "s/compose-rollback-example/$PROJECT/" "$REPO/compose.example.yaml" >"$STACK/compose.yaml"
  free_ports API_PORT=8000 PROMETHEUS_PORT=9090 GRAFANA_PORT=3000 >"$STACK/.env"
}

# free_ports NAME=WANTED...: the wanted port where it is free, else one the system picks.
free_ports() {
  # shellcheck disable=SC2016 # this is JavaScript
  node -e '
    const net = require("node:net");
    const listen = (port) => new Promise((resolve) => {
      const server = net.createServer();
      server.on("error", () => resolve(undefined));
      server.listen(port, "127.0.0.1", () => resolve(server));
    });
    (async () => {
      const open = [];
      for (const [name, wanted] of process.argv.slice(1).map((argument) => argument.split("="))) {
        const server = (await listen(Number(wanted))) ?? (await listen(0));
        open.push(server);
        console.log(`${name}=${server.address().port}`);
      }
      open.forEach((server) => server.close());
    })();
  ' "$@"
}

compose() { (cd "$STACK" && docker compose "$@"); }
compose_quietly() {
  local what=$1
  shift
  quiet "$what" compose "$@" || die "$what failed"
}

# Whatever is built is written down: once its tag has moved on, nothing else tells that an image is the demo's.
build_api() {
  local what=$1
  shift
  compose_quietly "$what" build "$@" api
  docker image inspect --format '{{.Id}}' "$PROJECT-api:latest" >>"$STACK/.demo-images"
}

# What a user would type as `compose-rollback …` in the project's folder.
rollback() {
  say "  \$ compose-rollback $(quoted "$@")"
  (cd "$STACK" && node "$REPO/dist/main.js" "$@") 2>&1 | indent
}

quoted() {
  local word line=
  for word in "$@"; do
    case $word in
      *' '*) line="$line \"$word\"" ;;
      *) line="$line $word" ;;
    esac
  done
  printf '%s' "${line# }"
}

# ---------------------------------------------------------------- asking the API

api_url() { printf 'http://127.0.0.1:%s/health' "$(sed -n 's/^API_PORT=//p' "$STACK/.env")"; }

# api_get FIELD: status, or line for people to read. Asked with Node: a fresh machine may have no curl.
api_get() {
  # shellcheck disable=SC2016 # this is JavaScript
  node -e '
    fetch(process.argv[1], { signal: AbortSignal.timeout(3000) }).then(async (response) => {
      const body = (await response.text()).trim();
      console.log(process.argv[2] === "status" ? response.status : `HTTP ${response.status} ${response.statusText}  ${body}`);
    }).catch(() => process.exit(1));
  ' "$(api_url)" "$1"
}

api_status() { api_get status; }
api_answers() { api_status >/dev/null; }
show_health() { say "  GET $(api_url): $(api_get line || printf 'no answer')"; }

# ---------------------------------------------------------------- cleaning up

how_to_look() {
  say "The demo's stack is left running in $STACK. To look at it:"
  say ''
  if [[ -n $("$REPO/scripts/lab.sh" env) ]]; then say "  eval \"\$($REPO/scripts/lab.sh env)\""; fi
  say "  cd $STACK"
  say "  docker compose ps; node $REPO/dist/main.js list; curl -i $(api_url)"
  say ''
  say "To clean up: $REPO/scripts/demo.sh --clean $STACK"
  if [[ $ENGINE == lab ]]; then say "and then:    $REPO/scripts/lab.sh down [--purge]"; fi
}

clean() {
  STACK=${1%/}
  [[ -n $STACK && -f $STACK/compose.yaml ]] || die "--clean wants the folder that demo.sh --keep named"
  PROJECT=$(sed -n 's/^name: *//p' "$STACK/compose.yaml")
  [[ $PROJECT == "$PREFIX"-* ]] || die "$STACK is not a folder of the demo's"
  choose_engine
  if [[ $ENGINE != none ]]; then remove_stack; fi
  rm -rf "$STACK"
  say "cleaned up $STACK"
}

# Points first: deleting a point removes the tags that kept its images. (Should that fail, they have its id in them.)
remove_stack() {
  local points=() point image
  while IFS= read -r point; do points+=("$point"); done < <(list_points)
  if ((${#points[@]})); then
    (cd "$STACK" && quiet "deleting the demo's points" node "$REPO/dist/main.js" delete "${points[@]}" --yes) || true
    for point in "${points[@]}"; do
      for image in $(docker image ls --filter "reference=*/*:$point*" --format '{{.Repository}}:{{.Tag}}'); do
        quiet "removing $image" docker image rm "$image" || true
      done
    done
  fi
  quiet "removing the stack" compose down --volumes --remove-orphans --timeout 5 || true
  if [[ -r $STACK/.demo-images ]]; then
    sort -u "$STACK/.demo-images" | while IFS= read -r image; do
      # It may be gone already: what deleting the points untagged was the last of it.
      if docker image inspect "$image" >/dev/null 2>&1; then
        quiet "removing image $image" docker image rm --force "$image" || true
      fi
    done
  fi
}

list_points() {
  local dir
  for dir in "$STACK"/rollback/backups/rb-*/; do
    if [[ -d $dir ]]; then basename "$dir"; fi
  done
}

# shellcheck disable=SC2317 # called by the trap
finish() {
  local status=$?
  trap - EXIT
  trap '' INT TERM # cleaning up is short; a second Ctrl-C would only leave things behind
  case $status in
    0) ;;
    130 | 143) say "Interrupted; cleaning up." ;;
    *)
      say ''
      say "The demo failed (exit $status); cleaning up."
      if [[ -n $STACK && $ENGINE != none ]]; then
        say "The API's last words:"
        compose --ansi never logs --no-color --no-log-prefix --tail 10 api 2>&1 | indent || true
      fi
      ;;
  esac
  if [[ $KEEP == yes && $status == 0 ]]; then exit 0; fi
  if [[ -n $STACK ]]; then
    remove_stack
    rm -rf "$STACK"
  fi
  release_engine
  exit "$status"
}

main "$@"
