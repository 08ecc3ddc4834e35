// Recording a voice note: one button begins, another sends, a third throws it away.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Room } from '../sdk/index.ts';
import { clockOf } from './format.ts';
import { ClearIcon, MicrophoneIcon, SendIcon } from './icons.tsx';
import { peal, tell } from './state.ts';

/** What the server takes and this browser makes; the first is the smallest. */
const TYPES = ['audio/webm;codecs=opus', 'audio/ogg;codecs=opus', 'audio/mp4'];
const SHORTEST_MS = 500; // a slip of the finger is no message
const LONGEST_MS = 15 * 60_000;
const TELL_EVERY_MS = 3000;

export const canRecord = (): boolean => 'MediaRecorder' in window && !!navigator.mediaDevices?.getUserMedia;

interface Take {
	recorder: MediaRecorder;
	began: number;
	keep: boolean;
}

export function Recorder({ room }: { room: Room }) {
	const [take, setTake] = useState<Take | null>(null);
	const [now, setNow] = useState(0);
	const asked = useRef(false);
	useEffect(() => {
		if (!take) return;
		const tick = setInterval(() => setNow(Date.now()), 200);
		return () => {
			clearInterval(tick);
			end(take, false); // whoever goes to another conversation has not said send
		};
	}, [take]);
	const lasted = take ? Math.max(0, now - take.began) : 0;
	useEffect(() => {
		if (take && lasted >= LONGEST_MS) end(take, true);
	}, [lasted >= LONGEST_MS]);
	useEffect(() => {
		if (!take) return;
		peal.typing(room.id, true);
		const again = setInterval(() => peal.typing(room.id, true), TELL_EVERY_MS);
		return () => {
			clearInterval(again);
			peal.typing(room.id, false);
		};
	}, [take]);

	const begin = async () => {
		if (asked.current) return;
		asked.current = true;
		try {
			const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, noiseSuppression: true, echoCancellation: true } });
			setNow(Date.now());
			setTake(started(stream, (sound) => peal.sendRecording(room.id, sound), () => setTake(null)));
		} catch (error) {
			tell((error as Error).name === 'NotAllowedError' ? 'This page may not use the microphone.' : 'There is no microphone.');
		} finally {
			asked.current = false;
		}
	};
	if (!take)
		return (
			<button type="button" class="send is-record" aria-label="Record a voice note" onClick={() => void begin()}>
				<MicrophoneIcon />
			</button>
		);
	return (
		<div class="recording" role="group" aria-label="Recording">
			<span class="recording-dot" />
			<span class="recording-time" role="timer">
				{clockOf(lasted)}
			</span>
			<button type="button" class="ghost" aria-label="Throw the recording away" onClick={() => end(take, false)}>
				<ClearIcon />
			</button>
			<button type="button" class="send" aria-label="Send the recording" onClick={() => end(take, Date.now() - take.began >= SHORTEST_MS)}>
				<SendIcon />
			</button>
		</div>
	);
}

function end(take: Take, keep: boolean): void {
	if (take.recorder.state === 'inactive') return;
	take.keep = keep;
	take.recorder.stop();
}

function started(stream: MediaStream, done: (sound: Blob) => void, over: () => void): Take {
	const type = TYPES.find((t) => MediaRecorder.isTypeSupported(t));
	const recorder = new MediaRecorder(stream, { ...(type ? { mimeType: type } : {}), audioBitsPerSecond: 48_000 });
	const take: Take = { recorder, began: Date.now(), keep: false };
	const parts: Blob[] = [];
	recorder.ondataavailable = (e) => parts.push(e.data);
	recorder.onstop = () => {
		stream.getTracks().forEach((track) => track.stop());
		over();
		if (take.keep && parts.length > 0) done(new Blob(parts, { type: recorder.mimeType }));
	};
	recorder.start();
	return take;
}
