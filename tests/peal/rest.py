"""A REST client that checks every request and every reply against docs/openapi.yaml."""

import collections
import http.client
import json
import threading
import urllib.parse

from . import contract

LINE_LEAST = 8000     # bytes of path and query that nginx reads in any case; whatever is asked for, more may be 414
PREFIX = "/api/v1"
SEEN = collections.Counter()  # (operation id, status, code) of everything answered in this run


class Reply:
    def __init__(self, status, headers, raw, op):
        self.status, self.headers, self.raw, self.op = status, headers, raw, op
        self.cookies = {}       # name -> value, of those that came with it; headers has the last one as it came
        kind = headers.get("content-type", "")
        self.json = json.loads(raw) if raw and "json" in kind else None

    @property
    def code(self):
        return self.json.get("code") if isinstance(self.json, dict) and self.status >= 400 else None

    def __getitem__(self, key):
        return self.json[key]

    def __repr__(self):
        return f"<{self.op}: {self.status} {self.raw[:600]!r}>"


class Client:
    """One caller. Connections are kept, one per thread, as a browser keeps them."""

    def __init__(self, url, token=None, timeout=15):
        self.url = urllib.parse.urlsplit(url)
        self.token = token
        self.timeout = timeout
        self.local = threading.local()
        self.contract = contract.rest()

    def as_(self, token):
        return Client(self.url.geturl(), token, self.timeout)

    def close(self):
        connection = getattr(self.local, "connection", None)
        if connection:
            connection.close()
            self.local.connection = None

    def _exchange(self, method, target, body, headers):
        while True:
            connection = getattr(self.local, "connection", None)
            kept = connection is not None
            if not kept:
                connection = self.local.connection = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=self.timeout)
            try:
                connection.request(method, target, body=body, headers=headers)
                response = connection.getresponse()
                raw = response.read()
            except (http.client.BadStatusLine, ConnectionError, BrokenPipeError):
                self.close()
                if kept:  # the server closed an idle connection: what every HTTP client does is ask again on a new one
                    continue
                raise
            except Exception:
                self.close()
                raise
            fields = {}
            for name, value in response.getheaders():
                name = name.lower()
                fields[name] = f"{fields[name]}, {value}" if name in fields and name != "set-cookie" else value
            if response.will_close:
                self.close()
            self.local.cookies = dict(c.split(";")[0].split("=", 1) for c in response.headers.get_all("Set-Cookie") or [])
            return response.status, fields, raw

    def call(self, method, path, body=None, *, query=None, raw=None, headers=None, token=..., valid=None, expect=None,
             exact_query=None):
        """One request, path below /api/v1. `raw` sends these bytes as the body, `exact_query` this text after the `?`. The request is checked against the contract
        unless valid=False, or raw is given; the reply always is. expect: a status, or (status, code)."""
        parts = urllib.parse.urlsplit(path)
        query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True)) | {k: str(v) for k, v in (query or {}).items()}
        op = self.contract.find(method, parts.path)
        if valid is None:
            valid = raw is None
        if valid:
            if op is None:
                raise contract.ContractError(f"{method} {path} is not in the contract")
            self.contract.check_request(op, parts.path, query, body)
        send = {"Accept": "application/json", **(headers or {})}
        token = self.token if token is ... else token
        if token is not None:
            send["Authorization"] = f"Bearer {token}"
        if body is not None or raw is not None:
            send.setdefault("Content-Type", "application/json")
            raw = json.dumps(body).encode() if raw is None else raw
        text = exact_query if exact_query is not None else urllib.parse.urlencode(query)
        target = ("" if parts.path.startswith("/api/") else PREFIX) + parts.path + (f"?{text}" if text else "")
        status, fields, data = self._exchange(method, target, raw, {k: v for k, v in send.items() if v is not None})
        reply = Reply(status, fields, data, op or f"{method} {path}")
        reply.cookies = self.local.cookies
        too_long = status == 414 and len(target) > LINE_LEAST
        self.contract.check_response(None if too_long else op, status, fields, reply.json, parts.path)
        SEEN[op.id if op else None, status, reply.code] += 1
        if expect is not None:
            want_status, want_code = expect if isinstance(expect, tuple) else (expect, ...)
            assert status == want_status and want_code in (..., reply.code), f"expected {expect}, got {reply}"
        return reply

    def get(self, path, **kw):
        return self.call("GET", path, **kw)

    def post(self, path, body=None, **kw):
        return self.call("POST", path, body, **kw)

    def patch(self, path, body=None, **kw):
        return self.call("PATCH", path, body, **kw)

    def put(self, path, body=None, **kw):
        return self.call("PUT", path, body, **kw)

    def delete(self, path, **kw):
        return self.call("DELETE", path, **kw)
