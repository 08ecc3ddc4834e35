"""Requests out of docs/openapi.yaml, for hypothesis: valid ones, almost valid ones and garbage.

A schema becomes a strategy. Ids and times are drawn as Ref, because what exists is known only when a request is sent: resolve() puts in
what the world then has. must_refuse() judges a request by the document alone; whether the server may accept it is all that matters."""

import collections
import datetime
import json
import re
import string
import urllib.parse

from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from . import contract

Ref = collections.namedtuple("Ref", "kind n")  # kind: user, conversation, message, attachment, any, time

_SCHEMAS = contract.document("openapi.yaml")["components"]["schemas"]
_IDS = {_SCHEMAS["Id"]["pattern"]: "any", _SCHEMAS["MessageId"]["pattern"]: "message", _SCHEMAS["AttachmentId"]["pattern"]: "attachment"}
_BY_NAME = {"user_id": "user", "user_ids": "user", "participant_ids": "user", "conversation_id": "conversation"}
_TIME = _SCHEMAS["Time"]["pattern"]
_LETTERS = st.sampled_from("aZ0 ._-'\"\\/<&%é\u00adß\u0301\u200d\u202eعש中ｱ😀🏽👩\U000e0041\ufeff\ufffd\t\n\x7f")
_WORDS = st.text(_LETTERS, max_size=12)
_EMOJI = st.sampled_from(["👍", "❤️", "😂", "👩‍👩‍👧", "🇩🇪", "1️⃣", "👍🏽"])
_KEYS = st.text(string.ascii_letters, min_size=1, max_size=6)
_LEAVES = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(
    [2**31, 2**53, 2**63 - 1, 2**63, 2**64, -2**63 - 1, 10**30, 1.5, 1.0, -0.0, 1e300, "", " ", "x", "0", "01", "null", "1.1", "٣", "\x00", "a\x00b",
     "\ud800", "x\udfff", "\n", "👩‍👩‍👧" * 40, "x" * 70000, "é" * 20000, "1" * 400]), _WORDS)
_JUNK = st.recursive(_LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3), max_leaves=4)
_cache = {}


def merged(schema):
    """{allOf: [...]} as one object."""
    out = {k: v for k, v in schema.items() if k != "allOf"}
    for part in map(merged, schema.get("allOf", ())):
        out = {**part, **out, "required": part.get("required", []) + out.get("required", []),
               "properties": {**part.get("properties", {}), **out.get("properties", {})}}
    return out


def values(schema, name=""):
    """A strategy for what a schema allows."""
    key = (id(schema), name)
    if key not in _cache:
        _cache[key] = (schema, _values(schema, name))  # the schema is kept: ids of dead objects are used again
    return _cache[key][1]


def _values(schema, name):
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "allOf" in schema:
        return _values(merged(schema), name)
    if "properties" not in schema and ("anyOf" in schema or "oneOf" in schema):
        return st.one_of([values(s, name) for s in schema.get("anyOf", schema.get("oneOf"))])
    types = schema.get("type", "object" if "properties" in schema else None)
    if isinstance(types, list):
        return st.one_of([values({**schema, "type": t}, name) for t in types])
    make = {"string": _strings, "integer": _integers, "number": _numbers, "object": _objects, "array": _arrays}.get(types)
    if make:
        return make(schema, name)
    return {"boolean": st.booleans(), "null": st.none()}.get(types, _JUNK)


def _strings(schema, name):
    pattern = schema.get("pattern")
    if pattern in _IDS:
        kind = _BY_NAME.get(name, _IDS[pattern])
        return st.builds(Ref, st.just(kind), st.integers(0, 999))
    if name == "emoji":
        return st.one_of(_EMOJI, _EMOJI, _EMOJI, _WORDS)
    if pattern == _TIME or schema.get("format") == "date-time":
        return st.builds(Ref, st.just("time"), st.sampled_from([-3600, 0, 1, 2, 60, 86400, 10**9]))
    if pattern:
        return st.from_regex(pattern, fullmatch=True)
    least, most = schema.get("minLength", 0), schema.get("maxLength", 100)
    common = st.text(_LETTERS, min_size=min(least, most), max_size=min(most, max(least, 12)))
    edges = [("x" * least), ("x" * most), ("é" * min(most, 4000))]
    return st.one_of(common, common, common, st.sampled_from([e for e in edges if least <= len(e) <= most]))


def _integers(schema, _):
    least, most = schema.get("minimum", -10), schema.get("maximum", 10**6)
    return st.one_of(st.integers(least, min(most, least + 5)), st.sampled_from([least, most]))


def _numbers(schema, _):
    return st.floats(schema.get("minimum", -1e6), schema.get("maximum", 1e6), allow_nan=False)


def _arrays(schema, name):
    least = schema.get("minItems", 0)
    most = min(schema.get("maxItems", 4), max(least, 4))
    unique = {"unique_by": repr} if schema.get("uniqueItems") else {}
    return st.lists(values(schema.get("items", {}), name), min_size=least, max_size=most, **unique)


def _objects(schema, _):
    properties = {k: values(v, k) for k, v in schema.get("properties", {}).items()}
    choices = [set(s.get("required", ())) for s in schema.get("oneOf", schema.get("anyOf", ())) if isinstance(s, dict)] or [set()]
    exclusive = set().union(*choices) if "oneOf" in schema else set()

    def chosen(one):
        need = {k for k in set(schema.get("required", ())) | one if k in properties}
        may = set(properties) - need - exclusive
        fixed = {k: properties[k] for k in sorted(need)}
        return st.one_of(st.fixed_dictionaries(fixed), st.fixed_dictionaries(fixed, optional={k: properties[k] for k in sorted(may)}))
    return st.one_of([chosen(one) for one in choices])


def _sent(kind, more=None, **members):
    """A message of one kind, with what any message may have."""
    fixed = {"client_id": st.text(_KEYS_AND_DIGITS, min_size=8, max_size=16), "message_type": st.just(kind), **members}
    return st.fixed_dictionaries(fixed, optional={"reply_to": _ref("message"), "expires_in_seconds": st.integers(1, 9), **(more or {})})


def _ref(kind):
    return st.builds(Ref, st.just(kind), st.integers(0, 999))


_KEYS_AND_DIGITS = string.ascii_letters + string.digits
_TEXT = st.text(_LETTERS, max_size=20).map(lambda s: f"x{s}")
_SENDS = st.one_of(
    _sent("text", {"send_at": st.just(Ref("time", 3600))}, content=_TEXT), _sent("text", content=_TEXT),
    _sent("poll", poll=st.fixed_dictionaries({"question": _TEXT, "options": st.lists(_TEXT, min_size=2, max_size=4, unique=True)},
                                             optional={"multiple": st.booleans(), "anonymous": st.booleans()})),
    _sent("location", location=st.fixed_dictionaries({"latitude": st.floats(-90, 90), "longitude": st.floats(-180, 180)})),
    _sent("image", attachment_ids=st.lists(_ref("attachment"), min_size=1, max_size=2, unique_by=repr)),
    _sent("text", forward_of=_ref("message")))
# what a schema alone would hardly ever hit: operation -> a body that is mostly accepted
LIKELY = {
    "sendMessage": _SENDS, "sendMessageTo": st.builds(lambda body, place: {**body, "conversation_id": place}, _SENDS, _ref("conversation")),
    "editMessage": st.fixed_dictionaries({"content": _TEXT}), "editMessageByPut": st.fixed_dictionaries({"content": _TEXT}),
    "vote": st.fixed_dictionaries({"options": st.lists(st.integers(0, 1), max_size=1)}),
    "addReaction": st.fixed_dictionaries({"emoji": _EMOJI}),
    "markUnread": st.fixed_dictionaries({"seq": st.integers(1, 4)}), "markRead": st.fixed_dictionaries({"seq": st.integers(1, 4)}),
}


def spots(value, at=()):
    """Every place inside a JSON value."""
    if at:
        yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) and not isinstance(value, Ref) else ()
    for key, inner in items:
        yield from spots(inner, at + (key,))


def replaced(value, at, new):
    if not at:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[at[0]] = replaced(copy[at[0]], at[1:], new)
    return copy


def dropped(value, at):
    copy = dict(value) if isinstance(value, dict) else list(value)
    if len(at) == 1:
        del copy[at[0]]
    else:
        copy[at[0]] = dropped(copy[at[0]], at[1:])
    return copy


def edges_of(schema):
    """Values just outside of what a member allows, and one of another type."""
    out = [None, 7, "x", [], {}, True, 1.5]
    schema = merged(schema)
    if "maxLength" in schema:
        out += ["x" * (schema["maxLength"] + 1), "é" * (schema["maxLength"] + 1), "😀" * schema["maxLength"]]
    out += ["" if schema.get("minLength") else "x", "x" * max(0, schema.get("minLength", 0) - 1)]
    out += [schema[k] + d for k, d in (("minimum", -1), ("maximum", 1)) if k in schema] + [10**19, -1]
    if "maxItems" in schema:
        out += [["x"] * (schema["maxItems"] + 1)]
    return out


@st.composite
def broken(draw, schema, likely=None):
    """A body that is almost what the schema wants."""
    schema = merged(schema)
    value = draw(likely or values(schema))
    for _ in range(draw(st.sampled_from([1, 1, 1, 2]))):
        how = draw(st.sampled_from(["junk", "edge", "edge", "drop", "extra", "whole", "nest"]))
        places = list(spots(value)) if isinstance(value, (dict, list)) else []
        if how == "whole" or not places and how in ("junk", "drop", "nest"):
            value = draw(_JUNK)
        elif how == "junk":
            value = replaced(value, draw(st.sampled_from(places)), draw(_JUNK))
        elif how == "drop":
            value = dropped(value, draw(st.sampled_from(places)))
        elif how == "nest":
            deep = draw(_LEAVES)
            for _ in range(draw(st.sampled_from([2, 15, 16, 17, 60]))):
                deep = [deep] if draw(st.booleans()) else {"a": deep}
            value = replaced(value, draw(st.sampled_from(places)), deep)
        elif isinstance(value, dict):
            name = draw(st.sampled_from(sorted(schema.get("properties", {})) or ["x"]))
            if how == "edge":
                value = {**value, name: draw(st.sampled_from(edges_of(schema.get("properties", {}).get(name, {}))))}
            else:
                value = {**value, draw(_KEYS): draw(_JUNK)}
    return value


def raw_json(value):
    return json.dumps(value).encode()


@st.composite
def damage(draw, text):
    """Bytes that are no longer quite the JSON text they were."""
    how = draw(st.sampled_from(["cut", "byte", "twice", "after", "before", "insert", "empty", "quotes"]))
    at = draw(st.integers(0, max(0, len(text) - 1)))
    if how == "cut":
        return text[:at]
    if how == "byte":
        return text[:at] + bytes([draw(st.integers(0, 255))]) + text[at + 1:]
    if how == "twice" and text.startswith(b'{"'):
        return b'{"content":1,' + text[1:-1] + b',"content":2}'
    if how == "after":
        return text + draw(st.sampled_from([b"x", b"{}", b",", b"\x00", b" "]))
    if how == "before":
        return draw(st.sampled_from([b"\xef\xbb\xbf", b"\x00", b" ", b"/**/", b"["])) + text
    if how == "insert":
        return text[:at] + draw(st.sampled_from([b"\xff", b"\xc0\x80", b"\\u0000", b"\\ud800", b"NaN", b"1e999", b"{", b'"', b"//"])) + text[at:]
    return b"" if how == "empty" else text.replace(b'"', b"'")


ODD_IDS = st.one_of(st.sampled_from(["0", "-1", "01", "x", "1.1", "1.0", "0.1", "1.", ".1", "1.1.1", "9" * 18, "9" * 19, "9" * 20, "9223372036854775807",
                                     "9223372036854775808.1", "1.9223372036854775808", "+1", "1e3", "٣", "%", "%00", "%2e%2e", "..", " ", "null", "me",
                                     "self", "a" * 300, "1;1", "1?x", "1,2"]), _WORDS.filter(lambda s: s not in ("", ".", "..")))
ODD_VALUES = st.one_of(st.sampled_from(["", "0", "-1", "1", "101", "100", "x", "1.5", "1e2", "true", "TRUE", "yes", "٣", "%", "\x00", "9" * 19, "9" * 30, "null", "a b",
                                        "%F0%9F", "x" * 3000, "everyone", "me", "[]", "{}", "0x10", " 1", "1 ", "+1", "1,2,3", ",", "1,,2"]), _WORDS)


@st.composite
def requests(draw, operations):
    """{op, method, path, query, body or raw, headers, caller, as_sender: whoever sent the message that the path names}; path, query and body may hold Refs."""
    op = draw(st.sampled_from(operations))
    out = {"op": op.id, "method": op.method, "caller": draw(st.integers(0, 5)), "as_sender": draw(st.booleans()), "headers": {}, "query": [], "raw": None, "body": None}
    style = draw(st.sampled_from(["valid"] * 5 + ["almost"] * 5 + ["garbage"]))
    names = {p["name"]: p for p in op.parameters if p["in"] == "path"}
    odd_path = style == "garbage" and draw(st.booleans()) or draw(st.integers(0, 19)) == 0
    out["path"] = [_path_value(draw, names[part[1:-1]], op, odd_path) if part.startswith("{") else part for part in op.path.split("/")]
    _draw_query(draw, op, style, out)
    if op.body:
        _draw_body(draw, op, style, out)
    if draw(st.integers(0, 39)) == 0:
        out["caller"] = draw(st.sampled_from(["none", "garbage", "empty"]))
    if style == "garbage" and draw(st.integers(0, 3)) == 0:
        out["method"] = draw(st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"]))
    if draw(st.integers(0, 9)) == 0:
        out["headers"][draw(st.sampled_from(["Idempotency-Key", "If-None-Match", "Accept", "Origin", "Range"]))] = draw(
            st.text(string.printable.strip(), max_size=80))
    return out


def _path_value(draw, parameter, op, odd):
    if odd:
        return draw(ODD_IDS)
    kind = "message" if parameter["schema"].get("pattern") == _SCHEMAS["MessageId"]["pattern"] else _IDS.get(parameter["schema"].get("pattern"), "any")
    if kind == "any" and parameter["name"] != "id" or op.path.startswith("/users/") or op.id == "startConversation":
        kind = "user"
    elif kind == "any" and op.path.startswith("/conversations/"):
        kind = "conversation"
    elif op.id == "vote" and draw(st.booleans()):
        kind = "poll"
    elif op.path.startswith("/scheduled/"):
        kind = "scheduled"
    return Ref(kind, draw(st.integers(0, 999)))


def _draw_query(draw, op, style, out):
    for p in op.parameters:
        if p["in"] != "query":
            continue
        if p.get("required") or draw(st.integers(0, 3)) == 0:
            value = draw(st.integers(1, 3)) if p["name"] == "limit" else draw(values(p["schema"], p["name"]))
            out["query"].append((p["name"], value))
        elif p["name"] == "limit":
            out["query"].append(("limit", 2))   # large pages cost us more than they find
    if style == "valid" or draw(st.booleans()):
        return
    how = draw(st.sampled_from(["odd", "odd", "drop", "twice", "unknown"]))
    if how == "unknown":
        out["query"].append((draw(_KEYS), draw(ODD_VALUES)))
    elif out["query"]:
        n = draw(st.integers(0, len(out["query"]) - 1))
        if how == "odd":
            out["query"][n] = (out["query"][n][0], draw(ODD_VALUES))
        elif how == "drop":
            del out["query"][n]
        else:
            out["query"].append((out["query"][n][0], draw(ODD_VALUES)))


def _draw_body(draw, op, style, out):
    if not op.body_required and draw(st.integers(0, 3)) == 0:
        return
    likely = LIKELY.get(op.id) if draw(st.integers(0, 2)) else None
    out["body"] = draw(likely or values(op.body.schema) if style == "valid" else broken(op.body.schema, likely))
    if style == "garbage":
        how = draw(st.sampled_from(["damage", "type", "none"]))
        if how == "damage":
            out["damage"] = draw(st.integers(0, 2**20))
        elif how == "type":
            out["headers"]["Content-Type"] = draw(st.sampled_from(["text/plain", "", "application/xml", "application/json; charset=latin1", "multipart/form-data"]))
        else:
            out["body"] = None


def resolve(value, world):
    """The value with every Ref replaced by what the world has now."""
    if isinstance(value, Ref):
        return world.pick(value)
    if isinstance(value, dict):
        return {k: resolve(v, world) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [resolve(v, world) for v in value]
    return value


def time_text(seconds):
    at = datetime.datetime.now(datetime.timezone.utc)
    try:
        at += datetime.timedelta(seconds=seconds)
    except OverflowError:
        pass
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


# -- judgement


def _pairs(pairs):
    keys = [k for k, _ in pairs]
    if len(set(keys)) != len(keys):
        raise ValueError("a name twice")
    return dict(pairs)


def _no_constant(text):
    raise ValueError(text)


def strict_json(raw):
    """The value of bytes that are JSON to the letter, or ValueError."""
    value = json.loads(raw.decode("utf-8"), object_pairs_hook=_pairs, parse_constant=_no_constant)
    if raw.startswith(b"\xef\xbb\xbf"):
        raise ValueError("a byte order mark")
    _strict_value(value, 0)
    return value


def _strict_value(value, depth):
    if depth > 16:
        raise ValueError("too deep")
    if isinstance(value, str) and ("\0" in value or any("\ud800" <= c <= "\udfff" for c in value)):
        raise ValueError("U+0000 or half of a pair")
    inner = list(value) + list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else ()
    for v in inner:
        _strict_value(v, depth + 1)


def _fits(schema, text):
    kind = schema.get("type")
    if kind == "integer":
        if not re.fullmatch(r"-?[0-9]+", text):
            return False
        typed = int(text)
    elif kind == "boolean":
        if text not in ("true", "false"):
            return False
        typed = text == "true"
    else:
        typed = text
    return Draft202012Validator(schema).is_valid(typed)


def why_refuse(op, path, query, raw, headers):
    """Why the document forbids this request; None when it does not."""
    given = op.regex.match(path).groupdict()
    for p in op.parameters:
        if p["in"] == "path" and not _fits(p["schema"], urllib.parse.unquote(given[p["name"]])):
            return f"path parameter {p['name']}"
        found = [v for k, v in query if k == p["name"]] if p["in"] == "query" else []
        if p["in"] == "query" and p.get("required") and not found:
            return f"{p['name']} is missing"
        if len(found) == 1 and not _fits(p["schema"], found[0]):
            return f"query parameter {p['name']}"
    if op.body is None:
        return None
    if raw is None:
        return "no body" if op.body_required else None
    if headers.get("Content-Type", "application/json").split(";")[0].strip().lower() != "application/json":
        return "content type"
    try:
        value = strict_json(raw)
    except (ValueError, RecursionError) as e:
        return f"not JSON: {e}"
    error = next(op.body.iter_errors(value), None)
    return f"body: {'/'.join(map(str, error.absolute_path))}: {error.message[:200]}" if error else None
