#!/usr/bin/env bash
# tests/tools/bare.sh [package...] -- prints the path of a bare Debian 12, or of one with these packages; makes it when it is not
# there. Its folders are kept in $CACHE and are read only by agreement: copy or overlay them. Needs root, debootstrap, systemd-nspawn.
#
# How this host reaches its mirrors (sources, apt's settings, certificates, npm's settings) is copied from the host.
set -euo pipefail

CACHE=${CACHE:-/var/tmp/peal-nspawn}
base=$CACHE/base
[ "$(id -u)" -eq 0 ] || { echo "bare.sh needs root" >&2; exit 1; }
for tool in debootstrap systemd-nspawn; do
    command -v $tool >/dev/null || { echo "bare.sh: $tool is missing (apt-get install debootstrap systemd-container)" >&2; exit 1; }
done
mkdir -p "$CACHE"
exec 9> "$CACHE/.lock"
flock 9

if [ ! -e "$base/.complete" ]; then
    rm -rf "$base"
    debootstrap --variant=minbase --include=systemd-sysv,dbus,git,make,ca-certificates,sudo bookworm "$base" \
        ${MIRROR:+"$MIRROR"} > "$CACHE/debootstrap.log"      # without MIRROR: debootstrap's own default
    cp -a /etc/apt/sources.list.d/debian.sources "$base/etc/apt/sources.list.d/" 2>/dev/null && rm -f "$base/etc/apt/sources.list"
    find /etc/apt/apt.conf.d -name '[0-9]*' ! -name '*docker*' ! -name '*postgresql' ! -name '*packagekit' ! -name '*appstream' \
        -exec cp -a {} "$base/etc/apt/apt.conf.d/" \;
    cp -a /usr/local/share/ca-certificates/. "$base/usr/local/share/ca-certificates/"
    chroot "$base" update-ca-certificates > /dev/null
    [ ! -e /etc/npmrc ] || cp /etc/npmrc "$base/etc/"
    rm -f "$base"/var/cache/apt/archives/*.deb
    touch "$base/.complete"
fi
[ $# -gt 0 ] || { echo "$base"; exit; }

name=$(printf '%s\n' "$@" | sha256sum | cut -c 1-10)
root=$CACHE/with-$name
if [ ! -e "$root/.complete" ]; then
    rm -rf "$root"
    cp -a --reflink=auto "$base" "$root"
    rm -f "$root/.complete"
    printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"     # nothing is started here: nobody has booted yet
    chmod 755 "$root/usr/sbin/policy-rc.d"
    in_it() {
        systemd-nspawn -q -D "$root" --keep-unit --register=no --private-users=no --resolv-conf=bind-host --console=pipe \
            -E DEBIAN_FRONTEND=noninteractive "$@" >> "$CACHE/with-$name.log" 2>&1 < /dev/null 9>&-
    }
    : > "$CACHE/with-$name.log"
    in_it apt-get -q update && in_it apt-get -q -y install --no-install-recommends "$@" || {
        tail -n 30 "$CACHE/with-$name.log" >&2
        exit 1
    }
    rm -f "$root/usr/sbin/policy-rc.d" "$root"/var/cache/apt/archives/*.deb
    touch "$root/.complete"
fi
echo "$root"
