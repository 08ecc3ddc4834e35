/*
 * Passkeys between the API's JSON and navigator.credentials. The browser's own conversions (parseCreationOptionsFromJSON, toJSON) are
 * younger than passkeys are.
 */

interface Descriptor {
	type: 'public-key';
	id: string;
	transports?: string[];
}

/** PublicKeyCredentialCreationOptionsJSON, as far as the server says it. */
export interface NewPasskey {
	rp: PublicKeyCredentialRpEntity;
	user: { id: string; name: string; displayName: string };
	challenge: string;
	pubKeyCredParams: PublicKeyCredentialParameters[];
	timeout: number;
	excludeCredentials: Descriptor[];
	authenticatorSelection: AuthenticatorSelectionCriteria;
	attestation: AttestationConveyancePreference;
}

/** PublicKeyCredentialRequestOptionsJSON, likewise. */
export interface AskPasskey {
	challenge: string;
	rpId: string;
	timeout: number;
	userVerification: UserVerificationRequirement;
}

export function bytes(text: string): Uint8Array<ArrayBuffer> {
	const plain = atob(text.replace(/-/g, '+').replace(/_/g, '/'));
	return Uint8Array.from(plain, (c) => c.charCodeAt(0));
}

export function base64url(buffer: ArrayBuffer): string {
	const plain = String.fromCharCode(...new Uint8Array(buffer));
	return btoa(plain).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
}

const outside = (credential: PublicKeyCredential) => ({
	id: credential.id,
	rawId: base64url(credential.rawId),
	type: credential.type,
	authenticatorAttachment: credential.authenticatorAttachment,
	clientExtensionResults: {},
});

export async function makePasskey(options: NewPasskey): Promise<unknown> {
	const made = (await navigator.credentials.create({
		publicKey: {
			...options,
			challenge: bytes(options.challenge),
			user: { ...options.user, id: bytes(options.user.id) },
			excludeCredentials: options.excludeCredentials.map((one) => ({
				type: one.type,
				id: bytes(one.id),
				transports: one.transports as AuthenticatorTransport[],
			})),
		},
	})) as PublicKeyCredential;
	const response = made.response as AuthenticatorAttestationResponse;
	return {
		...outside(made),
		response: {
			clientDataJSON: base64url(response.clientDataJSON),
			attestationObject: base64url(response.attestationObject),
			transports: response.getTransports?.() ?? [],
		},
	};
}

export async function usePasskey(options: AskPasskey): Promise<unknown> {
	const { challenge, rpId, timeout, userVerification } = options;
	const used = (await navigator.credentials.get({
		publicKey: { challenge: bytes(challenge), rpId, timeout, userVerification },
	})) as PublicKeyCredential;
	const response = used.response as AuthenticatorAssertionResponse;
	return {
		...outside(used),
		response: {
			clientDataJSON: base64url(response.clientDataJSON),
			authenticatorData: base64url(response.authenticatorData),
			signature: base64url(response.signature),
			userHandle: response.userHandle ? base64url(response.userHandle) : null,
		},
	};
}
