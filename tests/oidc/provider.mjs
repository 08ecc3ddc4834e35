// A provider of tests: npm's oidc-provider with its own pages for signing in and consent, where any name is accepted.
// provider.mjs <port> <redirect uri> <client secret or ""> <where names are told: id|userinfo> [<host> <key> <certificate>]
// With a host, it is reached there by TLS.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import Provider from 'oidc-provider';

const [port, redirect, secret, names, host, key, cert] = process.argv.slice(2);
const issuer = host ? `https://${host}:${port}` : `http://127.0.0.1:${port}`;

const provider = new Provider(issuer, {
	clients: [
		{
			client_id: 'peal',
			...(secret ? { client_secret: secret } : { token_endpoint_auth_method: 'none' }),
			redirect_uris: [redirect],
			response_types: ['code'],
			grant_types: ['authorization_code'],
		},
	],
	pkce: { required: () => true, methods: ['S256'] },
	claims: { openid: ['sub'], profile: ['name', 'preferred_username'] },
	conformIdTokenClaims: names === 'userinfo',
	features: { devInteractions: { enabled: true } },
	findAccount: (_, id) => ({
		accountId: id,
		claims: () => ({ sub: id, name: `${id} of the provider`, preferred_username: `${id}@mail.example` }),
	}),
	cookies: { keys: ['tests'] },
});
const server = host ? createServer({ key: readFileSync(key), cert: readFileSync(cert) }, provider.callback()) : provider;
server.listen(Number(port), '127.0.0.1', () => console.log('ready'));
