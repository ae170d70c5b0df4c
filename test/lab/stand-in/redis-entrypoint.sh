#!/bin/sh
# As the official image's: options or a configuration file alone mean redis-server; root gives /data to redis and steps
# down. The official build has protected mode off, Debian's has it on: without this nobody outside could connect.
# setpriv is called by its full path: the busybox shell would prefer its own, lesser one.
set -e
case ${1:-} in
  -* | *.conf) set -- redis-server "$@" ;;
esac
if [ "$1" = redis-server ]; then
  case " $* " in
    *" --protected-mode "* | *" --version "* | *" -v "* | *" --help "* | *" -h "*) ;;
    *) set -- "$@" --protected-mode no ;;
  esac
  if [ "$(id -u)" = 0 ]; then
    find . ! -user redis -exec chown redis:redis {} +
    set -- /usr/bin/setpriv --reuid=redis --regid=redis --clear-groups "$@"
  fi
fi
exec "$@"
