#!/usr/bin/env bash
# dev/install.sh install|uninstall|list -- what `make install` puts where. Copies only: `make all` has built it before.
#
# PREFIX (/usr) is written into units, the nginx site and the docs; DESTDIR goes before every path, for packages.
# Files that a sysadmin edits are never overwritten: the new one lies beside them, as *.sample. Keys are not touched at all.
set -euo pipefail
cd "$(dirname "$0")/.."

prefix=${PREFIX:-/usr}
dest=${DESTDIR:-}
etc=${SYSCONFDIR:-/etc}
build=build/release
[[ $prefix == /* && $prefix != *[[:space:]\|\&]* ]] || { echo "install: PREFIX must be an absolute path without blanks" >&2; exit 1; }
prefix=${prefix%/}

# One line per file: how, source, target. bin and data are copied as they are, text has PREFIX written into it, conf is text that
# a sysadmin edits.
files() {
    local f
    for f in peal-fcgi peal-push peal-jobs peal-egress peal-media peal-media-image peal-media-av; do echo "bin $build/$f $prefix/lib/peal/$f"; done
    echo "bin $build/pealctl $prefix/bin/pealctl"
    for f in sql/*.sql; do echo "data $f $prefix/share/peal/$f"; done
    (cd web/dist && find . -type f -printf '%P\n' | sort) | while read -r f; do echo "data web/dist/$f $prefix/share/peal/web/$f"; done
    echo "data build/openapi.json $prefix/share/peal/openapi.json"
    for f in systemd/system/*; do echo "text $f $prefix/lib/systemd/system/${f##*/}"; done
    echo "text systemd/peal.sysusers $prefix/lib/sysusers.d/peal.conf"
    echo "text systemd/peal.tmpfiles $prefix/lib/tmpfiles.d/peal.conf"
    for f in README.md LICENSE docs/*.md docs/*.yaml docs/*.png; do
        [ ! -e "$f" ] || echo "text $f $prefix/share/doc/peal/$f"
    done
    for f in nginx/snippets/*.conf; do
        case $f in */peal-origins.conf | */peal-proxies.conf) echo "conf $f $etc/$f" ;; *) echo "text $f $etc/$f" ;; esac
    done
    echo "conf nginx/peal.conf $etc/nginx/sites-available/peal"
    echo "conf build/peal.conf $etc/peal/peal.conf"
}

check() {
    local f missing=""
    for f in $build/peal-{fcgi,push,jobs,egress,media,media-image,media-av} $build/pealctl web/dist/index.html build/openapi.json build/peal.conf; do
        [ -e "$f" ] || missing="$missing $f"
    done
    [ -z "$missing" ] || { echo "install: not built yet:$missing (run \`make all\`)" >&2; exit 1; }
}

with_prefix() {
    case $1 in *.png) cat "$1"; return ;; esac
    sed -e "s|/usr/lib/peal|$prefix/lib/peal|g" -e "s|/usr/share/|$prefix/share/|g" "$1"
}

put() {
    local how=$1 source=$2 target=$dest$3 fresh
    case $how in
        bin) install -D -m 0755 "$source" "$target"; return ;;
        data) install -D -m 0644 "$source" "$target"; return ;;
    esac
    fresh=$(mktemp)
    with_prefix "$source" > "$fresh"
    if [ "$how" = conf ] && [ -e "$target" ]; then
        if cmp -s "$fresh" "$target"; then rm -f "$target.sample" "$fresh"; return; fi
        echo "install: $3 is there already; the new one is $3.sample"
        target=$target.sample
    fi
    install -D -m 0644 "$fresh" "$target"
    rm -f "$fresh"
}

install_all() {
    local how source target
    check
    # what an older version served under names that are no more
    rm -rf "$dest$prefix/share/peal/web"
    files | while read -r how source target; do put "$how" "$source" "$target"; done
}

uninstall_all() {
    local how source target
    files | while read -r how source target; do
        case $how in
            conf) rm -f "$dest$target.sample" ;;
            *) rm -f "$dest$target" ;;
        esac
    done
    rm -rf "$dest$prefix/share/peal" "$dest$prefix/share/doc/peal"
    rmdir --ignore-fail-on-non-empty "$dest$prefix/lib/peal" 2>/dev/null || true
    echo "install: $etc/peal, $etc/nginx/sites-available/peal, /var/lib/peal and the database stay; remove them yourself"
}

case ${1:-} in
    install) install_all ;;
    uninstall) uninstall_all ;;
    list) files | while read -r _ _ target; do echo "$target"; done ;;
    *) echo "usage: dev/install.sh install|uninstall|list" >&2; exit 2 ;;
esac
