"""Times that are promised hold on a machine that has time. How much longer they may take on this one is measured, not guessed."""

import time

from .rest import Client

TIMES, LEAST = 10, 0.5


def slack(stack):
    """Seconds on top of a promised time: ten of the slowest of three round trips that should take a few milliseconds, and at least as long as
    a machine stalls that has none of it left when one looks."""
    client, slowest = Client(stack.url), 0
    for _ in range(3):
        began = time.monotonic()
        client.get("/capabilities", expect=200)
        slowest = max(slowest, time.monotonic() - began)
    return max(LEAST, TIMES * slowest)


def within(stack, took, seconds):
    """Did it take no longer than promised, as far as this machine can tell?"""
    return took < seconds or took < seconds + slack(stack)


def wait_for(condition, seconds=30, what="it did not come"):
    """What the condition says as soon as that is something."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, what
        time.sleep(0.05)
    return found


def eventually(what, condition, seconds=30):
    wait_for(condition, seconds, f"never: {what}")


def at_once(stack, what, condition):
    """Files go before the answer; or by the keeper's next turn, where it was not heard within the second that a worker waits for it."""
    if not condition():
        assert "files_not_removed_yet" in stack.log("peal-fcgi"), what
        eventually(what, condition)
