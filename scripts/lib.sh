# shellcheck shell=bash disable=SC2034 # the scripts that source this use the variables
# What the scripts share: messages, the lab's places, the choice of an engine, Debian packages without installing them.
# Sourced, never run. Written for the bash 3.2 of a Mac as well: a laptop where Docker runs needs nothing of Debian.

if [[ -z ${REPO:-} ]]; then
  REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
fi

# ---------------------------------------------------------------- messages

say() { printf '%s\n' "$*" >&2; }
warn() { printf 'warning: %s\n' "$*" >&2; }
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# quiet WHAT COMMAND...: hides the command's output, unless it fails: then its end is what one needs to see.
quiet() {
  local what=$1 output status=0
  shift
  output=$("$@" 2>&1 </dev/null) || status=$?
  if ((status != 0)); then
    printf 'error: %s failed (exit %d); its last lines:\n' "$what" "$status" >&2
    tail -n "${QUIET_TAIL:-25}" <<<"$output" | sed 's/^/  | /' >&2
  fi
  return "$status"
}

# until_true SECONDS COMMAND...: polls a condition; the only kind of waiting these scripts do.
until_true() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

have() { command -v "$1" >/dev/null 2>&1; }

# ---------------------------------------------------------------- the lab's places

if [[ -n ${COMPOSE_ROLLBACK_LAB:-} ]]; then
  LAB=$COMPOSE_ROLLBACK_LAB
  LAB_RUN=$LAB/run
elif ((EUID == 0)); then
  LAB=/var/lib/compose-rollback-lab
  LAB_RUN=/run/compose-rollback-lab
else
  # Not root: no engine of ours can run, but the compose plug-in and the tests' programs can still be unpacked.
  LAB=${XDG_CACHE_HOME:-$HOME/.cache}/compose-rollback-lab
  LAB_RUN=$LAB/run
fi
LAB_ROOT=$LAB/root        # programs of Debian packages that are not engines
LAB_CONFIG=$LAB/config    # the lab's DOCKER_CONFIG: the user's own is never touched
LAB_BIN=$LAB/bin          # a docker client, on machines that have none
LAB_SOCKET=$LAB_RUN/docker.sock
LAB_PID=$LAB_RUN/dockerd.pid
LAB_HOST=unix://$LAB_SOCKET

# What compose files name: those of the example stack, and those that only tests use.
STACK_IMAGES=(redis:7-alpine prom/prometheus:latest grafana/grafana:latest node:20-alpine)
TEST_IMAGES=(postgres:15-alpine busybox:latest)
LAB_IMAGES=("${STACK_IMAGES[@]}" "${TEST_IMAGES[@]}")

if [[ -x $LAB_BIN/docker ]] && ! have docker; then
  PATH=$PATH:$LAB_BIN
fi

# ---------------------------------------------------------------- the project itself

check_node() {
  { have node && have npm; } || die "Node 20.19 or newer is needed, with npm: there is none on the PATH"
  node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
    die "Node 20.19 or newer is needed: this is $(node --version)"
}

# Installs the dependencies, once for each lock file and Node: a second run of a script should not wait for it again.
install_dependencies() {
  local stamp=$REPO/node_modules/.compose-rollback-installed wanted
  wanted="$(cksum <"$REPO/package-lock.json") $(node --version)"
  if [[ -r $stamp && $(<"$stamp") == "$wanted" ]]; then return 0; fi
  # Where Node's own headers are installed, a native module is compiled without downloading them.
  local prefix
  prefix=$(node -p 'require("node:path").resolve(process.execPath, "../..")')
  if [[ -e $prefix/include/node/node.h ]]; then export npm_config_nodedir=$prefix; fi
  if ! can_compile; then
    # Enough where a prebuilt better-sqlite3 can be downloaded, which is most places.
    if npm_ci >/dev/null 2>&1; then
      printf '%s\n' "$wanted" >"$stamp"
      return 0
    fi
    install_compiler
  fi
  quiet "npm ci" npm_ci || die "the project's dependencies cannot be installed"
  printf '%s\n' "$wanted" >"$stamp"
}

npm_ci() { (cd "$REPO" && npm ci --no-fund --no-audit </dev/null); }

can_compile() { have make && have g++ && have python3; }

install_compiler() {
  { is_debian && ((EUID == 0)); } ||
    die "npm ci failed, perhaps for want of a compiler (better-sqlite3 is compiled where no prebuilt one can be had): install make, g++ and python3"
  say "installing make, g++ and python3: better-sqlite3 has to be compiled here"
  install_debs make g++ python3 libc6-dev
}

# What the project itself needs is installed the ordinary way; what only the lab needs is unpacked (below).
install_debs() {
  { is_debian && ((EUID == 0)); } || die "missing on this machine: $*"
  quiet "apt-get update" apt-get -qq update || true
  quiet "installing $*" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" ||
    die "missing and cannot be installed: $*"
}

# ---------------------------------------------------------------- which engine

engine_answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

lab_answers() { [[ -S $LAB_SOCKET ]] && DOCKER_HOST=$LAB_HOST engine_answers; }

# choose_engine: points this shell at the engine to use and sets ENGINE to own, lab or none.
# An engine that answers wins over the lab's: whoever has Docker gets nothing installed or started.
choose_engine() {
  ENGINE=none
  have docker || return 0
  if [[ ${DOCKER_HOST:-} != "$LAB_HOST" ]]; then
    if engine_answers; then
      ENGINE=own
      use_unpacked_compose
      return 0
    fi
    if [[ -n ${DOCKER_HOST:-} ]]; then
      die "no engine answers at DOCKER_HOST=$DOCKER_HOST: start it, or unset DOCKER_HOST"
    fi
  fi
  if lab_answers; then
    ENGINE=lab
    export DOCKER_HOST=$LAB_HOST DOCKER_CONFIG=$LAB_CONFIG
  fi
}

# prepare_engine [--test]: what demo and test share; release_engine gives back exactly what it made.
STARTED_LAB=no
BUILT_STAND_INS=

prepare_engine() {
  local before=
  choose_engine
  if [[ $ENGINE == none ]]; then STARTED_LAB=yes; fi
  if [[ $ENGINE == own ]]; then before=$(stand_ins); fi
  "$REPO/scripts/lab.sh" up "$@" || exit 1
  choose_engine
  choose_builder
  # The lab's engine keeps its images for the next time; in somebody's own a redis that is not redis must not stay.
  if [[ $ENGINE == own ]]; then
    BUILT_STAND_INS=$(comm -13 <(printf '%s\n' "$before") <(stand_ins))
  fi
}

release_engine() {
  local image
  for image in $BUILT_STAND_INS; do
    quiet "removing the stand-in $image" docker image rm "$image" || true
  done
  if [[ $STARTED_LAB == yes ]]; then stop_idle_lab; fi
}

stand_ins() {
  docker image ls --filter label=compose-rollback.lab=stand-in --format '{{.Repository}}:{{.Tag}}' | LC_ALL=C sort
}

# Whoever started the lab stops it at the end, unless somebody else has begun to use it.
stop_idle_lab() {
  choose_engine
  if [[ $ENGINE != lab ]]; then return 0; fi
  if [[ -z ${CI:-} && -n $(docker container ls --quiet) ]]; then
    say "lab: left running, there are containers in it (scripts/lab.sh down stops it)"
    return 0
  fi
  "$REPO/scripts/lab.sh" down
}

compose_answers() { docker compose version >/dev/null 2>&1; }

# The user's engine without compose: the unpacked plug-in is found through the lab's DOCKER_CONFIG. Contexts live in
# the user's, so what the current one points at is pinned first.
use_unpacked_compose() {
  if compose_answers || [[ ! -x $LAB_CONFIG/cli-plugins/docker-compose ]]; then
    return 0
  fi
  if [[ -z ${DOCKER_HOST:-} ]]; then
    DOCKER_HOST=$(docker context inspect --format '{{.Endpoints.docker.Host}}')
    export DOCKER_HOST
  fi
  export DOCKER_CONFIG=$LAB_CONFIG
}

# With buildx BuildKit builds; without it a current client would refuse unless told to use the classic builder.
choose_builder() {
  if [[ -z ${DOCKER_BUILDKIT:-} ]] && ! docker buildx version >/dev/null 2>&1; then
    export DOCKER_BUILDKIT=0
  fi
}

docker_build() {
  choose_builder
  docker build "$@"
}

# shellcheck source-path=SCRIPTDIR source=debian.sh
. "$(dirname "${BASH_SOURCE[0]}")/debian.sh"
