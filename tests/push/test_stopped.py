"""A push process that was stopped for a while (a paused machine, a debugger) blames nobody for what it did not hear."""

import contextlib
import json
import os
import signal
import time

import pytest

from peal.ws import Raw

STACK = {"settings": {"push_hello_seconds": 5, "push_heartbeat_seconds": 1, "push_dead_seconds": 4}}
STOPPED = 6.5
PATIENCE = 30


def until(raw, kind):
    """Reads on to a frame of this type; pings may come before it, nothing else."""
    opcode, payload = raw.recv()
    while opcode == 9 or (opcode == 1 and json.loads(payload)["type"] != kind):
        opcode, payload = raw.recv()
    assert opcode == 1, payload


def forget_pings(raw):
    """What came before the stop."""
    raw.sock.settimeout(0.2)
    with contextlib.suppress(TimeoutError):
        while True:
            assert raw.recv()[0] == 9
    raw.sock.settimeout(PATIENCE)


def live(stack, person):
    raw = Raw(stack, person.token, timeout=PATIENCE)
    raw.text({"type": "hello", "device_id": "live", "since": None})
    until(raw, "live")
    return raw


@pytest.fixture
def sockets(stack, person):
    with contextlib.ExitStack() as held:
        yield {name: held.enter_context(open_()) for name, open_ in (
            ("silent", lambda: live(stack, person)), ("talking", lambda: live(stack, person)),
            ("late", lambda: Raw(stack, person.token, timeout=PATIENCE)), ("early", lambda: Raw(stack, person.token, timeout=PATIENCE)))}


def test_a_process_that_was_stopped_blames_nobody(stack, sockets):
    """Who had time for a hello still has it; who was not asked for a sign of life is asked, not taken for dead."""
    pid = stack.pid("peal-push-0")
    os.kill(pid, signal.SIGSTOP)
    try:
        sockets["early"].text({"type": "hello", "device_id": "early", "since": None})
        sockets["talking"].text({"type": "ping"})
        forget_pings(sockets["silent"])
        time.sleep(STOPPED)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert sockets["silent"].recv() == (9, b""), "asked for a sign of life before it is taken for dead"
    sockets["late"].text({"type": "hello", "device_id": "late", "since": None})
    until(sockets["early"], "welcome")
    until(sockets["late"], "welcome")
    until(sockets["talking"], "pong")
    sockets["silent"].send(Raw.frame(10))
    sockets["silent"].text({"type": "ping"})
    until(sockets["silent"], "pong")
