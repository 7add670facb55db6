export type ModelRequests = Record<never, never>;
