// Pictures: in a bubble, with a placeholder until they are there; large; and while they are still being sent.
import { useEffect, useState } from 'preact/hooks';
import { thumbhash, type Attachment, type Parcel } from '../sdk/index.ts';
import { ClearIcon } from './icons.tsx';
import { complain, peal, watchRoom } from './state.ts';

const LONG = 320;
const SHORT = 72;

/** The size in a bubble, known before a byte of the picture has come, so that nothing moves when it does. */
export function sizeOf(width: number | null, height: number | null): { width: number; height: number } {
	const w = width ?? LONG,
		h = height ?? LONG;
	const scale = Math.min(1, LONG / Math.max(w, h));
	return { width: Math.max(SHORT, Math.round(w * scale)), height: Math.max(SHORT, Math.round(h * scale)) };
}

const drawn = new Map<string, string>();

function placeholder(hash: string | null): string | null {
	const known = hash === null ? undefined : drawn.get(hash);
	if (known !== undefined || hash === null) return known ?? null;
	const pixels = thumbhash(hash);
	if (!pixels) return null;
	const canvas = document.createElement('canvas');
	canvas.width = pixels.width;
	canvas.height = pixels.height;
	canvas.getContext('2d')?.putImageData(new ImageData(pixels.rgba, pixels.width, pixels.height), 0, 0);
	const url = canvas.toDataURL();
	if (drawn.size > 500) drawn.clear();
	drawn.set(hash, url);
	return url;
}

export function Picture({ attachment, alone }: { attachment: Attachment; alone: boolean }) {
	const [shown, setShown] = useState(attachment);
	const [there, setThere] = useState(false);
	const [broken, setBroken] = useState(false);
	const [large, setLarge] = useState<typeof import('./Lightbox.tsx') | null>(null);
	const size = sizeOf(attachment.width, attachment.height);
	const back = placeholder(attachment.thumbhash);
	const main = shown.renditions[0];
	const small = shown.renditions.find((r) => r.name === 'thumb');
	const failed = () => {
		// the link may have expired while this page was open: one fresh one is asked for
		if (broken || shown !== attachment) return setBroken(true);
		peal.rest.attachment(attachment.id).then(setShown, () => setBroken(true));
	};
	return (
		<>
			<button
				type="button"
				class={alone ? 'picture is-alone' : 'picture'}
				style={{
					width: `${size.width}px`,
					aspectRatio: `${size.width} / ${size.height}`,
					backgroundColor: attachment.color ?? undefined,
					backgroundImage: back ? `url(${back})` : undefined,
				}}
				aria-label={`Picture${attachment.name ? ` ${attachment.name}` : ''}: show it large`}
				onClick={() => void import('./Lightbox.tsx').then(setLarge, (error) => complain(error, 'Showing it large'))}
				disabled={broken}
				data-attachment={attachment.id}
			>
				{main && !broken && (
					<img
						src={main.url}
						srcset={small && !attachment.animated ? `${small.url} ${small.width}w, ${main.url} ${main.width}w` : undefined}
						sizes={`${size.width}px`}
						width={size.width}
						height={size.height}
						alt=""
						loading="lazy"
						decoding="async"
						class={there ? 'is-there' : ''}
						onLoad={() => setThere(true)}
						onError={failed}
					/>
				)}
				{broken && <span class="picture-note">This picture cannot be loaded.</span>}
			</button>
			{large && main && <large.Lightbox attachment={shown} close={() => setLarge(null)} />}
		</>
	);
}

/** By a link that is mine, and good for five minutes. */
export const save = (id: string) =>
	peal.rest.attachment(id).then(
		(fresh) => {
			const link = document.createElement('a');
			link.href = fresh.download_url;
			link.download = '';
			link.click();
		},
		(error) => complain(error, 'Saving'),
	);

/** From the file itself, with how much of it has gone. */
export function Sending({ parcel }: { parcel: Parcel }) {
	watchRoom(parcel.conversation_id);
	const [local, setLocal] = useState<string | null>(null);
	const [size, setSize] = useState({ width: 240, height: 180 });
	useEffect(() => {
		const url = URL.createObjectURL(parcel.file);
		setLocal(url);
		return () => URL.revokeObjectURL(url);
	}, [parcel.file]);
	const share = Math.round(parcel.progress * 100);
	return (
		<div class="picture is-sending" style={{ width: `${size.width}px`, aspectRatio: `${size.width} / ${size.height}` }}>
			{local && (
				<img
					src={local}
					alt=""
					class="is-there"
					onLoad={(e) => setSize(sizeOf(e.currentTarget.naturalWidth, e.currentTarget.naturalHeight))}
				/>
			)}
			{parcel.state !== 'failed' && (
				<>
					<progress max={100} value={share} aria-label="Sending the picture">
						{share} %
					</progress>
					<button
						type="button"
						class="ghost picture-stop"
						aria-label="Do not send"
						onClick={() => peal.uploads?.discard(parcel.client_id)}
					>
						<ClearIcon />
					</button>
				</>
			)}
		</div>
	);
}
