#!/usr/bin/env bash
# dev/setup.sh [test] -- install what is missing on Debian 12; nothing is asked, and apt is not called when nothing is missing.
#
# The services that come along (PostgreSQL, Redis, nginx) are neither started nor enabled, and no cluster is created: the private
# stack runs its own. While apt works, a policy-rc.d forbids starting services and a marked line forbids the cluster; both go
# again at the end, also of an interrupted run (a killed one is cleaned up after by the next).
set -euo pipefail
cd "$(dirname "$0")"

mark="# peal dev/setup.sh, for the time of an installation"
policy=/usr/sbin/policy-rc.d
cluster=/etc/postgresql-common/createcluster.conf
lock=/var/lock/peal-setup.lock
services="nginx redis-server postgresql clamav-daemon clamav-freshclam coturn"

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

node_suffices() {
    local version
    version=$(node --version 2>/dev/null) && npm --version >/dev/null 2>&1 || return 1
    version=${version#v}
    [ "${version%%.*}" -ge 18 ]
}

# The names of the packages in these lists that are neither installed nor made unnecessary.
missing_packages() {
    local name unless installed
    installed=" $(dpkg-query -W -f='${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | tr '\n' ' ')"
    while read -r name unless; do
        case $name in '' | '#'*) continue ;; esac
        case $installed in *" $name "*) continue ;; esac
        case $unless in
            node) node_suffices && continue ;;
            /*) [ -e "$unless" ] && continue ;;
        esac
        printf '%s ' "$name"
    done < <(cat "$@")
}

forbid() {
    if [ -e "$policy" ] && ! grep -qF "$mark" "$policy"; then
        mv "$policy" "$policy.peal-saved"
    fi
    printf '#!/bin/sh\n%s\nexit 101\n' "$mark" > "$policy.peal-new"
    chmod 755 "$policy.peal-new"
    mv "$policy.peal-new" "$policy"
}

permit() {
    rm -f "$policy.peal-new"
    if [ -e "$policy" ] && grep -qF "$mark" "$policy"; then rm -f "$policy"; fi
    if [ -e "$policy.peal-saved" ]; then mv "$policy.peal-saved" "$policy"; fi
    if [ -e "$cluster" ] && grep -qF "$mark" "$cluster"; then
        sed "\|$mark|d" "$cluster" > "$cluster.peal-new"
        cat "$cluster.peal-new" > "$cluster"    # keeps its owner and mode
        rm -f "$cluster.peal-new"
    fi
}

apt() {
    DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=600 \
        -o Acquire::Retries=3 "$@" >> "$log" 2>&1 </dev/null || {
        tail -n 30 "$log" >&2
        die "apt-get $1 failed; the whole of it is in $log"
    }
}

is_installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
unit_known() { [ -e "/lib/systemd/system/$1.service" ]; }

as_root() {
    local new="" service
    exec 9> "$lock"
    flock 9
    permit                                              # what a killed run left
    wanted=$(missing_packages "$@")                     # another checkout may have installed them meanwhile
    [ -n "$wanted" ] || exit 0
    log=$(mktemp /tmp/peal-setup-XXXXXX.log)
    trap permit EXIT
    trap 'exit 130' INT TERM HUP
    for service in $services; do unit_known "$service" || new="$new $service"; done
    forbid
    say "installing: $wanted"
    began=$SECONDS
    DEBIAN_FRONTEND=noninteractive dpkg --configure -a >> "$log" 2>&1 </dev/null || true
    apt update
    case " $wanted " in
        *" postgresql-15 "*)
            is_installed postgresql-common || apt install --no-install-recommends postgresql-common
            printf 'create_main_cluster = false %s\n' "$mark" >> "$cluster"
            ;;
    esac
    # shellcheck disable=SC2086
    apt install --no-install-recommends $wanted
    for service in $new; do
        if unit_known "$service" && command -v systemctl >/dev/null; then
            systemctl disable "$service" >> "$log" 2>&1 || true
            say "$service is installed but not enabled (systemctl enable --now $service, if you want the system's own)"
        fi
    done
    rm -f "$log"
    say "installed in $((SECONDS - began)) s"
}

lists="packages-run.txt"
[ "${1:-}" = test ] && lists="$lists packages-test.txt"
command -v apt-get >/dev/null || die "this is not a Debian: install the packages named in dev/packages-run.txt by hand"
# shellcheck disable=SC2086
wanted=$(missing_packages $lists)
[ -n "$wanted" ] || exit 0
if [ "$(id -u)" -eq 0 ]; then
    # shellcheck disable=SC2086
    as_root $lists
elif command -v sudo >/dev/null; then
    # without a terminal sudo could only wait for ever
    ask=""
    [ -t 0 ] || ask="-n"
    # shellcheck disable=SC2086
    sudo $ask env ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
        bash "$PWD/setup.sh" "$@" || die "sudo did not install: $wanted"
else
    die "these packages are missing, and installing them needs root or sudo; as root: apt-get install --no-install-recommends $wanted"
fi
