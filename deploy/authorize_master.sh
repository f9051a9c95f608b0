# Lets the master run actions on this rasp, and nothing else: deploy/set_up_ssh.py runs it here as root.
# $1 is the master's line for authorized_keys. It can be run again. What it did goes to standard output.
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
    # The key of a master that was here before goes.
    { grep -vFe 'command="/usr/local/bin/pirack-exporter action ' "$keys" 2>/dev/null || :; echo "$line"; } >"$keys.new"
    sync "$keys.new"
    mv "$keys.new" "$keys"
fi

before=$(permit_root_login)
if [ "$before" = forced-commands-only ]; then
    :
elif [ "${SUDO_USER:-}" ]; then
    mkdir -p "${drop_in%/*}"
    echo 'PermitRootLogin forced-commands-only' >"$drop_in"
    if [ "$(permit_root_login)" != forced-commands-only ]; then
        rm "$drop_in"
        fail "/etc/ssh/sshd_config does not heed sshd_config.d: write PermitRootLogin forced-commands-only there"
    fi
    systemctl reload ssh
elif [ "$before" = no ]; then
    fail "PermitRootLogin is no: write PermitRootLogin forced-commands-only into /etc/ssh/sshd_config"
else
    # Whoever is here as root must not be locked out.
    echo "note you are root here: PermitRootLogin stays $before"
fi

sshd -T | sed -n 's/^hostkey //p' | while read -r key; do
    if grep -q '^ssh-ed25519 ' "$key.pub" 2>/dev/null; then
        echo "host-key $(cut -d ' ' -f 1,2 "$key.pub")"
    fi
done
