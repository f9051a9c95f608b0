#!/bin/sh
# What a virtual rack's master has of systemctl: isc-dhcp-server, as its unit runs it. Settings are
# in dhcpd.env, beside the folder that this file is in.
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
    # It goes to the background when it serves, and tells before in its exit status that it cannot.
    # What it says goes on standard error, and into the journal of a real master.
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
        echo "systemctl: a virtual rack's master knows isc-dhcp-server alone, not: $*" >&2
        exit 1
        ;;
esac
