"""Searching, and waiting until what was done is in the index."""

import time


def indexed(stack, seconds=30):
    """Waits until everything that is committed by now is indexed; returns how long it took."""
    begin = time.monotonic()
    with stack.db() as db, db.cursor() as cursor:
        cursor.connection.autocommit = True
        cursor.execute("SELECT coalesce(max(xid)::text::bigint, 0) FROM event WHERE kind IN (1, 4)")
        last, = cursor.fetchone()
        while True:
            cursor.execute("SELECT xid::text::bigint > %s AND NOT EXISTS (SELECT FROM search_gone) AND rebuild_asked_at IS NULL FROM search_state", (last,))
            if cursor.fetchone()[0]:
                return time.monotonic() - begin
            assert time.monotonic() - begin < seconds, "the index does not come along"
            time.sleep(0.02)


def pages(person, q, limit=100, **query):
    """All items of a search, page by page."""
    cursor, items = {}, []
    for _ in range(1000):
        page = person.rest.get("/messages/search", query={"q": q, "limit": limit, **query, **cursor}, expect=200).json
        items += page["items"]
        assert page["next_cursor"] is not None or not page["partial"]
        assert page["partial"] or page["next_cursor"] is None or len(page["items"]) <= limit
        for item in page["items"]:
            cut(item)
        if page["next_cursor"] is None:
            return items
        cursor = {"cursor": page["next_cursor"]}
    raise AssertionError("a search without an end")


def cut(item):
    """What the highlights cut out of the text; they are inside of it, in order and apart."""
    text, out, end = item["message"]["content"] or "", [], -1
    for offset, length in item["highlights"]:
        assert offset > end and length > 0 and offset + length <= len(text), item
        end = offset + length
        out.append(text[offset:end])
    return out


def found(person, q, **query):
    """Ids of what is found, in order."""
    return [item["message"]["id"] for item in pages(person, q, **query)]
