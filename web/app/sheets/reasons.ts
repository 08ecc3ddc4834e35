// What can be wrong, in words.
import type { Reason } from '../../sdk/index.ts';

export const REASONS: Record<Reason, string> = {
	spam: 'Spam',
	harassment: 'Harassment',
	hate: 'Hate',
	violence: 'Violence or threats',
	sexual: 'Sexual content',
	illegal: 'Something illegal',
	impersonation: 'Pretends to be somebody else',
	other: 'Something else',
};
