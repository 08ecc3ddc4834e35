"""docs/openapi.yaml and docs/asyncapi.yaml as validators. References are replaced by what they mean once, at the start."""

import functools
import json
import pathlib
import re

import yaml
from jsonschema import Draft202012Validator

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
GENERIC = {404, 405, 400, 413, 414, 431, 500, 502, 503, 504}  # what may answer where there is no such operation
ASKED_FIRST = {401, 403, 429}   # and where nginx asks who it is, and how much they may, before anybody looks at the method


class ContractError(AssertionError):
    """Somebody, a test or the server, did not keep to the contract."""


@functools.lru_cache(maxsize=None)
def document(name):
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load((DOCS / name).read_text(), Loader=loader)


def pointer(doc, path):
    for part in path.strip("/").split("/") if path.strip("/") else []:
        part = part.replace("~1", "/").replace("~0", "~")
        doc = doc[int(part)] if isinstance(doc, list) else doc[part]
    return doc


@functools.lru_cache(maxsize=None)
def lookup(name, ref):
    """(document name, node) that a $ref found in document `name` means."""
    file, _, fragment = ref.partition("#")
    file = file or name
    try:
        return file, pointer(document(file), fragment)
    except (KeyError, IndexError, FileNotFoundError) as e:
        raise ContractError(f"{name}: $ref {ref!r} leads nowhere") from e


def expand(node, name, seen=()):
    """The node with every $ref replaced by its target."""
    if isinstance(node, list):
        return [expand(n, name, seen) for n in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        key = (name, node["$ref"])
        if key in seen:
            raise ContractError(f"{name}: $ref {node['$ref']!r} contains itself")
        file, target = lookup(name, node["$ref"])
        return {**expand(target, file, seen + (key,)), **expand({k: v for k, v in node.items() if k != "$ref"}, name, seen)}
    return flatten({k: expand(v, name, seen) for k, v in node.items()})


def flatten(schema):
    """{allOf: [objects], unevaluatedProperties: false} as one closed object: says the same, and is much faster to check."""
    parts = schema.get("allOf")
    plain = {"type", "required", "properties", "description"}
    if schema.get("unevaluatedProperties", True) is not False or not isinstance(parts, list):
        return schema
    if any(not isinstance(p, dict) or set(p) - plain for p in parts):
        return schema
    out = {k: v for k, v in schema.items() if k not in ("allOf", "unevaluatedProperties")}
    out.update(type="object", additionalProperties=False, required=[], properties={})
    for p in parts:
        out["required"] = out["required"] + p.get("required", [])
        out["properties"] = {**out["properties"], **p.get("properties", {})}
    return out


def check(validator, value, what):
    error = next(iter(sorted(validator.iter_errors(value), key=lambda e: len(e.absolute_path), reverse=True)), None)
    if error is not None:
        deepest = min(error.context, key=lambda e: -len(e.absolute_path)) if error.context else error
        place = "/".join(map(str, deepest.absolute_path))
        raise ContractError(f"{what}: at /{place}: {deepest.message}\n{json.dumps(value, indent=1)[:4000]}")


class Operation:
    def __init__(self, method, path, raw, path_item):
        self.method, self.path, self.id = method.upper(), path, raw["operationId"]
        self.raw = raw = expand(raw, "openapi.yaml")
        self.pool = raw.get("x-peal-pool")
        self.rate = raw.get("x-peal-rate", "none")
        self.scope = raw.get("x-peal-scope", "-")
        self.served_by_nginx = raw.get("x-peal-served") == "nginx"
        self.served_by_media = raw.get("x-peal-served") == "media"
        self.secured = bool(raw.get("security", document("openapi.yaml")["security"]))
        self.parameters = raw.get("parameters", []) + expand(path_item.get("parameters", []), "openapi.yaml")
        self.statuses = {int(s) for s in raw["responses"]}
        content = raw.get("requestBody", {}).get("content", {}).get("application/json")
        self.body = Draft202012Validator(content["schema"]) if content else None
        self.body_required = raw.get("requestBody", {}).get("required", False)
        names = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
        self.regex = re.compile(f"^{names}$")
        self.replies = {}
        for status, reply in raw["responses"].items():
            for kind, media in reply.get("content", {}).items():
                self.replies[int(status), kind] = Draft202012Validator(media["schema"])

    def __repr__(self):
        return f"{self.method} {self.path}"


class Rest:
    """The REST contract."""

    def __init__(self):
        doc = document("openapi.yaml")
        self.operations = [Operation(m, p, item[m], item) for p, item in doc["paths"].items() for m in METHODS if m in item]
        self.by_id = {o.id: o for o in self.operations}
        self.problem = Draft202012Validator(expand(doc["components"]["schemas"]["Problem"], "openapi.yaml"))
        scope = doc["components"]["responses"]["InsufficientScope"]["content"]["application/problem+json"]["schema"]
        self.insufficient_scope = Draft202012Validator(expand(scope, "openapi.yaml"))
        self.request_id = re.compile(doc["components"]["headers"]["RequestId"]["schema"]["pattern"])

    def find(self, method, path):
        """The operation for a path below /api/v1, without its query; None when there is none. A literal beats a parameter."""
        hits = [o for o in self.operations if o.method == method and o.regex.match(path)]
        return min(hits, key=lambda o: len(o.regex.match(path).groups())) if hits else None

    def paths(self, path):
        return [o for o in self.operations if o.regex.match(path)]

    def check_request(self, op, path, query, body):
        """A request that a test calls valid has to be."""
        values = dict(op.regex.match(path).groupdict())
        for p in op.parameters:
            value = values.get(p["name"]) if p["in"] == "path" else query.get(p["name"])
            if value is None:
                if p.get("required"):
                    raise ContractError(f"{op}: parameter {p['name']} is missing")
                continue
            kind = p["schema"].get("type")
            typed = int(value) if kind == "integer" else value == "true" if kind == "boolean" else value
            check(Draft202012Validator(p["schema"]), typed, f"{op}: parameter {p['name']}")
        unknown = set(query) - {p["name"] for p in op.parameters if p["in"] == "query"}
        if unknown:
            raise ContractError(f"{op}: query parameters {unknown} are not documented")
        if body is None and op.body_required:
            raise ContractError(f"{op}: the body is missing")
        if body is not None and op.body is None:
            raise ContractError(f"{op}: no body is documented")
        if body is not None:
            check(op.body, body, f"{op}: request body")

    def check_body(self, op, status, kind, body, what):
        """A reply's body, also of one that came over the socket."""
        if op is not None and op.secured and status == 403 and (body or {}).get("code") == "insufficient_scope":
            return check(self.insufficient_scope, body, what)
        refused_by_nginx = (body or {}).get("code") == "bad_request"  # it is not HTTP: nobody knew for which operation it was meant
        if op is None or status not in op.statuses or refused_by_nginx:
            if op is not None and status not in (404, 405) and not refused_by_nginx:
                raise ContractError(f"{what}: status {status} is not documented: {json.dumps(body)[:600]}")
            return check(self.problem, body, what)
        if (status, kind) in op.replies:
            return check(op.replies[status, kind], body, what)
        if body is not None or any(s == status for s, _ in op.replies):
            raise ContractError(f"{what}: {status} with content type {kind!r} is not documented")
        return None

    def check_response(self, op, status, headers, body, path=""):
        what = f"{op or 'no such operation'}: reply {status}"
        kind = headers.get("content-type", "").split(";")[0].strip() or None
        if not self.request_id.match(headers.get("x-request-id", "")):
            raise ContractError(f"{what}: X-Request-Id is {headers.get('x-request-id')!r}")
        asked_first = any(o.served_by_media for o in self.paths(path))
        if op is None and status not in (GENERIC | ASKED_FIRST if asked_first else GENERIC):
            raise ContractError(f"{what}: an operation that does not exist answered: {json.dumps(body)[:600]}")
        self.check_body(op, status, kind, body, what)
        if isinstance(body, dict) and kind == "application/problem+json":
            if body["status"] != status or body["request_id"] != headers["x-request-id"]:
                raise ContractError(f"{what}: the problem's status or request_id differs from the response's: {body}")
        documented = op.raw["responses"].get(str(status), {}).get("headers", {}) if op else {}
        for name, header in documented.items():
            value = headers.get(name.lower())
            if value is None and header.get("required"):
                raise ContractError(f"{what}: header {name} is missing")
            if value is not None:
                check(Draft202012Validator(header["schema"]), value, f"{what}: header {name}")
        for name in ("peal-ignored", "idempotency-replayed", "set-cookie", "etag"):
            if op and name in headers and name not in {h.lower() for h in documented}:
                raise ContractError(f"{what}: header {name} is not documented")


class Socket:
    """The socket's contract: a validator for each frame of each direction, by its `type`."""

    def __init__(self):
        doc = document("asyncapi.yaml")
        self.client, self.server, self.durable = {}, {}, set()
        for op in doc["operations"].values():
            side = self.client if op["action"] == "receive" else self.server
            for ref in op["messages"]:
                message = expand(ref, "asyncapi.yaml")
                type_ = message["payload"]["properties"]["type"]["const"]
                side[type_] = Draft202012Validator(message["payload"])
                if message.get("x-peal-durable"):
                    self.durable.add(type_)
        # oneOf over every event costs five checks and says only that none fits: check each event by its own type instead
        for type_ in ("batch", "retry"):
            loose = json.loads(json.dumps(self.server[type_].schema))
            loose["properties"]["events"]["items"] = {"type": "object"}
            self.server[type_] = Draft202012Validator(loose)

    def check(self, side, frame):
        known = self.client if side == "client" else self.server
        type_ = frame.get("type") if isinstance(frame, dict) else None
        if type_ not in known:
            raise ContractError(f"the {side} sent a frame that is not documented: {json.dumps(frame)[:600]}")
        check(known[type_], frame, f"{side} frame {type_}")
        for event in frame.get("events", ()):
            if event.get("type") not in self.durable:
                raise ContractError(f"{type_} holds what is not a durable event: {json.dumps(event)[:600]}")
            check(known[event["type"]], event, f"{type_}: event {event['type']}")


@functools.lru_cache(maxsize=None)
def rest():
    return Rest()


@functools.lru_cache(maxsize=None)
def socket():
    return Socket()
