"""The browser tests (*.test.mjs, Node's own runner, playwright-core and Debian's Chromium), each file on a stack with five people."""

import json
import os
import pathlib
import re
import subprocess

import pytest

from peal.people import Person

HERE = pathlib.Path(__file__).resolve().parent
FILES = sorted(HERE.glob("*.test.mjs"))
# what Node's runner says of a test, as TAP (18) or in its own style (20); names of suites and files come the same way
VERDICT = re.compile(r"^# (pass|fail|cancelled) (\d+)", re.M)


@pytest.fixture(scope="module")
def people(stack):
    return [Person(stack, name) for name in ("alice", "bob", "carol", "dave", "erin")]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name.removesuffix(".test.mjs"))
def test_browser(stack, people, file):
    out = HERE.parent / "out"
    out.mkdir(exist_ok=True)
    env = {**os.environ, "PEAL_URL": stack.url, "PEAL_OUT": str(out), "NO_COLOR": "1",
           "PEAL_USERS": json.dumps([{"username": p.username, "password": p.password} for p in people])}
    run = subprocess.run(["/usr/bin/setpriv", "--pdeathsig", "TERM", "--", "node", "--test", *reporter(), str(file)], env=env,
                         capture_output=True, text=True, timeout=600, check=False)
    counts = dict(VERDICT.findall(run.stdout))
    assert run.returncode == 0, run.stdout[-12000:] + run.stderr[-2000:]
    assert int(counts.get("pass", 0)) > 0, run.stdout[-4000:]


def reporter():
    """TAP on every version: 18 prints it by default and may not know the option."""
    major = int(subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout[1:].split(".")[0])
    return ["--test-reporter=tap"] if major >= 20 else []
