// A picture of somebody or of a group, and a way to change it.
import { useRef, useState } from 'preact/hooks';
import { PICTURE_TYPES, type Attachment, type Id } from '../../sdk/index.ts';
import { Avatar } from '../parts.tsx';
import { attempt, peal } from '../state.ts';

interface Props {
	id: Id;
	name: string;
	url: string | null | undefined;
	/** Absent: it is only shown. Null takes the picture away. */
	onPick?: (picture: Attachment | null) => Promise<unknown>;
}

export function AvatarField({ id, name, url, onPick }: Props) {
	const [busy, setBusy] = useState(false);
	const picker = useRef<HTMLInputElement>(null);
	const take = async (what: () => Promise<unknown>) => {
		setBusy(true);
		await attempt('Changing the picture', what);
		setBusy(false);
	};
	return (
		<div class="avatar-field">
			<Avatar id={id} name={name} url={url} size="l" />
			{onPick && (
				<div class="avatar-links">
					<button type="button" class="link" disabled={busy} onClick={() => picker.current?.click()}>
						{url ? 'Change the picture' : 'Choose a picture'}
					</button>
					{url && (
						<button type="button" class="link" disabled={busy} onClick={() => void take(() => onPick(null))}>
							Remove it
						</button>
					)}
					<input
						ref={picker}
						type="file"
						accept={PICTURE_TYPES.join(',')}
						hidden
						data-testid="avatar"
						onChange={(e) => {
							const file = e.currentTarget.files?.[0];
							e.currentTarget.value = '';
							if (file) void take(async () => onPick(await peal.uploadPicture(file)));
						}}
					/>
				</div>
			)}
		</div>
	);
}
