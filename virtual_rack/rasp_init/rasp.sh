#!/bin/sh
# Init process of a virtual rasp in its PID, network, mount and UTS namespaces.
#
#   rasp.sh FOLDER HOST-NAME DHCP-CLIENT...
#
# FOLDER is the folder of the rasp. Environment: CARD is the image of the SD card, or empty. SSHD is
# the path of sshd. SSHD_AS is the user id of sshd if root cannot change users, otherwise empty.
# On USR1, exit with status 10 for a reboot. On USR2, exit with status 11 for a halt. On HUP, restart
# the exporter, which runs outside of the rasp.
set -eu
folder=$1 host_name=$2
shift 2

mount --bind "$folder/sys" /sys
if [ -n "$CARD" ]; then
    mount -t ext4 -o loop,noatime "$CARD" /var/lib
else
    mount --bind "$folder/var/lib" /var/lib
fi
mount --bind "$folder/../sbin" /usr/local/sbin
mount -t tmpfs tmpfs /run
mkdir -m 755 /run/sshd /run/root
hostname "$host_name"

# Wait for pending output, such as the result of the action that requested the shutdown.
trap 'sleep 0.3; exit 10' USR1
trap 'sleep 0.3; exit 11' USR2
trap ': >"$folder/restart-pirack-exporter"' HUP

[ -z "$SSHD_AS" ] || echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start
ip link set lo up
ip link set eth0 up
"$@" &
# As by Debian's rc-local.service, except that the network may not be ready yet.
[ ! -x /var/lib/rc.local ] || /var/lib/rc.local &
# Restart sshd whenever it ends, as systemd does.
while :; do
    [ -e "$folder/ssh-refuses" ] ||
        ${SSHD_AS:+unshare --user --map-user="$SSHD_AS" --map-group="$SSHD_AS" --} \
            "$SSHD" -D -e -f "$folder/sshd_config" || :
    sleep 0.2
done &
while :; do
    sleep 86400 &
    wait $! || : # a signal ends wait early
done
