-- 0012_hot_rows -- no CHECK constraints on rows that every send writes (docs/decisions.md 35): PostgreSQL reads their expressions from
-- text again for each statement. tests/peal/audit.py looks for what they forbade after every random and concurrent run.

ALTER TABLE conversation
	DROP CONSTRAINT conversation_kind_check,
	DROP CONSTRAINT conversation_check,
	DROP CONSTRAINT conversation_ttl_seconds_check,
	DROP CONSTRAINT conversation_retention_days_check,
	DROP CONSTRAINT conversation_slow_mode_seconds_check;
ALTER TABLE member
	DROP CONSTRAINT member_role_check,
	DROP CONSTRAINT member_notify_check,
	DROP CONSTRAINT member_check;
ALTER TABLE message_key DROP CONSTRAINT message_key_check;
ALTER TABLE event DROP CONSTRAINT event_detail_check;
