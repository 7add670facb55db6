export type ConfigRequests = Record<never, never>;
