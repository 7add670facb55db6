/** What this computer offers. */
export interface AdapterReport {
  name: string;
  isFallbackAdapter: boolean;
  limits: Record<string, number>;
  features: string[];
}

export interface StartRequests {
  "start.adapter": { ask: Record<never, never>; answer: AdapterReport };
}
