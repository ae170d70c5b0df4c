#!/bin/sh
# Stands in front of a program as its namesake, see program-faults.ts: the real one is in `real/` beside it. Every call is a line in `calls`, and the one
# of the number in `fault` meets the fault named there.
here=$(dirname "$0")
name=$(basename "$0")

call=$name
for word in "$@"; do
  case $word in
    -* | '') ;;
    *)
      call="$name $word"
      break
      ;;
  esac
done
# shellcheck disable=SC2016 # the inner shell's own words
number=$(flock "$here" sh -c 'echo "$1" >>"$2"; wc -l <"$2"' - "$call" "$here/calls")
# Of the process that podman-compose becomes.
if [ "$name" = podman-compose ]; then echo "$$" >"$here/compose"; fi

real=$here/real/$name
read -r fault numbers <"$here/fault"
case " $numbers " in *" $number "*) ;; *) exec "$real" "$@" ;; esac

case $fault in
  failed)
    echo "$name: something in between failed" >&2
    exit 1
    ;;
  idle) exit 0 ;;
  killed) kill -KILL "$$" ;;
  unanswered)
    "$real" "$@" >/dev/null 2>&1
    kill -KILL "$$"
    ;;
  halved)
    said=$("$real" "$@")
    printf '%s' "$said" | head -c "$((${#said} / 2))"
    ;;
  orphaned)
    kill -KILL "$(cat "$here/compose")"
    sleep 1
    exec "$real" "$@"
    ;;
  hanging)
    echo "$$" >"$here/hanging"
    exec sleep 1000000
    ;;
esac
