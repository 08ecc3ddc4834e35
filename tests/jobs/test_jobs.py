"""peal-jobs: what a dead worker did not publish comes within two seconds, whoever else is away meanwhile."""

import time
import uuid

import pytest
import redis

from peal.people import pair

ALLOWED_LOG = [r"worker", r"database-away", r"away"]


class Ear:
    """What is published to one person."""

    def __init__(self, stack, person):
        self.pubsub = redis.Redis(unix_socket_path=stack.redis_socket).pubsub(ignore_subscribe_messages=True)
        self.pubsub.subscribe(f"u:{person.id}")
        self.pubsub.get_message(timeout=1)

    def hear(self, header, seconds):
        """How long until a record with this header; None when it did not come."""
        begin = time.monotonic()
        while time.monotonic() < begin + seconds:
            message = self.pubsub.get_message(timeout=0.1)
            if message and message["data"].startswith(header.encode() + b"\n"):
                return time.monotonic() - begin
        return None


def send_and_lose(stack, person, conversation, failpoint="send.before_publish"):
    """Sends a message whose worker dies there; the client gets no answer from it."""
    stack.fail(failpoint)
    reply = person.rest.post(f"/conversations/{conversation}/messages",
                             {"client_id": str(uuid.uuid4()), "message_type": "text", "content": "lost?"})
    assert not stack.armed(failpoint)
    return reply


def places(stack, conversation):
    return tuple(map(int, stack.psql(f"SELECT last_seq + last_rev, last_seq FROM conversation WHERE id = {conversation}").split("|")))


def test_republished_after_a_worker_died(stack):
    a, b, conversation = pair(stack)
    ear, took = Ear(stack, b), []
    for _ in range(3):
        send_and_lose(stack, a, conversation)
        position, seq = places(stack, conversation)
        took.append(ear.hear(f"d c{conversation} {position} {seq}", 10))
        assert took[-1] is not None
    assert sorted(took)[1] < 2.5, took


def test_what_was_published_is_left_alone(stack):
    a, b, conversation = pair(stack)
    ear = Ear(stack, b)
    a.say(conversation, "heard")
    position, seq = places(stack, conversation)
    assert ear.hear(f"d c{conversation} {position} {seq}", 10) is not None
    assert ear.hear(f"d c{conversation} {position} {seq}", 3) is None


def test_first_message_shows_the_conversation(stack):
    from peal.people import Person
    a, b = Person(stack), Person(stack)
    conversation = a.start(b)
    ear = Ear(stack, b)
    send_and_lose(stack, a, conversation)
    assert ear.hear(f"d c{conversation} 1 0", 10) is not None   # conversation_created, for b alone
    assert ear.hear(f"d c{conversation} 2 1", 10) is not None


def test_my_own_stream_too(stack):
    a, b, conversation = pair(stack)
    ear = Ear(stack, b)
    stack.psql(f"SELECT conversation_read({b.id}, {conversation}, 1, false, 32)")   # committed, and nobody rang
    assert ear.hear(f"d u{b.id} 1 0", 10) is not None


@pytest.mark.parametrize("failpoint", ["jobs.before_publish", "jobs.after_publish"])
def test_killed_itself(stack, failpoint):
    a, b, conversation = pair(stack)
    stack.fail(failpoint)
    send_and_lose(stack, a, conversation)
    stack.wait_death("peal-jobs")
    ear = Ear(stack, b)
    assert "peal-jobs" in stack.revive()
    position, seq = places(stack, conversation)
    if failpoint == "jobs.before_publish":
        assert ear.hear(f"d c{conversation} {position} {seq}", 10) is not None


def test_redis_away(stack):
    a, b, conversation = pair(stack)
    time.sleep(2.5)
    stack.stop("redis")
    a.say(conversation, "said without Redis")
    time.sleep(2)
    stack.start("redis")
    ear = Ear(stack, b)
    position, seq = places(stack, conversation)
    assert ear.hear(f"d c{conversation} {position} {seq}", 10) is not None


def test_postgresql_restarted(stack):
    a, b, conversation = pair(stack)
    stack.restart("postgres")
    for _ in range(50):
        if a.rest.get("/me").status == 200:
            break
        time.sleep(0.1)
    ear = Ear(stack, b)
    send_and_lose(stack, a, conversation)
    position, seq = places(stack, conversation)
    assert ear.hear(f"d c{conversation} {position} {seq}", 10) is not None


def test_partitions_of_the_week_to_come(stack):
    days = stack.psql("SELECT count(*) FROM pg_inherits WHERE inhparent = 'event'::regclass")
    stack.psql(f"SELECT event_drop_before((now() AT TIME ZONE 'UTC')::date + 20)")
    assert int(stack.psql("SELECT count(*) FROM pg_inherits WHERE inhparent = 'event'::regclass")) == 1
    stack.restart("peal-jobs")
    assert stack.psql("SELECT count(*) FROM pg_inherits WHERE inhparent = 'event'::regclass") == days
