#!/bin/sh
# What udhcpc and dhclient run when a lease comes or goes: eth0 gets its address, or loses it.
# The one says so in $1 and $ip, the other in $reason and $new_ip_address.
set -eu
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
case ${reason:-$1} in
    bound | renew | BOUND | RENEW | REBIND | REBOOT)
        address=${new_ip_address:-${ip:-}}
        # An address that stays must not be away for a moment.
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
    TIMEOUT) exit 1 ;; # no server answered: dhclient shall not take up an old lease
esac
