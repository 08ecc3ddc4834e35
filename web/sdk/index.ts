// The SDK: everything a client of Peal needs but a face. No dependencies.
export { Peal, type Options, type Session } from './client.ts';
export { PealError, asProblem, type ProblemCode } from './problem.ts';
export { ERRORS, type ErrorCode } from './errors.ts';
export { Rest, call, type Bearer, type Transport } from './rest.ts';
export { Auth } from './auth.ts';
export { Socket, verdict, type ConnectionState } from './socket.ts';
export { Store, type Room } from './store.ts';
export { Outbox, type Extra, type Pending } from './outbox.ts';
export { PICTURE_TYPES, type Parcel, type UploadKind } from './upload.ts';
export { thumbhash } from './thumbhash.ts';
export { Actions } from './actions.ts';
export { Drafts } from './drafts.ts';
export { seqOf } from './merge.ts';
export { uniqueId } from './clock.ts';
export { Order } from './order.ts';
export type * from './types.ts';
export { SCOPES } from './moderation.ts';
export type * from './moderation.ts';
