"""What takes a minute by its nature; only with TIER=2 and above."""

import json
import os
import time

import pytest

from peal.ws import Raw

pytestmark = pytest.mark.skipif(int(os.environ.get("PEAL_TIER") or os.environ.get("TIER") or 1) < 2, reason="TIER=2 and above")


def test_the_whole_retry_schedule(stack, pair):
    """2, 4, 8, 16 and 32 s, then 4008: 62 s of silence in all."""
    a, b, conversation = pair
    with Raw(stack, b.token, timeout=40) as raw:
        raw.text({"type": "hello", "device_id": "deaf", "since": None})
        while json.loads(raw.recv()[1])["type"] != "live":
            pass
        a.say(conversation, "unacknowledged")
        start, retries = time.monotonic(), []
        while True:
            opcode, payload = raw.recv()
            if opcode == 9:
                raw.send(Raw.frame(10, payload))
            elif opcode == 8:
                break
            elif json.loads(payload)["type"] == "retry":
                retries.append(time.monotonic() - start)
        assert int.from_bytes(payload[:2], "big") == 4008
        assert len(retries) == 5 and 60 < time.monotonic() - start < 100, retries
        for got, want in zip(retries, (2, 6, 14, 30, 62)):
            assert want - 0.5 < got < want + 6, retries


def test_no_progress(stack, pair):
    """Nothing is read for 30 s although there is more to write: 4013."""
    a, b, conversation = pair
    with Raw(stack, b.token, receive_buffer=4096) as raw:
        raw.text({"type": "hello", "device_id": "stuck", "since": None})
        while json.loads(raw.recv()[1])["type"] != "live":
            pass
        for i in range(250):
            a.say(conversation, f"{i} " + "x" * 16000)
        assert stack.log_line("code=4013", 60)
