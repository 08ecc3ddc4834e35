"""The last of the API tests: whatever the document promises was seen in this run. Only when all of tests/api runs; what is about
attachments, or signs in with a provider, has tests of its own."""

import pathlib

import pytest

from peal import contract
from peal.rest import SEEN

# These come from dead or hung processes, which the service and kill tests bring about for some operations, not for each.
NOT_COUNTED = {500, 502, 503, 504}
# Somebody is disabled between the look at the account and the row of the session.
RACES = {("loginFactor", 401), ("loginPasskey", 401)}


def test_every_documented_answer_was_given(request):
    here = pathlib.Path(__file__).parent
    modules = {pathlib.Path(item.fspath).name for item in request.session.items if pathlib.Path(item.fspath).parent == here}
    if modules != {p.name for p in here.glob("test_*.py")} or request.config.option.keyword:
        pytest.skip("only a part of the API tests runs")
    seen = {(op, status) for op, status, _ in SEEN}
    operations = [op for op in contract.rest().operations if "media" not in op.raw["tags"] and not op.path.startswith("/auth/oidc/")]
    promised = {(op.id, status) for op in operations for status in op.statuses - NOT_COUNTED}
    codes = set()
    for op in operations:
        for status, reply in op.raw["responses"].items():
            for part in reply.get("content", {}).get("application/problem+json", {}).get("schema", {}).get("allOf", [])[1:]:
                code = part["properties"].get("code", {})
                codes |= {(int(status), c) for c in code.get("enum", [code.get("const")])}
    codes = {(s, c) for s, c in codes if s not in NOT_COUNTED}
    print(f"{len(promised & seen)} of {len(promised)} documented answers, {sum(SEEN.values())} in all")
    missing = sorted(f"{op}: {status}" for op, status in promised - seen - RACES)
    missing += sorted(f"{status} {code}" for status, code in codes - {(s, c) for _, s, c in SEEN})
    assert not missing, ", ".join(missing)
