#!/usr/bin/env bash
# Podman beside the lab's Docker: unpacked, with a store and a configuration of its own, its API on a socket.
#
#   test/lab/podman.sh up [rootless]     start it, with the images that the tests name, as the lab's Docker has them
#   test/lab/podman.sh env [rootless]    what to eval so that the tests find it; nothing when it does not run
#   test/lab/podman.sh run COMMAND...    a command as the user whose the rootless one is
#   test/lab/podman.sh down              remove the containers of both, end them, and remove that user
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=../../scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

LAB_USER=compose-rollback-lab
FIRST_SUB_ID=1000000

main() {
  local command=${1:-}
  if (($#)); then shift; fi
  case $command in
    up | env)
      choose_instance "${1:-rootful}"
      "$command"
      ;;
    run)
      choose_instance rootless
      as_owner "$@"
      ;;
    down)
      local instance
      for instance in rootful rootless; do
        choose_instance "$instance"
        down
      done
      ;;
    *)
      say "usage: test/lab/podman.sh up [rootless] | env [rootless] | run COMMAND... | down"
      exit 2
      ;;
  esac
}

choose_instance() {
  INSTANCE=$1
  case $INSTANCE in
    rootful)
      HOME_DIR=$LAB/podman
      RUN_DIR=$LAB_RUN/podman
      OWNER=
      ;;
    rootless)
      HOME_DIR=$LAB/podman-rootless
      RUN_DIR=$LAB_RUN/rootless # short: what is longer than 50 characters in it, Podman itself refuses when a container ends
      OWNER=$LAB_USER
      ;;
    *) die "podman.sh: there is no instance $INSTANCE" ;;
  esac
  # Not podman.sock: what a socket is called says nothing, and the tests should not depend on it.
  SOCKET=$RUN_DIR/engine.sock
  PROGRAM=$HOME_DIR/bin/podman
}

# have_library NAME...: all of them, where every program finds them.
have_library() {
  local name
  for name in "$@"; do
    if ! /sbin/ldconfig -p | grep -F "$name " >/dev/null; then return 1; fi
  done
}

# as_owner COMMAND...: as the user whose instance it is, in a session as a login gives it.
as_owner() {
  if [[ -z $OWNER ]]; then
    "$@"
  else
    XDG_RUNTIME_DIR=$RUN_DIR HOME=$HOME_DIR/home USER=$OWNER \
      setpriv --reuid "$OWNER" --regid "$OWNER" --init-groups -- "$@"
  fi
}

up() {
  if answers; then return 0; fi
  if ! is_debian || ((EUID != 0)); then
    warn "no Podman for the tests that use one: it can be started only on Debian, as root"
    return 0
  fi
  choose_engine
  [[ $ENGINE != none ]] || die "no engine answers: scripts/lab.sh up comes first"
  # Installed, not unpacked: what conmon starts when a container ends is told nothing of where libraries are.
  # Measured: without them all goes well but the end of containers, which is noticed after 20 seconds, and attached never.
  local libraries=(libgpgme.so.11 libsubid.so.4 libslirp.so.0)
  have_library "${libraries[@]}" || install_debs libgpgme11 libsubid4 libslirp0
  have_library "${libraries[@]}" || die "installed, and yet not to be found: one of ${libraries[*]}"
  need_file podman usr/bin/podman >/dev/null
  need_file conmon usr/bin/conmon >/dev/null
  need_file 'netavark aardvark-dns' usr/lib/podman/netavark >/dev/null
  need_file catatonit usr/bin/catatonit >/dev/null
  mkdir -p "$HOME_DIR/networks" "$HOME_DIR/home/.config/containers" "$RUN_DIR"
  if [[ -n $OWNER ]]; then prepare_user; fi
  need_file podman-compose usr/bin/podman-compose >/dev/null
  configure
  write_program
  write_compose "$HOME_DIR/bin" "$LAB_ROOT" "$(lab_file usr/bin/podman-compose)"
  if [[ -z $OWNER ]]; then unpack_newer_compose; fi
  load_into_podman
  (cd / && as_owner setsid nohup "$PROGRAM" system service --time=0 "unix://$SOCKET") >"$HOME_DIR/service.log" 2>&1 </dev/null &
  until_true 30 answers || die "Podman does not answer; see $HOME_DIR/service.log"
  say "lab: Podman $(podman version --format '{{.Client.Version}}') runs $INSTANCE at unix://$SOCKET"
}

# Somebody who is not root, with subordinate ids, and what user namespaces need of the machine.
prepare_user() {
  need_file uidmap usr/bin/newuidmap >/dev/null
  need_file slirp4netns usr/bin/slirp4netns >/dev/null
  id "$OWNER" >/dev/null 2>&1 || useradd --system --no-create-home --home-dir "$HOME_DIR/home" --shell /bin/sh "$OWNER"
  local kind
  for kind in uid gid; do
    if ! grep -q "^$OWNER:" "/etc/sub$kind" 2>/dev/null; then
      printf '%s:%d:65536\n' "$OWNER" "$FIRST_SUB_ID" >>"/etc/sub$kind"
    fi
  done
  [[ -e $LAB/tun.before ]] || stat -c %a /dev/net/tun >"$LAB/tun.before"
  chmod 0666 /dev/net/tun
  # Measured, 4.3.1: where this is not there, it mounts over all of /var/lib, and the lab is gone.
  mkdir -p /var/lib/cni
  # What images and containers have there is of their own users.
  find "$HOME_DIR" "$RUN_DIR" -path "$HOME_DIR/home/.local" -prune -o -exec chown --no-dereference "$OWNER:$OWNER" {} +
  chmod 0700 "$RUN_DIR"
  # As members of the group docker have it: they move their stacks away from there.
  if [[ -S $LAB_RUN/docker.sock ]]; then chgrp "$OWNER" "$LAB_RUN/docker.sock"; fi
}

remove_user() {
  local kind
  if ! id "$LAB_USER" >/dev/null 2>&1; then return 0; fi
  userdel "$LAB_USER"
  for kind in uid gid; do sed -i "/^$LAB_USER:/d" "/etc/sub$kind"; done
  if [[ -r $LAB/tun.before ]]; then chmod "$(cat "$LAB/tun.before")" /dev/net/tun; fi
  rm -f "$LAB/tun.before"
  rmdir --ignore-fail-on-non-empty /var/lib/cni
}

answers() { [[ -S $SOCKET ]] && curl -fsS --max-time 5 --unix-socket "$SOCKET" http://d/_ping >/dev/null 2>&1; }

# Everything is named here: no file of the machine's is read, none is written.
configure() {
  local helpers
  helpers=$(dirname "$(lab_file usr/lib/podman/netavark)")
  # Measured, 4.3.1: its API exchanges soft and hard limits, so they are the same here.
  cat >"$HOME_DIR/containers.conf" <<CONF
[containers]
default_ulimits = ["nofile=16384:16384", "nproc=16384:16384"]
seccomp_profile = "$(lab_file usr/share/containers/seccomp.json)"
[network]
network_backend = "netavark"
$(if [[ -z $OWNER ]]; then printf 'network_config_dir = "%s"' "$HOME_DIR/networks"; fi)
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
conmon_path = ["$(lab_file usr/bin/conmon)"]
helper_binaries_dir = ["$helpers"]
init_path = "$(lab_file usr/bin/catatonit)"
network_cmd_path = "$(lab_file usr/bin/slirp4netns || true)"
tmp_dir = "$RUN_DIR/libpod"
[engine.runtimes]
runc = ["$(lab_file usr/sbin/runc usr/bin/runc)"]
CONF
  cat >"$HOME_DIR/storage.conf" <<CONF
[storage]
driver = "overlay"
graphroot = "$HOME_DIR/storage"
runroot = "$RUN_DIR/storage"
CONF
  cat >"$HOME_DIR/registries.conf" <<CONF
unqualified-search-registries = ["docker.io"]
[[registry]]
location = "127.0.0.1"
insecure = true
CONF
  printf '{ "default": [{ "type": "insecureAcceptAnything" }] }\n' >"$HOME_DIR/home/.config/containers/policy.json"
}

# A podman for PATH: with the configuration above, and the paths on which Podman and its helpers find each other.
write_program() {
  mkdir -p "$HOME_DIR/bin" "$HOME_DIR/no-packages"
  {
    printf '#!/bin/sh\n# Podman, unpacked and set up by test/lab/podman.sh.\n'
    printf 'unset DOCKER_HOST DOCKER_CONFIG\n'
    printf 'export HOME=%q CONTAINERS_CONF=%q\n' "$HOME_DIR/home" "$HOME_DIR/containers.conf"
    printf 'export CONTAINERS_STORAGE_CONF=%q CONTAINERS_REGISTRIES_CONF=%q\n' "$HOME_DIR/storage.conf" "$HOME_DIR/registries.conf"
    # shellcheck disable=SC2016 # the PATH of whoever calls it
    printf 'export PATH=%q:"$PATH":/usr/sbin:/sbin\n' "$LAB_ROOT/usr/bin:$LAB/sbin:$LAB_ROOT/usr/sbin"
    printf 'export LD_LIBRARY_PATH=%q XTABLES_LIBDIR=%q\n' "$(lab_library_path)" "$(lab_file 'usr/lib/*-linux-gnu*/xtables' || true)"
    # Measured, 4.3.1: each question about the engine asks dpkg which packages its helpers are from, 50 of its 55 ms.
    printf 'export DPKG_ADMINDIR=%q\n' "$HOME_DIR/no-packages"
    printf 'exec %q "$@"\n' "$(lab_file usr/bin/podman)"
  } >"$PROGRAM"
  chmod 0755 "$PROGRAM"
}

# write_compose FOLDER ROOT PROGRAM: podman-compose is a Python program: told where its unpacked modules are, it runs without being installed.
write_compose() {
  local modules=usr/lib/python3/dist-packages
  mkdir -p "$1"
  {
    printf '#!/bin/sh\n# podman-compose, unpacked by test/lab/podman.sh.\n'
    printf 'export PYTHONPATH=%q PYTHONDONTWRITEBYTECODE=1\n' "$2/$modules:$LAB_ROOT/$modules"
    printf 'exec %q %q "$@"\n' "$(lab_file usr/bin/python3)" "$3"
  } >"$1/podman-compose"
  chmod 0755 "$1/podman-compose"
}

# As the next Debian has it: it ties containers to each other.
unpack_newer_compose() {
  local root=$HOME_DIR/newer deb
  if [[ ! -x $root/usr/bin/podman-compose ]]; then
    get_debs "$NEWER_SUITE" download podman-compose python3-dotenv
    for deb in "$LAB/apt/$NEWER_SUITE"/{podman-compose,python3-dotenv}_*.deb; do
      dpkg-deb -x "$deb" "$root"
      rm "$deb"
    done
  fi
  write_compose "$root/bin" "$root" "$root/usr/bin/podman-compose"
}

podman() { (cd / && as_owner "$PROGRAM" "$@"); }

env() {
  if ! answers; then return 0; fi
  case $INSTANCE in
    rootful)
      printf 'export PODMAN_HOST=%q PODMAN=%q PODMAN_COMPOSE=%q\n' "unix://$SOCKET" "$PROGRAM" "$HOME_DIR/bin/podman-compose"
      printf 'export PODMAN_COMPOSE_NEWER=%q\n' "$HOME_DIR/newer/bin/podman-compose"
      ;;
    rootless) printf 'export PODMAN_ROOTLESS_HOST=%q PODMAN_ROOTLESS=%q\n' "unix://$SOCKET" "$PROGRAM" ;;
  esac
}

down() {
  if [[ ! -d $HOME_DIR ]]; then return 0; fi
  if [[ -n $OWNER ]] && ! id "$OWNER" >/dev/null 2>&1; then return 0; fi
  podman rm --force --all --time 1 >/dev/null 2>&1 || true
  podman network prune --force >/dev/null 2>&1 || true
  podman volume prune --force >/dev/null 2>&1 || true
  local pid
  for pid in $(own_pids); do kill -TERM "$pid" 2>/dev/null || true; done
  until_true 10 ended || for pid in $(own_pids); do kill -KILL "$pid" 2>/dev/null || true; done
  until_true 10 ended || die "processes of $INSTANCE Podman do not end: $(own_pids | tr '\n' ' ')"
  if [[ -n $OWNER ]]; then remove_user; fi
  if [[ -z $OWNER ]]; then remove_rules; fi
  umount "$HOME_DIR/storage/overlay" 2>/dev/null || true
  rm -rf "$RUN_DIR"
}

# Of containers that were killed, and Podman's own, which it never takes away.
remove_rules() {
  local table rule chain
  for table in filter nat; do
    { lab_iptables -t "$table" -S 2>/dev/null | grep -E -- '^-A (FORWARD|PREROUTING|OUTPUT|POSTROUTING) .*NETAVARK' || true; } |
      sed 's/^-A/-D/' | while IFS= read -r rule; do
      xargs -r "$(lab_iptables_path)" -w -t "$table" <<<"$rule" 2>/dev/null || true # its words may be quoted
    done
    for rule in -F -X; do
      { lab_iptables -t "$table" -S 2>/dev/null || true; } | awk '$1 == "-N" && $2 ~ /^NETAVARK/ { print $2 }' |
        while IFS= read -r chain; do lab_iptables -t "$table" "$rule" "$chain" 2>/dev/null || true; done
    done
  done
}

lab_iptables_path() { if have iptables; then command -v iptables; else printf '%s\n' "$LAB/sbin/iptables"; fi; }
lab_iptables() { "$(lab_iptables_path)" -w "$@"; }

# The service, and what watches over containers and, for five minutes more, over commands that ran in them; all of the user's own.
own_pids() {
  local dir line
  for dir in /proc/[0-9]*; do
    line=$(tr '\0' ' ' 2>/dev/null <"$dir/cmdline") || continue
    case $line in
      "$(lab_file usr/bin/podman) system service --time=0 unix://$SOCKET "* | *conmon*" $HOME_DIR/"* | "$LAB/"*/aardvark-dns\ *) printf '%s\n' "${dir#/proc/}" ;;
    esac
  done
  if [[ -n $OWNER ]]; then pgrep -u "$OWNER" --runstates RSDTtI || true; fi
}

ended() { [[ -z $(own_pids) ]]; }

main "$@"
