"""What a search finds: words and parts of them, operators, pages, order; and what becomes of the index when messages change."""

from peal import truth
from peal.find import cut, found, indexed, pages
from peal.people import Person


def test_what_was_said_is_found(stack, pair):
    a, b, conversation = pair
    one = a.say(conversation, "The quarterly report is ready")
    b.say(conversation, "Something else")
    assert indexed(stack) < 10
    for who in (a, b):
        item, = pages(who, "report")
        assert item["message"]["id"] == one["id"] and cut(item) == ["report"]
        assert found(who, "REPÓRT quart") == [one["id"]]
        assert found(who, "quart report") == [], "only the last word may go on"
        assert found(who, "reports") == found(who, "eport") == []
    assert found(Person(stack), "report") == []


def test_edits_and_deletions_leave_the_index(stack, pair):
    a, b, conversation = pair
    one, two = a.say(conversation, "orange juice"), b.say(conversation, "orange peel")
    indexed(stack)
    assert found(a, "orange") == [two["id"], one["id"]]
    a.rest.patch(f"/messages/{one['id']}", {"content": "apple juice"}, expect=200)
    assert found(b, "orange") == [two["id"]], "at once, whatever the index holds"
    indexed(stack)
    assert found(b, "apple") == [one["id"]]
    b.rest.delete(f"/messages/{two['id']}", query={"for": "everyone"})
    assert found(a, "orange") == []
    indexed(stack)
    assert truth.rows(stack, "SELECT seq FROM message_search WHERE conversation_id = %s AND seq > 1", int(conversation)) == [(one["seq"],)]
