# shellcheck shell=bash
# Engines out of Debian packages: where they come from, and how dockerd starts. Sourced by lab.sh and test/lab/engines.sh.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# The suites that the default engines come from, best first: the newest, the current stable, then this machine's own.
read -ra ENGINE_SUITES <<<"${COMPOSE_ROLLBACK_LAB_SUITES:-sid trixie own}"

DOCKER_PACKAGES=(docker.io docker-cli containerd runc iptables)
PODMAN_PACKAGES=(
  podman conmon netavark aardvark-dns nftables iptables catatonit runc passt slirp4netns uidmap fuse-overlayfs
)
PLUGIN_PACKAGES=(docker-compose docker-buildx) # of Docker's command line

# ---------------------------------------------------------------- trees

# engine_tree KIND SUITE: prints the place of the tree with docker, podman or the plugins of that suite.
engine_tree() { printf '%s/trees/%s-%s\n' "$LAB" "$1" "$2"; }

make_docker_tree() { make_engine_tree docker "$1" "${DOCKER_PACKAGES[@]}"; }
make_podman_tree() { make_engine_tree podman "$1" "${PODMAN_PACKAGES[@]}"; }

make_engine_tree() {
  local tree
  tree=$(engine_tree "$1" "$2")
  make_tree "$tree" "${@:2}" && link_iptables "$tree"
}

# Debian's alternatives choose an iptables when it is installed; an unpacked one is chosen here: the variant that this
# kernel has. Programs of the tree find it first in its folder `path`.
link_iptables() {
  local tree=$1 variant name
  mkdir -p "$tree/path"
  for variant in nft legacy; do
    for name in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
      ln -sfn "../usr/sbin/xtables-$variant-multi" "$tree/path/$name"
    done
    if with_tree "$tree" iptables -w -t nat -S >/dev/null 2>&1; then return 0; fi
  done
  warn "iptables does not work on this machine (neither nft nor legacy): containers would have no network"
  return 1
}

# with_tree TREE COMMAND...: runs a command that finds the programs of the tree first.
with_tree() (
  PATH=$(tree_path "$1"):$PATH:/usr/sbin:/sbin
  XTABLES_LIBDIR=$(tree_xtables "$1")
  export PATH XTABLES_LIBDIR
  shift
  "$@"
)

tree_path() { printf '%s\n' "$1/path:$1/usr/sbin:$1/usr/bin"; }
tree_xtables() { printf '%s\n' "$1"/usr/lib/*-linux-gnu*/xtables; }

# link_plugins CONFIG SUITE: puts compose and buildx of that suite into a DOCKER_CONFIG.
link_plugins() {
  local config=$1 tree plugin
  tree=$(engine_tree plugins "$2")
  make_tree "$tree" "$2" "${PLUGIN_PACKAGES[@]}" || return 1
  mkdir -p "$config/cli-plugins"
  for plugin in "$tree"/usr/libexec/docker/cli-plugins/docker-*; do
    ln -sfn "$plugin" "$config/cli-plugins/${plugin##*/}"
  done
}

# first_suite WHAT COMMAND...: calls COMMAND with one suite after the other until it succeeds; SUITE is the one that did.
first_suite() {
  local what=$1
  shift
  for SUITE in "${ENGINE_SUITES[@]}"; do
    if "$@" "$SUITE"; then return 0; fi
    warn "$what of Debian's suite '$SUITE' cannot be used on this machine"
  done
  return 1
}

# warn_if_older WHAT VERSION WANTED
warn_if_older() {
  if [[ $(printf '%s\n' "$2" "$3" | sort -V | head -n 1) != "$3" ]]; then
    warn "$1 $2 is older than $3, which the tests are meant for: no newer one could be had here"
  fi
}

# ---------------------------------------------------------------- processes

# detach LOG COMMAND...: starts a daemon in a session of its own, without our terminal and lock; prints its pid.
detach() (
  log=$1
  shift
  exec 9>&-
  cd /
  setsid nohup "$@" >"$log" 2>&1 </dev/null &
  echo $!
)

alive() { kill -0 "$1" 2>/dev/null; }

# daemon_settings CONTAINERD: prints a daemon.json. The containerd image store (true) is the default of new installations of
# Docker 29; versions that lack it ignore the feature. The usual address pools end with the 31st network: too few for many tests.
daemon_settings() {
  printf '{\n  "features": { "containerd-snapshotter": %s },\n' "$1"
  printf '  "default-address-pools": [\n'
  printf '    { "base": "172.16.0.0/12", "size": 24 },\n'
  printf '    { "base": "192.168.0.0/16", "size": 24 },\n'
  printf '    { "base": "10.213.0.0/16", "size": 24 }\n  ]\n}\n'
}

# The arguments of a dockerd: dockerd_command CONFIG-FILE DATA RUN HOST
dockerd_command() {
  printf '%s\n' dockerd --config-file "$1" --data-root "$2" --exec-root "$3/exec" --pidfile "$3/dockerd.pid" --host "$4"
}

# engine_pids DIRECTORY...: prints the processes of our engines (daemons, shims, monitors) whose arguments name a file under one
# of the directories, and the processes of containers whose records are kept there.
engine_pids() {
  local dir line under
  for dir in /proc/[0-9]*; do
    [[ $(readlink "$dir/exe" 2>/dev/null) == "$LAB/trees/"* ]] || continue
    line=" $(tr '\0' ' ' 2>/dev/null <"$dir/cmdline")" || continue
    for under in "$@"; do
      case $line in
        *[\ /=]"$under/"*) printf '%s\n' "${dir#/proc/}" && break ;;
      esac
    done
  done
  for under in "$@"; do container_pids "$under/data/containers" "$under/storage/overlay-containers"; done
}

# container_pids DIRECTORY...: prints processes whose control group is named after a container that has a record there.
container_pids() {
  local dir id data
  for dir in /proc/[0-9]*; do
    id=$(sed -n 's|.*[/-]\([0-9a-f]\{64\}\).*|\1|p' "$dir/cgroup" 2>/dev/null | head -n 1) || continue
    for data in "$@"; do
      if [[ -n $id && -d $data/$id ]]; then printf '%s\n' "${dir#/proc/}"; fi
    done
  done
}

# end_processes COMMAND: ends the processes that COMMAND prints: asked first, killed after 10 seconds.
end_processes() {
  local pid
  for pid in $("$@"); do kill -TERM "$pid" 2>/dev/null || true; done
  until_true 10 prints_nothing "$@" && return 0
  for pid in $("$@"); do kill -KILL "$pid" 2>/dev/null || true; done
  until_true 10 prints_nothing "$@" || { warn "still running: $("$@" | tr '\n' ' ')" && return 1; }
}

prints_nothing() { [[ -z $("$@") ]]; }
