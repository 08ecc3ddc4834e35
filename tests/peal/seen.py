"""What the tests have seen, by HTTP or on a socket: codes of lib/base/err.h, frames of docs/asyncapi.yaml in both directions, close codes
that the daemon chose. dev/test.py asks all parts together.

    PEAL_SEEN=/tmp/seen pytest ...      leaves a file there, one a line
"""

import http.client
import json
import os
import pathlib
import re
import uuid

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
SEEN = set()
SIDES = {"receive": "client", "send": "server"}

# What no test of a running system makes, and why.
UNSEEN = {
    "close 1000": "the daemon repeats it, but never begins with it", "close 1001": "likewise: it is a browser's, whose page is left",
    "close 1011": "a fault of ours; none is known",
    "close 4008": "takes a minute: tests/push/test_patience.py, and the simulator", "close 4013": "takes half a minute: likewise",
}


def listed():
    text = (ROOT / "lib/base/err.h").read_text(encoding="utf-8")
    return re.findall(r'X\(\w+, \d+, "(\w+)"', text)


def promised():
    """Frames and close codes of the socket's contract."""
    text = (ROOT / "docs/asyncapi.yaml").read_text(encoding="utf-8")
    doc = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    for operation in doc["operations"].values():
        side = SIDES[operation["action"]]
        for message in operation["messages"]:
            name = message["$ref"].rsplit("/", 1)[1]
            yield f"{side} frame {doc['components']['messages'][name].get('name', name)}"
    yield from (f"close {code}" for code in re.findall(r"^\| (\d{4}) \|", doc["info"]["description"], re.M))


def frame(side, value):
    """One that was checked, and the events that it holds."""
    SEEN.add(f"{side} frame {value['type']}")
    SEEN.update(f"{side} frame {e['type']}" for e in value.get("events", ()))


def close(code):
    """The daemon ended a connection with it."""
    SEEN.add(f"close {code}")


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
        (pathlib.Path(folder) / f"codes-{uuid.uuid4()}").write_text("\n".join(sorted(SEEN)), encoding="ascii")


def missing(folder):
    """What nobody saw, and what stands in UNSEEN that there is not."""
    seen = {line for file in pathlib.Path(folder).glob("codes-*") for line in file.read_text(encoding="ascii").splitlines()}
    there = [*listed(), *promised()]
    return ([f"no test has seen: {what}" for what in there if what not in seen | set(UNSEEN)]
            + [f"{what} is in UNSEEN, but in no list" for what in UNSEEN if what not in there])
