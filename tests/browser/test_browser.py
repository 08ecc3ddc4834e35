"""Runs the browser tests (*.test.mjs, playwright-core on Debian's Chromium) against a private stack with five people in it.

Each of them counts as a test here: a file is run once, and its report is read for every name that stands in it.
"""

import json
import os
import pathlib
import re
import subprocess
import urllib.request

import pytest

HERE = pathlib.Path(__file__).parent
OUT = HERE.parent / "out"
PEOPLE = [("alice", "Alice Archer"), ("bob", "Bob Baker"), ("carol", "Carol Chen"), ("dan", "Dan Duarte"), ("eva", "Eva Lindqvist")]
SECONDS = 600


def listed():
    """(file, name) of everything that stands there, without running it."""
    for file in sorted(HERE.glob("*.test.mjs")):
        for name in re.findall(r"^test\(\s*'((?:[^'\\]|\\.)*)'", file.read_text(encoding="utf-8"), re.M):
            yield pytest.param(file.name, name.replace("\\'", "'"), id=f"{file.name.split('.')[0]}: {name}")


def register(url, username, name):
    body = {"username": username, "display_name": name, "password": f"{username}-likes-long-passwords", "token_delivery": "body"}
    request = urllib.request.Request(f"{url}/api/v1/auth/register", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as reply:
        assert reply.status == 201
    return {"username": username, "password": body["password"]}


@pytest.fixture(scope="module")
def report(stack):
    """report(file): {name of the test: whether it passed}, and what the run said."""
    users = [register(stack.url, *person) for person in PEOPLE]
    stack.pealctl("user", "role", "eva", "admin")
    env = {**os.environ, "PEAL_URL": stack.url, "PEAL_USERS": json.dumps(users), "PEAL_OUT": str(OUT), "NO_COLOR": "1"}
    done = {}

    def run(file):
        if file not in done:
            ran = subprocess.run(["node", "--test", "--test-reporter=tap", str(HERE / file)], env=env, timeout=SECONDS, text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            lines = re.findall(r"^\s*(not ok|ok) \d+ - (.*?)\s*$", ran.stdout, re.M)
            done[file] = ({name.replace("\\#", "#"): word == "ok" for word, name in lines}, ran)
        return done[file]

    return run


@pytest.mark.parametrize("file, name", listed())
def test_in_browser(report, file, name):
    passed, ran = report(file)
    assert passed.get(name), ran.stdout


@pytest.mark.parametrize("file", sorted(f.name for f in HERE.glob("*.test.mjs")))
def test_nothing_else_went_wrong(report, file):
    """Pages without complaints, hooks that worked: a file's exit code says it."""
    _, ran = report(file)
    assert ran.returncode == 0, ran.stdout
