"""What `make install` makes of a system: the files and no others, units that systemd accepts and that may do next to nothing."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SERVICES = ["peal-fcgi.service", "peal-auth.service", "peal-jobs.service", "peal-egress.service", "peal-media.service", "peal-push@.service"]
SOCKETS = {
    # unit: (path, who may connect, which service gets it)
    "peal-fast.socket": ("/run/peal/fast.sock", "www-data", "peal-fcgi.service"),
    "peal-slow.socket": ("/run/peal/slow.sock", "www-data", "peal-fcgi.service"),
    "peal-auth.socket": ("/run/peal/auth.sock", "www-data", "peal-auth.service"),
    "peal-command.socket": ("/run/peal/command.sock", "peal-push", "peal-fcgi.service"),
    "peal-feed.socket": ("/run/peal/feed.sock", "peal-push", "peal-fcgi.service"),
    "peal-upload.socket": ("/run/peal/upload.sock", "www-data", "peal-fcgi.service"),
    "peal-media.socket": ("/run/peal/media.sock", "www-data", "peal-media.service"),
    "peal-keeper.socket": ("/run/peal/keeper.sock", "peal", "peal-media.service"),
    "peal-tus.socket": ("/run/peal/tus.sock", "www-data", "peal-media.service"),
    "peal-stat-media.socket": ("/run/peal/stat-media.sock", "adm", "peal-media.service"),
    "peal-egress.socket": ("/run/peal/egress.sock", "peal", "peal-egress.service"),
    "peal-stat-egress.socket": ("/run/peal/stat-egress.sock", "adm", "peal-egress.service"),
    "peal-stat-jobs.socket": ("/run/peal/stat-jobs.sock", "adm", "peal-jobs.service"),
    "peal-push@.socket": ("/run/peal/push-%i.sock", "www-data", "peal-push@%i.service"),
    "peal-stat@.socket": ("/run/peal/stat-%i.sock", "adm", "peal-push@%i.service"),
}
EXPOSURE_AT_MOST = 20   # tenths
COMPANIONS = {"peal-fcgi.service": {"peal-auth.service"}}    # enabled with it


def run(*argv, **options):
    return subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=False, **options)


def make(what, dest, prefix="/usr"):
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    out = run("make", "--no-print-directory", what, f"DESTDIR={dest}", f"PREFIX={prefix}", cwd=ROOT, env=env)
    assert out.returncode == 0, out.stdout + out.stderr
    return out.stdout


def files(tree):
    return {"/" + str(p.relative_to(tree)) for p in tree.rglob("*") if not p.is_dir()}


def expected(prefix):
    """From what is in the checkout, not from what the script says."""
    want = {f"{prefix}/bin/pealctl", f"{prefix}/share/peal/openapi.json", f"{prefix}/lib/sysusers.d/peal.conf",
            f"{prefix}/lib/tmpfiles.d/peal.conf", "/etc/peal/peal.conf", "/etc/nginx/sites-available/peal"}
    want |= {f"{prefix}/lib/peal/{name}" for name in ("peal-fcgi", "peal-push", "peal-jobs", "peal-egress", "peal-media", "peal-media-image", "peal-media-av")}
    want |= {f"{prefix}/lib/systemd/system/{unit}" for unit in [*SERVICES, *SOCKETS]}
    want |= {f"{prefix}/share/peal/sql/{p.name}" for p in (ROOT / "sql").glob("*.sql")}
    want |= {f"{prefix}/share/peal/web{name}" for name in files(ROOT / "web" / "dist")}
    want |= {f"/etc/nginx/snippets/{p.name}" for p in (ROOT / "nginx" / "snippets").iterdir()}
    want |= {f"{prefix}/share/doc/peal/{name}" for name in ("README.md", "LICENSE")}
    want |= {f"{prefix}/share/doc/peal/docs/{p.name}" for p in (ROOT / "docs").iterdir() if p.is_file()}
    return want


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    dest = tmp_path_factory.mktemp("usr")
    make("install", dest)
    return dest


@pytest.fixture(scope="module")
def units(tree):
    """The installed units with paths that exist here, since systemd-analyze wants to see every binary."""
    folder = tree.parent / "units"
    shutil.copytree(tree / "usr/lib/systemd/system", folder)
    for unit in folder.iterdir():
        unit.write_text(unit.read_text().replace("/usr/lib/peal/", f"{tree}/usr/lib/peal/")
                        .replace("/usr/share/doc/", f"{tree}/usr/share/doc/"))
    # what the units are ordered after stands on the target
    for name in ("postgresql.service", "redis-server.service"):
        (folder / name).write_text(f"[Unit]\nDescription={name}\n[Service]\nExecStart=/bin/true\n")
    return folder


def setting(text, key):
    return re.findall(rf"^{key}=(.*)$", text, re.M)


def test_exactly_these_files(tree):
    assert files(tree) == expected("/usr")


def test_modes(tree):
    for path in (tree / p[1:] for p in files(tree)):
        binary = path.parent.name in ("bin", "peal") and path.parent.parent.name in ("usr", "lib")
        assert path.stat().st_mode & 0o7777 == (0o755 if binary else 0o644), path
        assert not path.is_symlink()


def test_another_prefix_is_written_everywhere(tmp_path):
    make("install", tmp_path, "/opt/peal")
    assert files(tmp_path) == expected("/opt/peal")
    for path in (tmp_path / p[1:] for p in files(tmp_path)):
        if path.suffix in (".service", ".socket", ".conf") or path.name == "peal":
            if path.is_relative_to(tmp_path / "opt/peal/lib/systemd") or path.is_relative_to(tmp_path / "etc/nginx"):
                assert not re.search(r"/usr/(lib|share|bin)/", path.read_text()), path
    assert "ExecStart=/opt/peal/lib/peal/peal-fcgi " in (tmp_path / "opt/peal/lib/systemd/system/peal-fcgi.service").read_text()
    assert "root /opt/peal/share/peal/web;" in (tmp_path / "etc/nginx/sites-available/peal").read_text()
    # pealctl finds its migrations beside itself: it gets as far as asking for the database
    conf = tmp_path / "peal.conf"
    conf.write_text(f"database_owner = host={tmp_path}/none dbname=peal\n")
    out = run(tmp_path / "opt/peal/bin/pealctl", "-c", conf, "migrate")
    assert out.returncode == 1 and "cannot connect to the database" in out.stderr


@pytest.mark.parametrize("prefix", ["relative", "/with blank", "/a|b"])
def test_a_prefix_that_cannot_be_written_is_refused(tmp_path, prefix):
    out = run("dev/install.sh", "install", cwd=ROOT, env={**os.environ, "PREFIX": prefix, "DESTDIR": str(tmp_path)})
    assert out.returncode == 1 and "PREFIX" in out.stderr and not files(tmp_path)


def test_what_a_sysadmin_changed_stays(tmp_path):
    make("install", tmp_path)
    conf, site = tmp_path / "etc/peal/peal.conf", tmp_path / "etc/nginx/sites-available/peal"
    lists = [tmp_path / f"etc/nginx/snippets/peal-{name}.conf" for name in ("proxies", "origins")]
    fresh = {p: p.read_text() for p in (conf, site)}
    make("install", tmp_path)
    assert not list(tmp_path.rglob("*.sample")), "nothing was changed, so nothing is to be compared"
    conf.write_text("public_url = https://chat.example.org\n")
    for path in (site, *lists):
        path.write_text("# mine\n")
    said = make("install", tmp_path)
    assert "/etc/peal/peal.conf.sample" in said and "/etc/nginx/sites-available/peal.sample" in said
    assert conf.read_text() == "public_url = https://chat.example.org\n"
    assert {path.read_text() for path in (site, *lists)} == {"# mine\n"}
    for path, text in fresh.items():
        assert pathlib.Path(f"{path}.sample").read_text() == text


def test_uninstall_leaves_configuration_and_keys(tmp_path):
    make("install", tmp_path)
    key, other = tmp_path / "etc/peal/token.key", tmp_path / "usr/bin/other"
    key.write_text("secret")
    other.write_text("not ours")
    make("uninstall", tmp_path)
    assert files(tmp_path) == {"/etc/peal/peal.conf", "/etc/peal/token.key", "/etc/nginx/sites-available/peal", "/usr/bin/other",
                               "/etc/nginx/snippets/peal-origins.conf", "/etc/nginx/snippets/peal-proxies.conf"}


def test_the_sample_configuration_is_good_and_explains_every_key(tree):
    conf = tree / "etc/peal/peal.conf"
    out = run(tree / "usr/bin/pealctl", "-c", conf, "config", "check")
    assert out.returncode == 0, out.stderr
    text = conf.read_text()
    keys = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/configuration.md").read_text().split("\n## Issuers\n")[0], re.M)
    assert len(keys) > 50
    for key in keys:
        assert re.search(rf"^# \w.*\n# Accepted: .*\n#{key} =", text, re.M), key
    # every default, said aloud, is accepted too
    loud = tree.parent / "loud.conf"
    loud.write_text(re.sub(r"^#(\w+ =)", r"\1", text, flags=re.M))
    out = run(tree / "usr/bin/pealctl", "-c", loud, "config", "check")
    assert out.returncode == 0, out.stderr


def test_units_are_verified(units):
    names = [str(units / name.replace("@.", "@0.")) for name in [*SERVICES, *SOCKETS]]
    for name in ("peal-push@.service", "peal-push@.socket", "peal-stat@.socket"):
        shutil.copy(units / name, units / name.replace("@.", "@0."))
    out = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=yes", *names,
              env={**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:"})
    assert out.returncode == 0 and out.stdout + out.stderr == ""


def test_verification_would_notice(units, tmp_path):
    """Else the test above could pass for the wrong reason."""
    shutil.copytree(units, tmp_path / "units")
    bad = tmp_path / "units" / "peal-jobs.service"
    bad.write_text(bad.read_text().replace("ProtectHome=", "ProtectHome_="))
    out = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=yes", bad,
              env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}/units:"})
    assert out.returncode != 0 and "ProtectHome_" in out.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_exposure(units, service):
    out = run("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_AT_MOST}", "--no-pager", units / service)
    assert out.returncode == 0, out.stdout
    assert re.search(r"Overall exposure level for \S+: \d\.\d", out.stdout)


@pytest.mark.parametrize("service", SERVICES)
def test_services_take_their_sockets_from_systemd(units, service):
    text = (units / service).read_text()
    mine = {name for name, (_, _, owner) in SOCKETS.items() if owner.replace("%i", "") == service}
    assert set(" ".join(setting(text, "Sockets")).replace("%i", "").split()) == mine
    assert set(" ".join(setting(text, "Also")).replace("%i", "").split()) == mine | COMPANIONS.get(service, set())
    assert setting(text, "Type") == ["notify"] and setting(text, "WatchdogSec") == ["30"]
    assert setting(text, "User")[0] != "root"


def test_passwords_have_a_unit_of_their_own(units):
    """One program: what is done to the workers is done to those that hash, but these get less of the processors."""
    rest, auth = ((units / f"peal-{name}.service").read_text() for name in ("fcgi", "auth"))
    pools = [re.search(r" -p (\S+)$", setting(text, "ExecStart")[0])[1].split(",") for text in (rest, auth)]
    assert pools == [["fast", "slow", "feed"], ["auth"]]
    assert setting(rest, "Wants") == ["peal-auth.service"]
    assert setting(auth, "PartOf") == setting(auth, "ReloadPropagatedFrom") == ["peal-fcgi.service"]
    assert setting(rest, "CPUWeight") == [] and setting(auth, "CPUWeight") == ["10"]
    cage = [[line for line in text.split("NoNewPrivileges")[1].split("[Install]")[0].splitlines() if line and not line.startswith("#")]
            for text in (rest, auth)]
    assert [line for line in cage[1] if line not in cage[0]] == ["SystemCallFilter=setpriority"] and set(cage[0]) <= set(cage[1])


@pytest.mark.parametrize("socket", SOCKETS)
def test_who_may_connect(units, socket):
    path, group, service = SOCKETS[socket]
    text = (units / socket).read_text()
    assert [setting(text, k)[0] for k in ("ListenStream", "SocketUser", "SocketGroup", "SocketMode", "Service")] == \
        [path, "root", group, "0660", service]
    # the name by which the daemon asks for it
    assert setting(text, "FileDescriptorName")[0] == pathlib.Path(path).stem


def test_accounts_and_folders(tree, tmp_path):
    """The files do what they say, in an empty root."""
    (tmp_path / "etc").mkdir()
    for name, line in (("passwd", "root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\n"),
                       ("group", "root:x:0:\nwww-data:x:33:\n")):
        (tmp_path / "etc" / name).write_text(line)
    out = run("systemd-sysusers", f"--root={tmp_path}", tree / "usr/lib/sysusers.d/peal.conf")
    assert out.returncode == 0, out.stderr
    groups = {g[0]: g[3] for g in (line.split(":") for line in (tmp_path / "etc/group").read_text().splitlines())}
    assert set(groups["redis"].split(",")) == {"peal", "peal-push"} and groups["peal"] == groups["peal-push"] == ""
    assert groups["peal-s3"] == "peal"
    people = {p[0]: p for p in (line.split(":") for line in (tmp_path / "etc/passwd").read_text().splitlines())}
    assert people["peal"][6] == people["peal-push"][6] == "/usr/sbin/nologin"
    if os.geteuid() != 0:
        return
    for _ in range(2):
        out = run("systemd-tmpfiles", "--create", f"--root={tmp_path}", tree / "usr/lib/tmpfiles.d/peal.conf")
        assert out.returncode == 0, out.stderr
    conf, media = (tmp_path / "etc/peal").stat(), (tmp_path / "var/lib/peal/media").stat()
    assert conf.st_mode & 0o7777 == 0o2755 and str(conf.st_gid) == people["peal"][3]
    assert media.st_mode & 0o7777 == 0o750 and (media.st_uid, media.st_gid) == (33, 33)


def test_keys_are_readable_by_the_workers_only(tree, tmp_path):
    """Made by root with whatever umask in a setgid folder; a key that exists is left alone."""
    conf = tmp_path / "peal.conf"
    names = {"token_private_key_file": "token.key", "token_public_key_file": "token.pub", "refresh_key_file": "refresh.key",
             "media_link_secret_file": "media-link.conf", "factor_key_file": "factor.key"}
    conf.write_text("".join(f"{key} = {tmp_path}/{name}\n" for key, name in names.items()))
    out = run(tree / "usr/bin/pealctl", "-c", conf, "keys", "generate", umask=0o777)
    assert out.returncode == 0, out.stderr
    modes = {name: (tmp_path / name).stat().st_mode & 0o7777 for name in names.values()}
    assert modes == {"token.key": 0o640, "token.pub": 0o644, "refresh.key": 0o640, "media-link.conf": 0o640, "factor.key": 0o640}
    before = (tmp_path / "refresh.key").read_bytes()
    assert run(tree / "usr/bin/pealctl", "-c", conf, "keys", "generate").returncode == 1
    assert (tmp_path / "refresh.key").read_bytes() == before
