#!/bin/sh
# Written by `pirack card`. systemd runs this script instead of a normal boot, because `systemd.run` is
# in cmdline.txt, and then reboots. If the power fails, the next boot runs the script again.

boot=$(dirname "$0")
# After a failure, which is in pirack/install.log, the Pi boots without PiRack instead of repeating it.
sh "$boot/pirack/install.sh"
sed -i -e 's| systemd\.run=/boot/firmware/firstrun\.sh||' -e 's| systemd\.run_success_action=reboot||' \
    -e 's| systemd\.unit=kernel-command-line\.target||' "$boot/cmdline.txt"
sync
