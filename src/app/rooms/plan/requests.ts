export type PlanRequests = Record<never, never>;
