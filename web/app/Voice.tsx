// Voice notes: a button, the waveform in which one can seek, and the time. And files, which are saved and never shown.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Attachment, Parcel } from '../sdk/index.ts';
import { clockOf, sizeText } from './format.ts';
import { ClearIcon, FileIcon, PauseIcon, PlayIcon } from './icons.tsx';
import { save } from './Picture.tsx';
import { peal, watchRoom } from './state.ts';

const STEP_S = 5;
const LOOK_MS = 10000;

/** Only one speaks at a time. */
let speaking: HTMLAudioElement | null = null;

export function Voice({ attachment }: { attachment: Attachment }) {
	const [shown, setShown] = useState(attachment);
	const [at, setAt] = useState(0);
	const [playing, setPlaying] = useState(false);
	const [broken, setBroken] = useState(false);
	const sound = useRef<HTMLAudioElement>(null);
	const length = (attachment.duration_ms ?? 0) / 1000;
	useEffect(() => () => sound.current?.pause(), []);
	useEffect(() => {
		if (shown !== attachment) sound.current?.load();
	}, [shown]);
	const failed = () => {
		// the links may have expired while this page was open: fresh ones are asked for, once
		if (shown !== attachment) return setBroken(true);
		peal.rest.attachment(attachment.id).then(setShown, () => setBroken(true));
	};
	const toggle = () => {
		const it = sound.current!;
		if (!it.paused) return it.pause();
		if (speaking !== it) speaking?.pause();
		speaking = it;
		it.play().catch(() => undefined); // what went wrong comes as an error event
	};
	const seek = (seconds: number) => {
		const to = Math.min(length, Math.max(0, seconds));
		sound.current!.currentTime = to;
		setAt(to);
	};
	const keys = (e: KeyboardEvent) => {
		const to = { ArrowLeft: at - STEP_S, ArrowRight: at + STEP_S, Home: 0, End: length }[e.key];
		if (to === undefined) return;
		e.preventDefault();
		seek(to);
	};
	const point = (e: MouseEvent) => {
		const box = (e.currentTarget as HTMLElement).getBoundingClientRect();
		seek(((e.clientX - box.left) / box.width) * length);
	};
	const share = length > 0 ? at / length : 0;
	return (
		<div class="voice" data-attachment={attachment.id}>
			<audio
				ref={sound}
				preload="none"
				onPlay={() => setPlaying(true)}
				onPause={() => setPlaying(false)}
				onTimeUpdate={(e) => setAt(e.currentTarget.currentTime)}
				onEnded={() => setAt(0)}
			>
				{[...shown.renditions].reverse().map((r, i, all) => (
					<source key={r.url} src={r.url} type={r.mime} onError={i === all.length - 1 ? failed : undefined} />
				))}
			</audio>
			<button type="button" class="voice-button" aria-label={playing ? 'Pause' : 'Play the voice note'} disabled={broken} onClick={toggle}>
				{playing ? <PauseIcon /> : <PlayIcon />}
			</button>
			<div
				class="voice-wave"
				role="slider"
				tabIndex={0}
				aria-label="Place in the voice note"
				aria-valuemin={0}
				aria-valuemax={Math.round(length)}
				aria-valuenow={Math.round(at)}
				aria-valuetext={clockOf(at * 1000)}
				onClick={point}
				onKeyDown={keys}
			>
				<Bars bars={attachment.bars ?? []} share={share} />
			</div>
			<span class="voice-time">{broken ? 'Cannot be loaded' : clockOf(playing || at > 0 ? at * 1000 : attachment.duration_ms ?? 0)}</span>
		</div>
	);
}

const BAR = 4;
const HIGH = 32;

function Bars({ bars, share }: { bars: number[]; share: number }) {
	return (
		<svg viewBox={`0 0 ${bars.length * BAR} ${HIGH}`} preserveAspectRatio="none" aria-hidden="true">
			{bars.map((bar, i) => {
				const height = Math.max(2, (bar / 100) * HIGH);
				const said = (i + 0.5) / bars.length <= share;
				return <rect class={said ? 'is-said' : ''} x={i * BAR} y={(HIGH - height) / 2} width={BAR - 1.4} height={height} rx="1" />;
			})}
		</svg>
	);
}

/** What is not ready yet, or never will be, looks like a file; `of`: the message that has it. */
export function FileBox({ attachment, of }: { attachment: Attachment; of?: string }) {
	const { state } = attachment;
	useEffect(() => {
		const look = setInterval(() => state === 'processing' && of && peal.loadMessage(of), LOOK_MS); // what says so may have been missed
		return () => clearInterval(look);
	}, [state]);
	return (
		<button type="button" class="file-box" disabled={state !== 'ready'} onClick={() => save(attachment.id)} data-attachment={attachment.id} aria-label={`Save ${attachment.name ?? 'the file'}`}>
			<FileIcon />
			<span class="file-name" dir="auto">
				{attachment.name ?? 'File'}
			</span>
			<span class="file-size">{state === 'ready' ? sizeText(attachment.size) : state}</span>
		</button>
	);
}

export function SendingFile({ parcel }: { parcel: Parcel }) {
	watchRoom(parcel.conversation_id);
	return (
		<div class="file-box is-sending">
			<FileIcon />
			<span class="file-name" dir="auto">
				{parcel.kind === 'audio' ? 'Voice note' : parcel.name}
			</span>
			<span class="file-size">{sizeText(parcel.file.size)}</span>
			{parcel.state !== 'failed' && (
				<>
					<progress max={100} value={Math.round(parcel.progress * 100)} aria-label="Sending" />
					<button type="button" class="ghost" aria-label="Do not send" onClick={() => peal.uploads?.discard(parcel.client_id)}>
						<ClearIcon />
					</button>
				</>
			)}
		</div>
	);
}
