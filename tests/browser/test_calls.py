"""Runs calls.mjs: pages of Chromium that call each other through Debian's coturn, configured as docs/calls.md says."""

import json
import os
import pathlib
import re
import subprocess

import pytest

from peal import turn
from test_browser import PEOPLE, register

FILE = pathlib.Path(__file__).with_name("calls.mjs")
PORT = turn.free_port()
STACK = {"push_processes": 2, "settings": {"call_turn_urls": f"turn:127.0.0.1:{PORT}?transport=udp turn:127.0.0.1:{PORT}?transport=tcp"}}


def listed():
    return re.findall(r"^test\(\s*'((?:[^'\\]|\\.)*)'", FILE.read_text(encoding="utf-8"), re.M)


@pytest.fixture(scope="module")
def report(stack):
    users = [register(stack.url, *person) for person in PEOPLE[:3]]
    env = {**os.environ, "PEAL_URL": stack.url, "PEAL_USERS": json.dumps(users), "NO_COLOR": "1"}
    secret = (stack.dir / "keys" / "turn.secret").read_text().strip()
    with turn.Coturn(stack.dir, secret, as_user=stack.as_user, port=PORT) as server:
        ran = subprocess.run(["node", "--test", "--test-reporter=tap", str(FILE)], env=env, timeout=600, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return {name.replace("\\#", "#"): word == "ok" for word, name in re.findall(r"^\s*(not ok|ok) \d+ - (.*?)\s*$", ran.stdout, re.M)}, ran, server.log()


@pytest.mark.parametrize("name", listed())
def test_in_browser(report, name):
    passed, ran, _ = report
    assert passed.get(name), ran.stdout


def test_nothing_else_went_wrong(report):
    _, ran, log = report
    assert ran.returncode == 0, ran.stdout
    assert "usage" in log or "session" in log, "coturn served nobody"
