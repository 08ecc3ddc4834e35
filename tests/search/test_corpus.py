"""Sixteen languages, and things without one: what each query finds, exactly, and what the highlights cut out of it."""

import pathlib
import unicodedata

import pytest
import yaml

from peal.find import cut, indexed, pages
from peal.people import pair as make_pair

CORPUS = yaml.safe_load((pathlib.Path(__file__).parent / "corpus.yaml").read_text())
QUERIES = [(language, n, query) for language, one in CORPUS.items() for n, query in enumerate(one["find"])]


@pytest.fixture(scope="module")
def said(stack):
    """{language: (who, conversation, {(begin, end): id})}, everything indexed."""
    out = {}
    for language, one in CORPUS.items():
        a, _, conversation = make_pair(stack)
        out[language] = a, conversation, {
            (i, k): a.say(conversation, one["say"].format(begin, end))["id"] for i, begin in enumerate(one["begin"]) for k, end in enumerate(one["end"])}
    indexed(stack, 60)
    return out


def test_the_corpus_is_large_enough():
    assert len(CORPUS) >= 13
    for language, one in CORPUS.items():
        assert len(one["begin"]) * len(one["end"]) >= 30 and len(one["find"]) >= 10, language
        assert any(q.get("none") for q in one["find"]), language


@pytest.mark.parametrize("language, n, query", QUERIES, ids=[f"{language}-{n}" for language, n, _ in QUERIES])
def test_query(said, language, n, query):
    who, conversation, ids = said[language]
    wanted = {} if query.get("none") else {id_ for (i, k), id_ in ids.items() if i in query.get("begin", range(6)) and k in query.get("end", range(5))}
    items = pages(who, query["q"], conversation_id=conversation, limit=100)
    assert {item["message"]["id"] for item in items} == set(wanted), query["q"]
    assert [i["message"]["seq"] for i in items] == sorted((i["message"]["seq"] for i in items), reverse=True)
    for item in items:
        cuts = cut(item)
        if query.get("apart"):   # words next to each other, each found by itself
            assert " ".join(cuts) == query["cut"][0], item
        else:
            assert cuts == query["cut"], item


@pytest.mark.parametrize("language", sorted(CORPUS))
def test_other_forms_of_the_same_query(said, language):
    """Decomposed, composed and in capitals it finds the same."""
    who, conversation, _ = said[language]
    for query in CORPUS[language]["find"]:
        want = [i["message"]["id"] for i in pages(who, query["q"], conversation_id=conversation)]
        for form in (unicodedata.normalize("NFD", query["q"]), unicodedata.normalize("NFC", query["q"]), query["q"].upper()):
            assert [i["message"]["id"] for i in pages(who, form, conversation_id=conversation)] == want, form
