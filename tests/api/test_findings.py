"""What the fuzzer of test_fuzz_contract.py has found, one test each: the answer was another one once."""

import pytest

from peal import contract


@pytest.mark.parametrize("route", ["/auth/logout", "/auth/refresh"])
def test_a_refresh_token_is_not_empty(anonymous, route):
    """Was taken for one that is unknown."""
    reply = anonymous.post(route, {"refresh_token": ""}, valid=False, expect=(400, "invalid"))
    assert (reply["errors"][0]["path"], reply["errors"][0]["code"]) == ("/refresh_token", "too_short")


def test_a_cursor_is_not_empty(person):
    """Was taken for none in the directory."""
    for path in ("/users?q=x&cursor=", "/conversations?cursor="):
        person.rest.get(path, valid=False, expect=(400, "invalid"))


def test_sending_shows_no_receipt_of_whoever_keeps_them(pair):
    """Found by test_model.py: the read mark came along with what one sends, and the receipt with it."""
    ann, ben, conversation = pair
    ann.rest.patch("/me", {"privacy": {"read_receipts": False}}, expect=200)
    said = ann.say(conversation, "again")["seq"]
    seen = {p["user"]["id"]: p["receipt_seq"] for p in ben.conversation(conversation)["participants"]}
    assert seen[ann.id] < said and ann.conversation(conversation)["my"]["read_seq"] == said


def test_every_answer_after_the_body_names_what_it_ignored():
    """A 403 had the header and no document said so. What is answered before the body is read cannot have it."""
    before_the_body = {413, 415, 502, 504}
    for op in contract.rest().operations:
        for status, reply in op.raw["responses"].items():
            if op.body and int(status) not in before_the_body:
                assert "Peal-Ignored" in reply["headers"], f"{op}: {status}"
