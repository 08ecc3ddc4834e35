// What a message holds besides text and pictures: a poll, a place, a call.
import type { Message } from '../sdk/index.ts';
import { callText } from './format.ts';
import { PlaceIcon } from './icons.tsx';
import { PollCard } from './Poll.tsx';

export const hasCard = (message: Message | null) =>
	!!message && !message.deleted_at && !!(message.poll || message.location || message.call || message.encrypted);

export function Card({ message }: { message: Message }) {
	if (message.poll) return <PollCard message={message} />;
	if (message.location) return <Place location={message.location} />;
	return <p class="text">{message.call ? callText(message.call) : 'An encrypted message that this client cannot read.'}</p>;
}

/** No map is fetched from anywhere: the link opens one for those who want it. */
function Place({ location }: { location: NonNullable<Message['location']> }) {
	const { latitude, longitude, name, address } = location;
	const place = `${latitude.toFixed(5)}, ${longitude.toFixed(5)}`;
	return (
		<a
			class="place"
			href={`https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}#map=16/${latitude}/${longitude}`}
			target="_blank"
			rel="noopener noreferrer nofollow"
		>
			<span class="place-mark">
				<PlaceIcon />
			</span>
			<span class="place-body">
				<b dir="auto">{name ?? 'Location'}</b>
				{address && <span dir="auto">{address}</span>}
				<small>{place}</small>
			</span>
		</a>
	);
}
