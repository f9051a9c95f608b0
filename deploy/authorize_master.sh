# Authorizes the master to run actions on this rasp. deploy/set_up_ssh.py runs it as root.
# $1 is the line for authorized_keys. The script is idempotent and prints notes and the host key.
set -eu
umask 077
line=$1
drop_in=/etc/ssh/sshd_config.d/pirack.conf

fail() {
    echo "$1" >&2
    exit 1
}

permit_root_login() {
    sshd -T | sed -n 's/^permitrootlogin //p'
}

home=$(getent passwd root | cut -d : -f 6)
keys=$home/.ssh/authorized_keys
mkdir -p "$home/.ssh"
if ! grep -qxFe "$line" "$keys" 2>/dev/null; then
    # Replace the key of a previous master.
    { grep -vFe 'command="/usr/local/bin/pirack-exporter action ' "$keys" 2>/dev/null || :; echo "$line"; } >"$keys.new"
    sync "$keys.new"
    mv "$keys.new" "$keys"
fi

previous=$(permit_root_login)
if [ "$previous" = forced-commands-only ]; then
    :
elif [ "${SUDO_USER:-}" ]; then
    mkdir -p "${drop_in%/*}"
    echo 'PermitRootLogin forced-commands-only' >"$drop_in"
    if [ "$(permit_root_login)" != forced-commands-only ]; then
        rm "$drop_in"
        fail "/etc/ssh/sshd_config does not include sshd_config.d: write PermitRootLogin forced-commands-only into it"
    fi
    systemctl reload ssh
elif [ "$previous" = no ]; then
    fail "PermitRootLogin is no: write PermitRootLogin forced-commands-only into /etc/ssh/sshd_config"
else
    # A user who logs in as root must not be locked out.
    echo "note you logged in as root: PermitRootLogin stays $previous"
fi

sshd -T | sed -n 's/^hostkey //p' | while read -r key; do
    if grep -q '^ssh-ed25519 ' "$key.pub" 2>/dev/null; then
        echo "host-key $(cut -d ' ' -f 1,2 "$key.pub")"
    fi
done
