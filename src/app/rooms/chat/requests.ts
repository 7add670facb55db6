export type ChatRequests = Record<never, never>;
