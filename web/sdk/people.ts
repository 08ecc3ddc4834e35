// Names to ids: whoever was in anything the server said, and the others asked for, once each.
import type { Id, User } from './types.ts';

export class People {
	private readonly known = new Map<Id, User>();
	private readonly asked = new Set<Id>();

	constructor(
		private readonly ask: (id: Id) => Promise<User>,
		private readonly changed: () => void,
	) {}

	/** Undefined until an answer is there: `changed` says when. */
	get(id: Id): User | undefined {
		const user = this.known.get(id);
		if (!user && !this.asked.has(id)) void this.fetch(id);
		return user;
	}

	learn(users: (User | null | undefined)[]): void {
		for (const user of users) if (user) this.known.set(user.id, user);
	}

	clear(): void {
		this.known.clear();
		this.asked.clear();
	}

	private async fetch(id: Id): Promise<void> {
		this.asked.add(id); // also when it fails: somebody who cannot be seen is not asked for at every rendering
		try {
			this.known.set(id, await this.ask(id));
			this.changed();
		} catch {
			setTimeout(() => this.asked.delete(id), 30_000);
		}
	}
}
