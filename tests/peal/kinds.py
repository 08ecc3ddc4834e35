"""One draft of every kind of message that a client may send, as tests send them, and what is shown of each."""

import uuid

DRAFTS = {
    "text": {"content": "Grüße"},
    "location": {"location": {"latitude": 52.5162746, "longitude": -13.4, "name": "Brandenburger Tor"}},
    "poll": {"poll": {"question": "Lunch?", "options": ["Soup", "Salad", "🍕"], "multiple": True, "closes_in_seconds": 3600}},
    "call": {"call": {"call_id": "c-1", "media": "video", "outcome": "completed", "duration_seconds": 312}},
    "encrypted": {"encrypted": {"ciphertext": "3q2+7w==", "nonce": "AAECAwQFBgcICQoL", "key_id": "a2V5LTE=", "ephemeral_key": None}},
}
SHOWN = {
    "text": None,
    "location": {"latitude": 52.5162746, "longitude": -13.4, "name": "Brandenburger Tor", "address": None},
    "poll": {"question": "Lunch?", "multiple": True, "anonymous": False, "closes_at": ..., "voters": 0, "my_votes": [],
             "options": [{"text": "Soup", "count": 0}, {"text": "Salad", "count": 0}, {"text": "🍕", "count": 0}]},
    "call": {"call_id": "c-1", "media": "video", "outcome": "completed", "duration_seconds": 312},
    "encrypted": {"ciphertext": "3q2+7w==", "nonce": "AAECAwQFBgcICQoL", "key_id": "a2V5LTE=", "ephemeral_key": None},
}


def draft(kind="text", **more):
    return {"client_id": str(uuid.uuid4()), "message_type": kind, **DRAFTS.get(kind, {}), **more}
