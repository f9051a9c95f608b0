#!/bin/sh
# systemctl of a virtual master, which supports only isc-dhcp-server. The settings are in dhcpd.env,
# in the parent of this file's folder.
set -eu
folder=$(dirname "$(dirname "$(readlink -f "$0")")")
. "$folder/dhcpd.env" # DHCPD, INTERFACE and LD_LIBRARY_PATH
pid_file=$folder/dhcpd.pid

is_active() {
    [ -e "$pid_file" ] && kill -0 "$(cat "$pid_file")" 2>/dev/null
}

stop() {
    is_active || return 0
    kill "$(cat "$pid_file")"
    while is_active; do sleep 0.02; done
    rm -f "$pid_file"
}

start() {
    # dhcpd writes its PID file when it serves, and exits if it cannot serve. It logs to standard
    # error.
    : >>"$folder/dhcpd.leases"
    "$DHCPD" -4 -d -f -cf "$folder/dhcpd.conf" -lf "$folder/dhcpd.leases" -pf "$pid_file" \
        "$INTERFACE" >>"$folder/dhcpd.log" 2>&1 </dev/null &
    started=$!
    while kill -0 "$started" 2>/dev/null; do
        [ "$(cat "$pid_file" 2>/dev/null)" = "$started" ] && return 0
        sleep 0.02
    done
    tail -n 1 "$folder/dhcpd.log" >&2
    return 1
}

case "$*" in
    "restart isc-dhcp-server") stop && start ;;
    "stop isc-dhcp-server") stop ;;
    "is-active --quiet isc-dhcp-server") is_active ;;
    *)
        echo "systemctl: a virtual master supports only isc-dhcp-server, not: $*" >&2
        exit 1
        ;;
esac
