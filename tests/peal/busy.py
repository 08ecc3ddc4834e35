"""Times that are promised hold on a machine that has time. How much longer they may take on this one is measured, not guessed."""

import time

from .rest import Client

TIMES = 10


def slack(stack):
    """Seconds on top of a promised time: ten of the slowest of three round trips that should take a few milliseconds."""
    client, slowest = Client(stack.url), 0
    for _ in range(3):
        began = time.monotonic()
        client.get("/capabilities", expect=200)
        slowest = max(slowest, time.monotonic() - began)
    return TIMES * slowest


def within(stack, took, seconds):
    """Did it take no longer than promised, as far as this machine can tell?"""
    return took < seconds or took < seconds + slack(stack)
