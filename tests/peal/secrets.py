"""Passwords and tokens that this run has sent or been given. None of them may be in a log of any stack: dev/stack.py asks when one ends.

Nothing has to be told: whatever http.client sends or reads is looked at, so that a new route is not forgotten.
"""

import http.client
import json
import re

# Members that hold secrets, in requests and replies. Codes of six digits are too short to be recognized.
MEMBERS = {"password", "old_password", "new_password", "access_token", "refresh_token", "token", "challenge", "secret", "recovery_codes",
           "recovery_code", "download_url", "url"}
HEADERS = {"authorization", "cookie", "set-cookie"}
LEAST = 16      # characters: shorter ones could be anything's
WORD = re.compile(rf"[\w-]{{{LEAST},}}")
PHRASES, WORDS = set(), set()
PLAIN = {"__Secure-peal_refresh"}       # what stands beside them


def _note(text):
    """Tokens are words; a password may have blanks in it."""
    WORDS.update(w for w in WORD.findall(text) if w not in PLAIN and not w.startswith("eyJ"))       # of a JWT what nobody can guess


def _walk(value, name=None):
    if isinstance(value, dict):
        for k, v in value.items():
            _walk(v, k)
    elif isinstance(value, list):
        for v in value:
            _walk(v, name)
    elif isinstance(value, str) and name in MEMBERS and len(value) >= LEAST:
        if name.endswith("password"):
            PHRASES.add(value)
        elif name == "download_url":
            _note(value.partition("?token=")[2])
        elif name != "url":
            _note(value)
        elif value.startswith("/m/"):
            _note(value.split("/")[3])      # the signature; what it is of is no secret


def _document(data, kind):
    if data and b'"' in data and "json" in (kind or ""):
        try:
            _walk(json.loads(data))
        except (ValueError, RecursionError):
            pass        # what is no JSON is refused


def watch():
    """From here on."""
    read, request = http.client.HTTPResponse.read, http.client.HTTPConnection.request

    def reading(self, *args):
        data = read(self, *args)
        _document(data, self.getheader("Content-Type"))
        for cookie in self.headers.get_all("Set-Cookie") or []:
            _note(cookie)
        return data

    def requesting(self, method, url, body=None, headers=None, **kw):
        for name, value in (headers or {}).items():
            if name.lower() in HEADERS and isinstance(value, str):
                _note(value)
        if isinstance(body, (bytes, bytearray)) and body[:1] == b"{":
            _document(bytes(body), "json")
        return request(self, method, url, body, headers or {}, **kw)
    http.client.HTTPResponse.read, http.client.HTTPConnection.request = reading, requesting


def found(text):
    """What of them stands in the text: the places where it does, as offsets."""
    hits = [m.start() for m in WORD.finditer(text) if m.group() in WORDS]
    return sorted(hits + [text.index(p) for p in PHRASES if p in text])
