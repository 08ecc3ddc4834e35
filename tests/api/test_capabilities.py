"""/capabilities says what the contract says: each limit is the bound of a place in docs/openapi.yaml."""

import pytest

from peal import contract

BOUNDS = {
    "max_page": "components/parameters/Limit/schema/maximum",
    "max_content_code_points": "components/schemas/MessageDraft/properties/content/maxLength",
    "max_attachments": "components/schemas/MessageDraft/properties/attachment_ids/maxItems",
    "max_mentions": "components/schemas/MessageDraft/properties/mentions/maxItems",
    "max_expires_in_seconds": "components/schemas/MessageDraft/properties/expires_in_seconds/maximum",
    "max_poll_options": "components/schemas/PollDraft/properties/options/maxItems",
    "max_poll_question_code_points": "components/schemas/PollDraft/properties/question/maxLength",
    "max_poll_option_code_points": "components/schemas/PollDraft/properties/options/items/maxLength",
    "max_poll_seconds": "components/schemas/PollDraft/properties/closes_in_seconds/maximum",
    "max_call_seconds": "components/schemas/CallDraft/properties/duration_seconds/maximum",
    "max_ciphertext_code_points": "components/schemas/EncryptedDraft/properties/ciphertext/maxLength",
    "max_my_reactions": "components/schemas/ReactorList/properties/items/items/properties/emojis/maxItems",
    "max_pins": "components/schemas/PinList/properties/items/maxItems",
    "max_group_name_code_points": "components/schemas/GroupName/maxLength",
    "max_people_per_request": "components/schemas/People/maxItems",
    "marks_max_members": "components/schemas/ConversationFull/allOf/1/properties/participants/maxItems",
    "max_ttl_seconds": "components/schemas/ConversationChange/properties/ttl_seconds/maximum",
    "max_retention_days": "components/schemas/ConversationChange/properties/retention_days/maximum",
    "max_slow_mode_seconds": "components/schemas/ConversationChange/properties/slow_mode_seconds/maximum",
    "max_presence_ids": "components/schemas/PresenceList/properties/items/maxItems",
    "max_display_name_code_points": "components/schemas/ProfileChange/properties/display_name/maxLength",
    "max_status_text_code_points": "components/schemas/ProfileChange/properties/status_text/maxLength",
    "password_min_code_points": "components/schemas/NewPassword/minLength",
    "password_max_bytes": "components/schemas/NewPassword/maxLength",
}
# No place of the contract bounds these: they are counted, or of a whole body or frame, or configured.
UNBOUND = {"max_body_bytes", "max_message_body_bytes", "max_content_bytes", "max_frame_bytes", "max_devices", "max_presence_watches",
           "typing_max_members", "max_scheduled", "schedule_ahead_seconds", "max_image_bytes", "max_image_pixels", "max_image_frames",
           "max_audio_bytes", "max_audio_seconds", "max_video_bytes", "max_file_bytes",
           "max_reactions", "max_pinned_conversations", "max_group_members"}


@pytest.mark.parametrize("limit", sorted(BOUNDS))
def test_a_limit_is_the_contract_s(anonymous, limit):
    assert anonymous.get("/capabilities", expect=200)["limits"][limit] == contract.pointer(contract.document("openapi.yaml"), BOUNDS[limit])


def test_no_limit_is_left_out(anonymous):
    assert set(anonymous.get("/capabilities")["limits"]) == set(BOUNDS) | UNBOUND


def test_features(anonymous):
    features = anonymous.get("/capabilities")["features"]
    assert features.pop("registration") == "open" and set(features.pop("uploads").split()) == {"image", "audio", "video", "file"}
    assert set(features.pop("message_types").split()) >= {"text", "image", "location", "poll", "call", "encrypted"}
    assert features.pop("call_relay") is False      # there is no TURN server in this configuration
    assert features.pop("fcm") is False and features["web_push"] is True
    assert set(features.values()) == {True} and {"blocks", "presence", "reactions", "scheduled_messages", "sync", "search", "resumable_uploads", "bots"} <= set(features)
