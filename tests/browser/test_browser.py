"""The browser tests (*.test.mjs, Node's own runner, playwright-core and Debian's Chromium), each file on a stack with five people."""

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile

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
    code, text = run(["/usr/bin/setpriv", "--pdeathsig", "TERM", "--", "node", "--test", *reporter(), str(file)], env, 240)
    counts = dict(VERDICT.findall(text))
    assert code == 0, text[-12000:]
    assert int(counts.get("pass", 0)) > 0, text[-4000:]


def run(argv, env, seconds):
    """(exit code, output); a browser that hangs is ended with all that belongs to it, and what was said until then is told."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as out:
        process = subprocess.Popen(argv, env=env, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            out.write(f"\nnot finished after {seconds} s\n")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        out.seek(0)
        return process.returncode, out.read()


def reporter():
    """TAP on every version: 18 prints it by default and may not know the option."""
    major = int(subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout[1:].split(".")[0])
    return ["--test-reporter=tap"] if major >= 20 else []
