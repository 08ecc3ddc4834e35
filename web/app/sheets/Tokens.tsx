// Access tokens of mine, bots of mine, and theirs.
import { useRef, useState } from 'preact/hooks';
import { SCOPES, uniqueId, type Scope, type Token, type User } from '../../sdk/index.ts';
import { exactTime, userName } from '../format.ts';
import { attempt, peal, tell } from '../state.ts';
import { useLoad } from './load.ts';
import { Sheet } from './Sheet.tsx';
import { Waiting } from './Waiting.tsx';

interface Mine {
	tokens: Token[];
	bots: User[];
}

async function load(): Promise<Mine> {
	const [tokens, bots] = await Promise.all([peal.rest.tokens(), peal.rest.bots()]);
	return { tokens: tokens.items, bots: bots.items };
}

export function Tokens() {
	const [turn, setTurn] = useState(0);
	const [secret, setSecret] = useState<string | null>(null);
	const loaded = useLoad(load, [turn]);
	const again = () => setTurn(turn + 1);
	return (
		<Sheet title="Programs and bots">
			<p class="sheet-note">
				A program comes with an access token instead of your password. A bot is a member of its own, who does everything by tokens.
			</p>
			{secret && <Secret secret={secret} gone={() => setSecret(null)} />}
			<Waiting loaded={loaded}>
				{({ tokens, bots }) => (
					<>
						<h3>Access tokens</h3>
						{tokens.length === 0 && <p class="sheet-note">None yet.</p>}
						<ul class="cards">
							{tokens.map((token) => (
								<TokenLine key={token.id} token={token} bots={bots} gone={again} />
							))}
						</ul>
						<NewToken
							bots={bots}
							made={(text) => {
								setSecret(text);
								again();
							}}
						/>
						<h3>Bots</h3>
						<ul class="cards">
							{bots.map((bot) => (
								<BotLine key={bot.id} bot={bot} gone={again} />
							))}
						</ul>
						<NewBot made={again} />
					</>
				)}
			</Waiting>
		</Sheet>
	);
}

/** Shown once. */
function Secret({ secret, gone }: { secret: string; gone: () => void }) {
	const copy = () =>
		navigator.clipboard?.writeText(secret).then(
			() => tell('Copied.'),
			() => tell('The browser does not allow copying here.'),
		);
	return (
		<div class="card is-secret" role="status">
			<p>
				<b>Your new token. It is not shown again.</b>
			</p>
			<p>
				<code data-testid="secret">{secret}</code>
			</p>
			<button type="button" class="link" onClick={() => void copy()}>
				Copy
			</button>{' '}
			<button type="button" class="link" onClick={gone}>
				I have it
			</button>
		</div>
	);
}

function TokenLine({ token, bots, gone }: { token: Token; bots: User[]; gone: () => void }) {
	const bot = bots.find((one) => one.id === token.user_id);
	const revoke = async () => {
		if (await attempt('Revoking', () => peal.rest.revokeToken(token.id))) gone();
	};
	return (
		<li class="card">
			<p class="card-head">
				<b dir="auto">{token.name}</b>
				{bot && <span class="tag">{userName(bot)}</span>}
			</p>
			<p class="sheet-note">{token.scopes.join(', ')}</p>
			<p class="sheet-note">
				{token.last_used_at ? `Last used ${exactTime(token.last_used_at)}` : 'Never used'} ·{' '}
				{token.expires_at ? `good until ${exactTime(token.expires_at)}` : 'does not expire'}
			</p>
			<button type="button" class="link" aria-label={`Revoke ${token.name}`} onClick={() => void revoke()}>
				Revoke
			</button>
		</li>
	);
}

function NewToken({ bots, made }: { bots: User[]; made: (secret: string) => void }) {
	const [name, setName] = useState('');
	const [scopes, setScopes] = useState<Scope[]>(['messages:write']);
	const [bot, setBot] = useState('');
	const key = useRef(uniqueId());
	const role = peal.session.state === 'in' && peal.session.user.site_role;
	const offered = (Object.keys(SCOPES) as Scope[]).filter((one) => !one.startsWith('admin:') || (role && !bot));
	const make = async () => {
		await attempt('Making a token', async () => {
			const token = { name: name.trim(), scopes, bot_id: bot || null, ...(bot && { expires_in_days: null }) };
			const { token: secret } = await peal.rest.createToken(token, key.current);
			key.current = uniqueId();
			setName('');
			made(secret);
		});
	};
	return (
		<details>
			<summary>New access token</summary>
			<label class="field">
				<span>What is it for?</span>
				<input value={name} maxLength={64} dir="auto" onInput={(e) => setName(e.currentTarget.value)} />
			</label>
			{bots.length > 0 && (
				<label class="switch">
					<span>For</span>
					<select value={bot} onChange={(e) => setBot(e.currentTarget.value)}>
						<option value="">me, for 90 days</option>
						{bots.map((one) => (
							<option key={one.id} value={one.id}>
								{userName(one)}, until it is revoked
							</option>
						))}
					</select>
				</label>
			)}
			<fieldset class="choices">
				<legend>It may</legend>
				{offered.map((one) => (
					<label key={one}>
						<input
							type="checkbox"
							checked={scopes.includes(one)}
							onChange={(e) => setScopes(e.currentTarget.checked ? [...scopes, one] : scopes.filter((s) => s !== one))}
						/>{' '}
						{SCOPES[one]} <code>{one}</code>
					</label>
				))}
			</fieldset>
			<button type="button" class="primary is-wide" disabled={name.trim() === '' || scopes.length === 0} onClick={() => void make()}>
				Make the token
			</button>
		</details>
	);
}

function BotLine({ bot, gone }: { bot: User; gone: () => void }) {
	const retire = async () => {
		if (await attempt('Retiring the bot', () => peal.rest.retireBot(bot.id))) gone();
	};
	return (
		<li class="card">
			<p class="card-head">
				<b dir="auto">{userName(bot)}</b>
				<span class="tag">@{bot.username}</span>
			</p>
			<button type="button" class="link" aria-label={`Retire ${bot.username}`} onClick={() => void retire()}>
				Retire
			</button>
		</li>
	);
}

function NewBot({ made }: { made: () => void }) {
	const [username, setUsername] = useState('');
	const [name, setName] = useState('');
	const key = useRef(uniqueId());
	const make = async () => {
		const done = await attempt('Making a bot', () => peal.rest.createBot(username.trim(), name.trim() || null, key.current));
		if (!done) return;
		key.current = uniqueId();
		setUsername('');
		setName('');
		made();
	};
	return (
		<details>
			<summary>New bot</summary>
			<label class="field">
				<span>User name of the bot</span>
				<input value={username} maxLength={32} autocapitalize="off" onInput={(e) => setUsername(e.currentTarget.value)} />
			</label>
			<label class="field">
				<span>Name of the bot</span>
				<input value={name} maxLength={64} dir="auto" onInput={(e) => setName(e.currentTarget.value)} />
			</label>
			<button type="button" class="primary is-wide" disabled={username.trim().length < 3} onClick={() => void make()}>
				Make the bot
			</button>
		</details>
	);
}
