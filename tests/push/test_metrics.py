"""The private listener: every number that is promised, in the format that Prometheus reads, and numbers that are right."""

import asyncio
import socket
import time

from peal import metrics
from peal.loop import operate, run
from peal.people import Person
from peal.ws import Raw, Socket

STACK = {"settings": {"push_metrics_port": 0}}
ALLOWED_LOG = [r"connect\(\) to unix:\S+/sock/\S+ failed|redis"]

NAMES = {
    "connections", "channels", "upgrades_total", "closes_total",
    "deliveries_total", "commit_to_write_seconds_count", "commit_to_write_seconds_sum", "commit_to_write_seconds_bucket",
    "retries_total", "replays_total", "replay_pages_total", "duplicates_total",
    "queue_frames", "queue_bytes", "queue_depth_bucket", "unacknowledged", "ephemeral_dropped_total",
    "received_bytes_total", "sent_bytes_total", "received_messages_total", "sent_frames_total",
    "encoded_total", "encoded_shared_total", "encoded_input_bytes_total", "encoded_output_bytes_total",
    "feed_live", "feed_losses_total", "cursor_age_seconds", "cursors_total", "signals_total", "door_open", "door_waiting",
    "loop_turn_seconds_bucket", "loop_turn_seconds_count", "resident_bytes",
}


def read(stack):
    return {k.removeprefix("peal_push_"): v for k, v in metrics.scrape(stack).items()}


async def test_every_number(stack, pair):
    a, b, conversation = pair
    async with await Socket.open(stack, b.token) as s, await Socket.open(stack, a.token):
        await s.hello()
        before = await run(read, stack)
        assert before["connections"]["live"] == 1 and before["connections"]["greeting"] == 1 and before["feed_live"] == 1
        for i in range(3):
            await run(a.say, conversation, f"{i}")
            await s.until("new_message")
        after = await run(read, stack)
        assert after["deliveries_total"]["live"] == before["deliveries_total"]["live"] + 3 and after["unacknowledged"] == 3
        assert after["commit_to_write_seconds_count"] == before["commit_to_write_seconds_count"] + 3
        assert 0 < after["commit_to_write_seconds_sum"] - before["commit_to_write_seconds_sum"] < 5
        await s.until("retry", 5)
        await s.send({"type": "ack", "count": 3})
        await s.send({"type": "sync", "conversation_id": conversation, "seq": 1, "rev": 1})
        await s.until("batch")
        later = await run(read, stack)
        assert later["retries_total"]["1"] == after["retries_total"]["1"] + 1 and later["replays_total"]["sync"] == after["replays_total"]["sync"] + 1
        assert later["deliveries_total"]["replay"] == after["deliveries_total"]["replay"] + 3
        assert later["queue_frames"] == later["queue_bytes"] == 0
    with Raw(stack, b.token) as raw:
        raw.send(Raw.frame(2, b"binary"))
        assert raw.close_code() == 1003
    until = time.monotonic() + 10
    while sum((last := await run(read, stack))["connections"].values()) and time.monotonic() < until:
        await asyncio.sleep(0.1)
    assert last["closes_total"]["1003"] == later.get("closes_total", {}).get("1003", 0) + 1 and last["unacknowledged"] == 0
    assert NAMES <= set(last), NAMES - set(last)
    assert last["upgrades_total"]["101"] >= 3 and sum(last["connections"].values()) == 0


def test_histograms_are_cumulative(stack):
    m = read(stack)
    for name in ("commit_to_write_seconds", "queue_depth", "loop_turn_seconds"):
        buckets = list(m[f"{name}_bucket"].values())
        assert buckets == sorted(buckets) and list(m[f"{name}_bucket"])[-1] == "+Inf" and buckets[-1] == m[f"{name}_count"]


async def test_redis_away(stack, person):
    before = await run(read, stack)
    await operate(stack.stop, "redis")
    for _ in range(100):
        if (m := await run(read, stack))["feed_live"] == 0:
            break
        await asyncio.sleep(0.05)
    assert m["feed_live"] == 0 and m["feed_losses_total"] == before["feed_losses_total"] + 1
    await operate(stack.start, "redis")


def test_only_what_is_asked_for(stack):
    path = metrics.socket_of(stack)
    assert metrics.exchange(path, b"GET / HTTP/1.1\r\n\r\n")[0] == 404
    assert metrics.exchange(path, b"POST /metrics HTTP/1.1\r\n\r\n")[0] == 405
    assert path.stat().st_mode & 0o777 == 0o660
    assert metrics.refuses_too_much(path)


def test_many_scrapers_at_once(stack):
    """Those who say nothing hold nobody up."""
    silent = []
    for _ in range(10):
        s = socket.socket(socket.AF_UNIX)
        s.connect(str(metrics.socket_of(stack)))
        silent.append(s)
    read(stack)
    for s in silent:
        s.close()


def test_on_a_port(new_stack):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    with new_stack(settings={"push_metrics_port": port}) as stack:
        Person(stack)
        assert metrics.parse(metrics.exchange(port)[2])["peal_push_feed_live"] == 1
        assert metrics.scrape(stack)["peal_push_feed_live"] == 1
