#!/usr/bin/env bash
# tests/tools/nspawn.sh [root|user|interrupted] -- a fresh clone of HEAD on a bare Debian 12, booted under systemd-nspawn: times `make run`, a
# second start and `make test` there, and checks that nothing of the distribution's was started, enabled or changed. Needs root,
# debootstrap and systemd-container. `interrupted` breaks the first installation off, twice, on a system with a policy-rc.d of its
# own. QUICK=1 leaves `make test` out. The bare system is kept in $CACHE; packages are fetched anew each time.
set -euo pipefail
{   # read whole before it runs, so that an edit meanwhile changes nothing

who=${1:-root}
checkout=$(cd "$(dirname "$0")/../.." && pwd)
CACHE=${CACHE:-/var/tmp/peal-nspawn}
base=$("$checkout/tests/tools/bare.sh")

root=$CACHE/$who-$$
trap 'rm -rf "$root"' EXIT
cp -a --reflink=auto "$base" "$root"
git clone -q --no-hardlinks "$checkout" "$root/peal.git"

printf '127.0.0.1 localhost %s\n' "$(hostname)" > "$root/etc/hosts"

# a listener on port 80, as on a host that serves something already
cat > "$root/etc/systemd/system/taken.socket" <<'UNIT'
[Socket]
ListenStream=127.0.0.1:80
Accept=yes
[Install]
WantedBy=sockets.target
UNIT
printf '[Service]\nExecStart=/bin/true\n' > "$root/etc/systemd/system/taken@.service"

cat > "$root/etc/systemd/system/check.service" <<'UNIT'
[Unit]
After=multi-user.target
[Service]
Type=oneshot
TimeoutStartSec=infinity
Environment=HOME=/root NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
StandardOutput=file:/check.log
StandardError=inherit
ExecStart=/bin/bash /check.sh
ExecStopPost=/sbin/poweroff
UNIT

{ echo "who=$who"; cat <<'CHECK'; } > "$root/check.sh"
set -um
failed=0
expect() { local what=$1; shift; if "$@"; then echo "ok: $what"; else echo "NOT OK: $what"; failed=1; fi; }
not() { ! "$@"; }
timed() { local what=$1 began; shift; began=$(date +%s.%N); "$@"; local code=$?
    echo "figures: $what: $(echo "$(date +%s.%N) $began" | awk '{printf "%.1f", $1 - $2}') s, code $code"; return $code; }
# the brackets keep the pattern from finding grep itself
pgrep_dpkg() { cat /proc/[0-9]*/comm 2>/dev/null | grep -qx dpkg; }
lives() { grep -lsE "$home/[p]eal/|/var/tmp/[p]eal-dev|/tmp/[p]eal-" /proc/[0-9]*/cmdline; }
if [ $who != user ]; then
    mkdir -m 0700 /root/work; home=/root/work
    as() { "$@"; }
else
    useradd -m -s /bin/bash dev; home=/home/dev
    echo 'dev ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/dev
    as() { runuser -u dev -- env HOME=/home/dev NODE_EXTRA_CA_CERTS="$NODE_EXTRA_CA_CERTS" "$@"; }
fi
chmod -R a+rX /peal.git
as git config --global --add safe.directory '*'
as git clone -q /peal.git $home/peal; cd $home/peal
policy=absent
if [ $who = interrupted ]; then
    policy='exit 0 # the sysadmin says so'
    echo "$policy" > /usr/sbin/policy-rc.d
    for signal in INT KILL; do
        dev/setup.sh & setup=$!
        until pgrep_dpkg; do sleep 0.05; done; sleep 2
        if [ $signal = INT ]; then
            # what a terminal does: the whole group hears it
            kill -INT -- -$setup; wait $setup
            expect "interrupted: policy-rc.d is the old one" test "$(cat /usr/sbin/policy-rc.d)" = "$policy"
            expect "interrupted: createcluster.conf is untouched" not grep -q "^create_main" /etc/postgresql-common/createcluster.conf
        else
            kill -KILL -- -$setup; wait $setup
            while pgrep_dpkg; do sleep 0.05; done
        fi
    done
fi
expect "make run" timed "make run, first" as make run DETACH=1 PORT=18080
expect "it serves" as make status
expect "port 80 is still the other's" systemctl -q is-active taken.socket
for unit in nginx redis-server postgresql; do
    expect "$unit is not running" not systemctl -q is-active $unit
    expect "$unit is not enabled" not systemctl -q is-enabled $unit
done
expect "no cluster" test -z "$(ls /etc/postgresql/*/ 2>/dev/null)"
expect "policy-rc.d is as it was" test "$(cat /usr/sbin/policy-rc.d 2>/dev/null || echo absent)" = "$policy"
expect "nothing was saved and forgotten" test -z "$(ls /usr/sbin/policy-rc.d.* /etc/postgresql-common/*.peal* 2>/dev/null)"
expect "createcluster.conf is the package's" cmp /etc/postgresql-common/createcluster.conf /usr/share/postgresql-common/createcluster.conf
expect "only nginx's port is open" test "$(awk '$4 == "0A"' /proc/net/tcp | grep -c ':46A0 ')" = 1
expect "make stop" as make stop
expect "second start" timed "make run, second" as make run DETACH=1 PORT=18080
CHECK
if [ "${QUICK:-}" = "" ]; then
    # beside the running stack
    printf '%s\n' 'expect "make test" timed "make test, first" as env CI=true bash .ci/run' >> "$root/check.sh"
fi
printf '%s\n' 'expect "make stop" as make stop' \
    'expect "nothing left running" not lives' 'echo "result: $failed"' >> "$root/check.sh"

mkdir -p "$root/etc/systemd/system/multi-user.target.wants" "$root/etc/systemd/system/sockets.target.wants"
ln -s ../check.service "$root/etc/systemd/system/multi-user.target.wants/check.service"
ln -s ../taken.socket "$root/etc/systemd/system/sockets.target.wants/taken.socket"
timeout 5400 systemd-nspawn -q -b -D "$root" --keep-unit --register=no --private-users=no --resolv-conf=bind-host \
    --console=read-only > "$CACHE/$who-console.log" 2>&1 < /dev/null || true
cp "$root/check.log" "$CACHE/$who-check.log"
cat "$CACHE/$who-check.log"
grep -q '^result: 0$' "$CACHE/$who-check.log" && exit 0
exit 1
}
