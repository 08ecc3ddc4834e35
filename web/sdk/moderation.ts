// What reports, moderation, access tokens and bots look like.
import type { Attachment, Id, Time, User } from './types.ts';

export type Reason = 'spam' | 'harassment' | 'hate' | 'violence' | 'sexual' | 'illegal' | 'impersonation' | 'other';
export type ReportState = 'open' | 'in_review' | 'resolved' | 'dismissed';

/** A message, or a person: one of the two. */
export interface ReportNew {
	message_id?: Id;
	user_id?: Id;
	reason: Reason;
	note?: string | null;
}

export interface ReportedPerson {
	id: Id;
	username: string;
	display_name: string;
	bot: boolean;
	status_text?: string | null;
}

/** As it was when it was reported. */
export interface ReportedMessage {
	id: Id;
	conversation: { id: Id; type: 'direct' | 'group'; name: string | null };
	sender: ReportedPerson;
	message_type: string;
	content: string | null;
	version: number;
	location: object | null;
	poll: { question: string; options: string[] } | null;
	created_at: Time;
	edited_at: Time | null;
}

export type ReportAction = 'delete_message' | 'disable_user' | 'slow_mode' | 'dismiss';

export interface Report {
	id: Id;
	state: ReportState;
	reason: Reason;
	note: string | null;
	reporter: User;
	user: User;
	user_disabled: boolean;
	message: ReportedMessage | null;
	attachments: Attachment[];
	message_gone: boolean;
	profile: ReportedPerson | null;
	action: ReportAction | null;
	moderator_note: string | null;
	handled_by: User | null;
	created_at: Time;
	handled_at: Time | null;
}

export interface ReportChange {
	state?: ReportState;
	note?: string | null;
	action?: ReportAction;
	slow_mode_seconds?: number;
}

/** Somebody as admins see them. */
export interface Account {
	user: User;
	site_role: 'moderator' | 'admin' | null;
	owner_id: Id | null;
	created_at: Time;
	last_seen_at: Time | null;
	disabled_at: Time | null;
}

export interface AuditRow {
	id: Id;
	at: Time;
	actor_id: Id | null;
	actor: string;
	act: string;
	target_kind: string | null;
	target_id: string | null;
	target: string | null;
	address: string | null;
	request_id: string | null;
	access_token_id: Id | null;
	detail: Record<string, unknown> | null;
}

export const SCOPES = {
	'profile:read': 'Read the profile and the directory',
	'profile:write': 'Change the profile, block people',
	'conversations:read': 'See conversations and who is in them',
	'conversations:write': 'Start and change conversations',
	'messages:read': 'Read messages and files, listen live',
	'messages:write': 'Send, edit and delete messages',
	'media:write': 'Upload files',
	'admin:read': 'Read reports and the audit log',
	'admin:write': 'Act on reports and accounts',
} as const;
export type Scope = keyof typeof SCOPES;

export interface Token {
	id: Id;
	user_id: Id;
	name: string;
	scopes: Scope[];
	created_at: Time;
	expires_at: Time | null;
	last_used_at: Time | null;
}

export interface TokenNew {
	name: string;
	scopes: Scope[];
	expires_in_days?: number | null;
	bot_id?: Id | null;
}
