// A film that browsers play: its first picture until somebody wants to see it.
import { useState } from 'preact/hooks';
import type { Attachment } from '../sdk/index.ts';
import { sizeOf } from './Picture.tsx';
import { peal } from './state.ts';

export function Film({ attachment }: { attachment: Attachment }) {
	const [shown, setShown] = useState(attachment);
	const size = sizeOf(attachment.width, attachment.height);
	const url = (name: string) => shown.renditions.find((r) => r.name === name)?.url;
	const failed = () => {
		// the link may have expired while this page was open: one fresh one is asked for
		if (shown === attachment) peal.rest.attachment(attachment.id).then(setShown, () => undefined);
	};
	return (
		<video
			class="film"
			controls
			playsInline
			preload="none"
			src={url('video')}
			poster={url('poster')}
			style={{ width: `${size.width}px`, aspectRatio: `${size.width} / ${size.height}`, backgroundColor: attachment.color ?? undefined }}
			aria-label={attachment.name ?? 'Film'}
			data-attachment={attachment.id}
			onError={failed}
		/>
	);
}
