export type RunsRequests = Record<never, never>;
