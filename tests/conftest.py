"""The fixture that all tests of the running thing share: a private stack (dev/stack.py) per module, checked when it ends.

A module that needs its own limits says `STACK = {"settings": {...}, "push_processes": 2}` at its top; one that provokes faults
says which log lines are no surprise: `ALLOWED_LOG = [r"..."]`.
"""

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "dev"), str(ROOT / "tests")]

from peal import secrets, seen  # noqa: E402
import stack as stacks  # noqa: E402

seen.watch()
secrets.watch()
stacks.SECRETS.append(secrets.found)


def pytest_sessionfinish():
    seen.leave()


def pytest_addoption(parser):
    parser.addoption("--kind", default="test", help="which build the stack runs: test or san")


@pytest.fixture(scope="session")
def new_stack(request):
    """Makes further stacks: `with new_stack(settings={...}) as stack`."""
    return lambda **options: stacks.Stack(kind=request.config.getoption("kind"), **options)


@pytest.fixture(scope="module")
def stack(request, new_stack):
    made = new_stack(**getattr(request.module, "STACK", {}))
    for pattern in getattr(request.module, "ALLOWED_LOG", []):
        made.allow(pattern)
    with made:
        yield made
