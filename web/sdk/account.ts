// How somebody signs in: what travels of it, and what the browser says to it.
import type { Id, Time } from './types.ts';

export interface SignedInAt {
	id: Id;
	/** What the browser or app called itself. */
	user_agent: string | null;
	created_at: Time;
	last_used_at: Time;
	expires_at: Time;
	/** This is the one that asks. */
	current: boolean;
}

export interface Factors {
	password: boolean;
	totp: { enabled: boolean; enabled_at: Time | null; recovery_codes_left: number };
	passkeys: number;
	/** Until then nothing has to be proved before a change; null: it has. */
	proved_until: Time | null;
}

export interface TotpSecret {
	secret: string;
	/** For a QR code. */
	uri: string;
}

export interface PasskeyInfo {
	id: Id;
	name: string;
	backed_up: boolean;
	transports: string[];
	created_at: Time;
	last_used_at: Time | null;
}

/** A provider, or another issuer, that says who I am. */
export interface LinkedTo {
	id: Id;
	/** As `Provider` has it; null: nobody signs in there from here. */
	provider: string | null;
	title: string;
	created_at: Time;
}

/** Either a password, with a code where signing in takes one, or the answer of a passkey. */
export type Proof = { password: string; code?: string; recovery_code?: string } | { credential: unknown };
/** The second step of signing in. */
export type Code = { code: string } | { recovery_code: string };

export const passkeysHere = () => typeof PublicKeyCredential === 'function' && isSecureContext;

/** The person closed the browser's dialogue, or it gave up: nothing to complain of. */
export const wasCancelled = (error: unknown) =>
	error instanceof DOMException && (error.name === 'NotAllowedError' || error.name === 'AbortError');

/** The authenticator has one of this account already. */
export const wasThere = (error: unknown) => error instanceof DOMException && error.name === 'InvalidStateError';
