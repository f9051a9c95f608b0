#!/bin/sh
# Turns a stock system into a rasp of PiRack. `pirack card` writes this script to the folder `pirack`
# of the boot partition. It runs as root: once by firstrun.sh, or at each boot by cloud-init.
#
# The last step stores the id of the card. With this id, the script does nothing, so that files of
# `pirack deploy` stay. If the power fails before that step, the next boot runs the script again. The
# output is in install.log on the boot partition.

set -eu
umask 022  # the exporter, which has a user of its own, reads the files
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
card=$(dirname "$0")
installed_id=/etc/pirack/card.id

if cmp --silent "$card/id" "$installed_id"; then
    exit 0
fi
exec > "$card/install.log" 2>&1
set -x

python3 -I "$card/pirack-exporter.pyz" --help > /dev/null  # requires python3, 3.11 or newer

if [ ! -e "$installed_id" ]; then
    # All cards are equal. The Pis must differ, also if the image was started before it was copied.
    rm -f /etc/ssh/ssh_host_*_key*
    # systemd mounts the new machine-id of a stock image over the file until it saves it.
    if ! mountpoint --quiet /etc/machine-id; then
        rm -f /etc/machine-id /var/lib/dbus/machine-id
        systemd-machine-id-setup
    fi
    # Lock each account that has a password, or an empty one.
    awk -F: '$2 !~ /^[!*]/ { print $1 }' /etc/shadow | while read -r user; do
        usermod --lock "$user"
    done
fi

install -D -m 755 "$card/pirack-exporter.pyz" /usr/local/bin/pirack-exporter
install -D -m 644 "$card/aliases.ini" /etc/pirack/aliases.ini
install -D -m 644 "$card/exporter.env" /etc/pirack/exporter.env
install -D -m 644 "$card/pirack-exporter.service" /etc/systemd/system/pirack-exporter.service

ssh-keygen -A
mkdir -p -m 755 /run/sshd  # `sshd -T`, which the next command runs, requires this folder
python3 -I "$card/authorize_master.py" "$(cat "$card/authorized_key")" --no-root-login

if [ -s "$card/login_key" ]; then
    id pi > /dev/null 2>&1 || useradd --create-home --shell /bin/bash pi
    install -d -m 700 -o pi -g pi /home/pi/.ssh
    install -m 600 -o pi -g pi "$card/login_key" /home/pi/.ssh/authorized_keys
    echo 'pi ALL=(ALL) NOPASSWD: ALL' > /run/pirack-sudoers
    install -D -m 440 /run/pirack-sudoers /etc/sudoers.d/pirack
fi

# On a new Raspberry Pi OS, the console waits for the name and the password of a user.
if systemctl cat userconfig > /dev/null 2>&1; then
    systemctl disable --now --no-block userconfig
fi
rm -f /etc/ssh/sshd_config.d/rename_user.conf
systemctl enable ssh pirack-exporter

sync
cp "$card/id" "$installed_id.new"
mv "$installed_id.new" "$installed_id"
sync
