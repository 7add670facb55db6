export type DataRequests = Record<never, never>;
