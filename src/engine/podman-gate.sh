#!/bin/sh
# Stands between podman-compose and Podman: lets through what makes the services that were asked for, and nothing that starts, stops or
# removes anything else. PODMAN_GATE_PROGRAM is Podman, PODMAN_GATE_SERVICES the services' names, each between spaces.
case $1 in
  run | create)
    service=
    for word in "$@"; do
      case $word in com.docker.compose.service=*) service=${word#*=} ;; esac
    done
    case $PODMAN_GATE_SERVICES in *" $service "*) ;; *) exit 0 ;; esac
    ;;
  start | stop | restart | kill | rm | wait | pull | build) exit 0 ;;
  pod) case $2 in create | exists) ;; *) exit 0 ;; esac ;;
esac
exec "$PODMAN_GATE_PROGRAM" "$@"
