"""The two documents of the contract, by themselves and against the program's own list of routes."""

import json
import re
import subprocess

import pytest
from jsonschema import Draft202012Validator

from peal import contract

OPENAPI, ASYNCAPI = contract.document("openapi.yaml"), contract.document("asyncapi.yaml")


def walk(node, place=""):
    yield place, node
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield from walk(value, f"{place}/{key}")


@pytest.mark.parametrize("name", ["openapi.yaml", "asyncapi.yaml"])
def test_references_lead_somewhere(name):
    refs = [node["$ref"] for _, node in walk(contract.document(name)) if isinstance(node, dict) and "$ref" in node]
    assert len(refs) > 50
    for ref in refs:
        contract.lookup(name, ref)


@pytest.mark.parametrize("name", ["openapi.yaml", "asyncapi.yaml"])
def test_schemas_are_schemas_and_all_are_used(name):
    text = json.dumps(OPENAPI) + json.dumps(ASYNCAPI)
    for key in contract.document(name)["components"]["schemas"]:
        Draft202012Validator.check_schema(contract.expand({"$ref": f"#/components/schemas/{key}"}, name))
        assert re.search(rf'components/schemas/{key}"', text), f"{key} is not used"


def test_replies_are_closed():
    """Every object of a reply says additionalProperties: a member that the documents do not know is found."""
    for op in contract.rest().operations:
        for (status, kind), validator in op.replies.items():
            for place, node in walk(validator.schema):
                if isinstance(node, dict) and node.get("type") == "object" and "properties" in node and not op.served_by_nginx:
                    assert "additionalProperties" in node, f"{op} {status}: {place}"


def test_operations():
    ids = [op.id for op in contract.rest().operations]
    assert len(ids) == len(set(ids)) >= 25
    for op in contract.rest().operations:
        assert op.raw.get("summary") and op.raw.get("tags"), op
        errors = {s for s in op.statuses if s >= 400}
        assert any(s < 400 for s in op.statuses) and 500 in errors, op
        assert op.pool in ("fast", "slow", "auth") or op.served_by_nginx or op.served_by_media, op
        if op.served_by_nginx:
            continue
        assert {502, 503, 504} <= errors, op
        assert (401 in errors) >= op.secured, op
        if op.body:
            assert {400, 413, 415} <= errors, op
        if any(p["in"] == "query" for p in op.parameters):
            assert 400 in errors, op
        if any(p["in"] == "path" for p in op.parameters):
            assert 404 in errors, op
        assert {p["name"] for p in op.parameters if p["in"] == "path"} == set(re.findall(r"{(\w+)}", op.path)), op


def test_every_reply_has_a_request_id():
    for op in contract.rest().operations:
        for status, reply in op.raw["responses"].items():
            assert "X-Request-Id" in reply["headers"], f"{op} {status}"


def test_examples_are_valid():
    checked = 0
    for op in contract.rest().operations:
        medias = [op.raw["requestBody"]["content"]["application/json"]] if op.body else []
        medias += [m for r in op.raw["responses"].values() for m in r.get("content", {}).values()]
        for media in medias:
            for name, example in media.get("examples", {}).items():
                contract.check(Draft202012Validator(media["schema"]), example["value"], f"{op}: example {name}")
                checked += 1
        for p in op.parameters:
            if "example" in p:
                contract.check(Draft202012Validator(p["schema"]), p["example"], f"{op}: parameter {p['name']}")
    assert checked > 40
    for op in ASYNCAPI["operations"].values():
        side = "client" if op["action"] == "receive" else "server"
        for ref in op["messages"]:
            for example in contract.expand(ref, "asyncapi.yaml").get("examples", []):
                contract.socket().check(side, example["payload"])


def test_every_frame_is_in_both_lists():
    messages = {f"#/components/messages/{m}" for m in ASYNCAPI["components"]["messages"]}
    assert {m["$ref"] for m in ASYNCAPI["channels"]["socket"]["messages"].values()} == messages
    said = [m["$ref"].rsplit("/", 1)[1] for op in ASYNCAPI["operations"].values() for m in op["messages"]]
    assert sorted(said) == sorted(ASYNCAPI["components"]["messages"])


def test_error_codes_are_the_program_s():
    """The list in the header is the only one; the document repeats it for its readers."""
    header = (contract.ROOT / "lib/base/err.h").read_text()
    listed = re.findall(r'X\(\w+, (\d+), "(\w+)", ([01])', header)
    assert len(listed) > 20
    assert {code for _, code, _ in listed} == set(OPENAPI["components"]["schemas"]["ErrorCode"]["enum"])
    status_of = {code: int(status) for status, code, _ in listed}
    for name, reply in OPENAPI["components"]["responses"].items():
        schema = reply.get("content", {}).get("application/problem+json", {}).get("schema", {})
        for part in schema.get("allOf", [])[1:]:
            code = part["properties"]["code"]
            for c in code.get("enum", [code.get("const")]):
                assert status_of[c] == part["properties"]["status"]["const"], f"{name}: {c}"


def routes(stack):
    out = subprocess.run([f"{stack.build_dir}/peal-fcgi", "--routes"], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in out.splitlines()]
    return {(m, re.sub(r"{\w+}", "{}", p.removeprefix("/api/v1"))): (pool, who, rate, scope) for m, p, pool, who, rate, scope in rows if who != "daemon"}


def test_routes_are_the_document_s(stack):
    served = routes(stack)
    documented = {(op.method, re.sub(r"{\w+}", "{}", op.path)): op for op in contract.rest().operations
                  if not op.served_by_nginx and not op.served_by_media}
    assert set(served) == set(documented)
    for key, op in documented.items():
        pool, who, rate, scope = served[key]
        assert pool == op.pool, key
        assert (who != "anyone") == op.secured, key
        assert rate == op.rate, key
        assert scope == op.scope, key


def test_nginx_forwards_each_route(stack, anonymous):
    """A worker answers each route: its log line has the request id of the reply, and the route. (Routes of the auth pool exist on
    no other socket.)"""
    for op in contract.rest().operations:
        if op.served_by_nginx or op.served_by_media:
            continue
        path = re.sub(r"{\w+}", "1.1" if "/messages/{id}" in op.path else "1", op.path)
        reply = anonymous.call(op.method, path, raw=b"{}" if op.body else None, valid=False)
        assert reply.status not in (404, 405) or not op.secured, reply
        line = stack.log_line(reply.headers["x-request-id"])
        route = re.search(r"\broute=(\S+)", line)[1]
        assert re.sub(r"{\w+}", "{}", route) == re.sub(r"{\w+}", "{}", op.path), line


def test_served_as_json(anonymous):
    reply = anonymous.get("/openapi.json", expect=200)
    assert reply.json == json.loads(json.dumps(OPENAPI))
