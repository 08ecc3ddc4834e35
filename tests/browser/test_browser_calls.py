"""Runs calls.mjs: pages of Chromium that call each other through Debian's coturn, configured as docs/calls.md says."""

import json
import os
import pathlib
import re
import subprocess
import time

import pytest

from peal import turn
from test_browser import PEOPLE, register

FILE = pathlib.Path(__file__).with_name("calls.mjs")
PORT = turn.free_port()
STACK = {"push_processes": 2, "settings": {"call_turn_urls": f"turn:127.0.0.1:{PORT}?transport=udp turn:127.0.0.1:{PORT}?transport=tcp"}}


ALLOWED_LOG = [r"connect\(\) to unix:\S+/sock/\S+ failed", r"recv\(\) failed", r"upstream prematurely closed"]
DEEP = int(os.environ.get("TIER") or 1) >= 2


def listed():
    """Those that wait long for a browser to give up are of the deep tier."""
    all_ = re.findall(r"^(test|deep)\(\s*'((?:[^'\\]|\\.)*)'", FILE.read_text(encoding="utf-8"), re.M)
    return [name for word, name in all_ if word == "test" or DEEP]


def watch(stack, server, process, folder):
    """Does what the pages' test asks for by a file, and says so by removing it. Services end with the thread that started them: this one."""
    def kill_push():
        for i in range(2):
            stack.kill(f"peal-push-{i}")
            stack.start(f"peal-push-{i}")

    def restart_turn():
        server.__exit__()
        server.__enter__()

    deeds, end = {"kill-push": kill_push, "restart-turn": restart_turn}, time.monotonic() + 600
    while process.poll() is None:
        assert time.monotonic() < end, "it does not end"
        for name in os.listdir(folder):
            deeds[name]()
            os.remove(folder / name)
        time.sleep(0.05)


@pytest.fixture(scope="module")
def report(stack, tmp_path_factory):
    users, folder, out = [register(stack.url, *person) for person in PEOPLE[:3]], tmp_path_factory.mktemp("asked"), stack.dir / "node.out"
    env = {**os.environ, "PEAL_URL": stack.url, "PEAL_USERS": json.dumps(users), "PEAL_ASK": str(folder), "NO_COLOR": "1"}
    secret = (stack.dir / "keys" / "turn.secret").read_text().strip()
    with turn.Coturn(stack.dir, secret, as_user=stack.as_user, port=PORT) as server, open(out, "wb") as to:
        with subprocess.Popen(["node", "--test", "--test-reporter=tap", str(FILE)], env=env, stdout=to, stderr=to) as process:
            try:
                watch(stack, server, process, folder)
            finally:
                process.kill()
        log = server.log()
    said = out.read_text(errors="replace")
    return {name.replace("\\#", "#"): word == "ok" for word, name in re.findall(r"^\s*(not ok|ok) \d+ - (.*?)\s*$", said, re.M)}, process.returncode, said, log


@pytest.mark.parametrize("name", listed())
def test_in_browser(report, name):
    passed, _, said, _ = report
    assert passed.get(name), said


def test_nothing_else_went_wrong(report):
    _, code, said, log = report
    assert code == 0, said
    assert "session" in log, "coturn served nobody"
