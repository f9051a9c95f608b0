#!/bin/sh
# Lease script of udhcpc and dhclient, which sets or removes the address of eth0. udhcpc passes the event and
# the address in $1 and $ip, dhclient in $reason and $new_ip_address.
set -eu
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
case ${reason:-$1} in
    bound | renew | BOUND | RENEW | REBIND | REBOOT)
        address=${new_ip_address:-${ip:-}}
        # Do not remove an unchanged address, not even briefly.
        case $(ip -4 -oneline address show dev eth0) in
            *" $address/"*) ;;
            *)
                ip -4 address flush dev eth0
                ip address add "$address/${new_subnet_mask:-${subnet:-}}" dev eth0
                ;;
        esac
        ;;
    deconfig | PREINIT | EXPIRE | FAIL | RELEASE | STOP)
        ip link set eth0 up
        ip -4 address flush dev eth0
        ;;
    TIMEOUT) exit 1 ;; # no response: dhclient must not use an old lease
esac
