# Functions for a store on a node. The script of a store sets `store` and `programs`, defines
# `configure` and one function for each program, and calls `main "$@"`.
#
# The file rack-addresses, beside this file, contains the addresses of all rasps in the order of the
# rack. A store runs on a group of three rasps: the first three, the next three, and so on.
# shellcheck shell=sh

here=$(dirname "$0")
data=/var/lib/$store
run=/run/$store
boot=/var/lib/rc.local # runs at each boot, as with Debian's rc-local.service

main() {
    case ${1:-} in
        start)
            stop
            mkdir -p "$data"
            join_group
            configure
            printf '#!/bin/sh\nexec "%s" boot\n' "$0" >"$boot"
            chmod 755 "$boot"
            # A power cut must not lose the configuration. It may lose what the store writes later.
            sync
            supervise
            ;;
        boot)
            join_group
            supervise
            ;;
        run) restart_forever "$2" ;;
        kill) for program in $programs; do kill -KILL "$(cat "$run/$program.pid")"; done ;;
        stop) stop ;;
        *)
            echo "usage: $0 start | kill | stop" >&2
            exit 2
            ;;
    esac
}

# Wait for the address, and set `address`, `nodes` (the three addresses of the group) and `first`.
join_group() {
    address=
    for _ in $(seq 100); do
        address=$(ip -4 -oneline address show dev eth0 | sed 's|.* inet \([0-9.]*\)/.*|\1|')
        [ -z "$address" ] || break
        sleep 0.1
    done
    nodes=$(xargs -n 3 <"$here/rack-addresses" | grep -w -F -e "${address:?eth0 has none}") || nodes=
    first=${nodes%% *}
    if [ "$(echo "$nodes" | wc -w)" -ne 3 ]; then
        echo "$address is not in a group of three rasps in $here/rack-addresses" >&2
        exit 1
    fi
}

supervise() {
    mkdir -p "$run"
    for program in $programs; do
        setsid "$0" run "$program" </dev/null >>"$data/$program.log" 2>&1 &
    done
}

# Restart a program whenever it ends, as systemd does.
restart_forever() {
    echo $$ >"$run/$1.supervisor"
    join_group
    while :; do
        "$1" &
        echo $! >"$run/$1.pid"
        wait $! || :
        sleep 0.2
    done
}

stop() {
    for file in "$run"/*.supervisor; do
        [ ! -e "$file" ] || kill -KILL "-$(cat "$file")" || :
    done
    rm -rf "$boot" "$run" "$data"
}
