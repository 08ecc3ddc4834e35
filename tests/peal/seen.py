"""Which codes of lib/base/err.h the tests have seen, by HTTP or in a frame of a socket. dev/test.py asks all parts together.

    PEAL_SEEN=/tmp/seen pytest ...      leaves a file with the codes there, one a line
"""

import http.client
import json
import os
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
SEEN = set()

# Codes that no test of a running system makes, and why.
UNSEEN = {}


def listed():
    text = (ROOT / "lib/base/err.h").read_text(encoding="utf-8")
    return re.findall(r'X\(\w+, \d+, "(\w+)"', text)


def note(problem):
    """A reply's or a frame's document, whatever it is."""
    if isinstance(problem, dict) and isinstance(problem.get("code"), str):
        SEEN.add(problem["code"])


def watch():
    """From here on every problem+json that http.client reads is noted, whichever test asked."""
    read = http.client.HTTPResponse.read

    def reading(self, *args):
        data = read(self, *args)
        if data and (self.getheader("Content-Type") or "").startswith("application/problem+json"):
            try:
                note(json.loads(data))
            except ValueError:
                pass        # a piece of one, or a test that cut it off
        return data
    http.client.HTTPResponse.read = reading


def leave():
    """Called when a run of pytest ends."""
    folder = os.environ.get("PEAL_SEEN")
    if folder:
        (pathlib.Path(folder) / f"codes-{os.getpid()}").write_text("\n".join(sorted(SEEN)), encoding="ascii")


def missing(folder):
    """What nobody saw, and what somebody saw that UNSEEN says cannot be seen."""
    seen = {code for file in pathlib.Path(folder).glob("codes-*") for code in file.read_text(encoding="ascii").split()}
    return ([f"no test has seen the code {code}" for code in listed() if code not in seen | set(UNSEEN)]
            + [f"{code} was seen: take it out of UNSEEN in tests/peal/seen.py" for code in UNSEEN if code in seen]
            + [f"{code} is in UNSEEN, but in no list" for code in UNSEEN if code not in listed()])
