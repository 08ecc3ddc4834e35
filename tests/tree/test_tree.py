"""The tree itself: directions of includes, generated pages, what a release holds, and that nginx and the C code say the same."""

import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
RELEASE = ROOT / "build" / "release"
DAEMONS = ["peal-fcgi", "peal-push", "peal-jobs", "pealctl"]


def output(*argv):
    return subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=True, cwd=ROOT).stdout


def outcomes():
    """code -> (status, retryable, sentence), from lib/base/err.h."""
    rows = re.findall(r'X\(\w+, (\d+), "(\w+)", ([01]), "((?:[^"\\]|\\.)*)"\)', (ROOT / "lib/base/err.h").read_text())
    assert len(rows) > 20
    return {code: (int(status), retryable == "1", text) for status, code, retryable, text in rows}


def nginx_map(name):
    body = re.search(rf"map \$status \${name} {{(.*?)}}", (ROOT / "nginx/peal.conf").read_text(), re.S).group(1)
    return {key: value.strip('"') for key, value in re.findall(r'^\s*(\w+) (".*?"|\w+);', body, re.M)}


def test_includes_point_one_way():
    run = subprocess.run(["/usr/bin/python3", ROOT / "tests/tools/includes.py"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("page, verb", [("docs/errors.md", ["docs", "errors"]), ("docs/configuration.md", ["config", "reference"])])
def test_generated_pages_are_current(page, verb):
    assert (ROOT / page).read_text() == output(RELEASE / "pealctl", *verb), f"{page} is old: run `make docs`"


@pytest.mark.parametrize("daemon", DAEMONS)
def test_a_release_has_no_failpoints(daemon):
    assert "fail_point" not in output("nm", "-a", RELEASE / daemon)
    strings = output("strings", "-n", "6", RELEASE / daemon)
    names = set(re.findall(r"`((?:send|push|jobs)\.\w+)`", (ROOT / "docs/architecture.md").read_text()))
    assert len(names) >= 8 and not names & set(strings.split())


def test_failpoints_named_in_the_docs_exist_in_the_code():
    named = set(re.findall(r"`((?:send|push|jobs)\.\w+)`", (ROOT / "docs/architecture.md").read_text()))
    sources = [p for folder in ("lib", "fcgi", "push", "jobs") for p in (ROOT / folder).rglob("*.c")]
    placed = {name for p in sources for name in re.findall(r'FAILPOINT\("([\w.]+)"\)', p.read_text())}
    assert named <= placed, named - placed


def test_push_has_no_database():
    assert "libpq" not in output("readelf", "-d", RELEASE / "peal-push")


@pytest.mark.parametrize("daemon", DAEMONS)
def test_releases_are_hardened(daemon):
    header, dynamic = output("readelf", "-hlW", RELEASE / daemon), output("readelf", "-dW", RELEASE / daemon)
    assert "DYN (Position-Independent Executable" in header
    assert "GNU_RELRO" in header and "NOW" in dynamic
    assert re.search(r"GNU_STACK.* RW ", header)
    assert "__stack_chk_fail" in output("nm", "-D", RELEASE / daemon)


def test_nginx_says_what_the_code_says():
    table = outcomes()
    codes, details = nginx_map("peal_problem_code"), nginx_map("peal_problem_detail")
    assert codes.keys() == details.keys() == nginx_map("peal_problem_title").keys()
    retried = nginx_map("peal_retry_after")
    for status, code in codes.items():
        want_status, retryable, text = table[code]
        assert status in (str(want_status), "default"), code
        assert details[status] == text, code
        assert (status in retried and status != "default") == retryable, code


def test_nothing_is_left_to_do():
    files = output("git", "ls-files", "*.c", "*.h", "*.py", "*.sh", "*.ts", "*.tsx", "*.sql", "*.md", "*.conf", "Makefile").split()
    word = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
    assert not [f for f in files if (ROOT / f).exists() and word.search((ROOT / f).read_text(errors="replace"))]
