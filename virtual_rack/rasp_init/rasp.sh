#!/bin/sh
# A virtual rasp from the end of its boot on: the first process of a PID namespace, as systemd is of
# a real one. Network, mounts and host name are the rasp's own, too.
#
#   rasp.sh FOLDER HOST-NAME DHCP-CLIENT...
#
# FOLDER is the rasp's, beside those of the others. In the environment: SSHD, the program, and
# SSHD_AS, the user that it becomes where root cannot change users, or nothing.
# It ends when the rasp's init is told to: exit status 10 asks for a boot, 11 for none.
set -eu
folder=$1 host_name=$2
shift 2

mount --bind "$folder/sys" /sys
mount --bind "$folder/var/lib" /var/lib
mount --bind "$folder/../sbin" /usr/local/sbin
mount -t tmpfs tmpfs /run
mkdir -m 755 /run/sshd /run/root
hostname "$host_name"

# What is under way when a rasp goes down, such as the order's own answer, still gets out.
trap 'sleep 0.3; exit 10' USR1
trap 'sleep 0.3; exit 11' USR2

[ -z "$SSHD_AS" ] || echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start
ip link set lo up
ip link set eth0 up
"$@" &
# Started again when it ends, as systemd does.
while :; do
    [ -e "$folder/ssh-refuses" ] ||
        ${SSHD_AS:+unshare --user --map-user="$SSHD_AS" --map-group="$SSHD_AS" --} \
            "$SSHD" -D -e -f "$folder/sshd_config" || :
    sleep 0.2
done &
while :; do
    sleep 86400 &
    wait $!
done
