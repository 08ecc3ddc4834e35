// The emoji that are offered. The server takes any single one.

export const QUICK = ['👍', '❤️', '😂', '😮', '😢', '🙏'];

export const OFFERED: [string, string][] = [
	['👍', 'thumbs up'], ['👎', 'thumbs down'], ['❤️', 'red heart'], ['🔥', 'fire'], ['🎉', 'party popper'], ['👏', 'clapping hands'],
	['🙏', 'folded hands'], ['💪', 'flexed biceps'], ['👌', 'OK hand'], ['✌️', 'victory hand'], ['🤝', 'handshake'], ['🙌', 'raising hands'],
	['😂', 'tears of joy'], ['🤣', 'rolling on the floor'], ['😀', 'grinning'], ['😊', 'smiling eyes'], ['😍', 'heart eyes'], ['🥰', 'smiling with hearts'],
	['😘', 'blowing a kiss'], ['😉', 'winking'], ['😎', 'sunglasses'], ['🤔', 'thinking'], ['🤨', 'raised eyebrow'], ['🙄', 'rolling eyes'],
	['😮', 'astonished'], ['😱', 'screaming'], ['😢', 'crying'], ['😭', 'loudly crying'], ['😡', 'angry'], ['🤯', 'exploding head'],
	['😴', 'sleeping'], ['🤗', 'hugging'], ['🤩', 'star-struck'], ['🥳', 'partying'], ['😅', 'sweat smile'], ['🙈', 'see no evil'],
	['💯', 'hundred points'], ['✅', 'check mark'], ['❌', 'cross mark'], ['❓', 'question mark'], ['❗', 'exclamation mark'], ['👀', 'eyes'],
	['🚀', 'rocket'], ['⭐', 'star'], ['☕', 'coffee'], ['🍕', 'pizza'], ['🎂', 'birthday cake'], ['🌞', 'sun'],
]; // prettier-ignore
