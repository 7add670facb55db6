// The Hugging Face token and the hub's address, as the engine's variables HF_TOKEN and HF_ENDPOINT.
// They are kept in memory only, unless the person wants them remembered.

import { computed, effect, signal } from "@preact/signals";
import { del, get, set } from "idb-keyval";

export const hubToken = signal("");
/** Empty: huggingface.co. */
export const hubAddress = signal("");
export const rememberHub = signal(false);

export const hubVariables = computed((): Record<string, string> => ({
  ...(hubToken.value.trim() && { HF_TOKEN: hubToken.value.trim() }),
  ...(URL.canParse(hubAddress.value.trim()) && { HF_ENDPOINT: hubAddress.value.trim() }),
}));

const key = "hub";

/** Fills the signals from the last visit, if they were to be remembered, and keeps them so. */
export async function restoreHub(): Promise<void> {
  const kept: { token: string; address: string } | undefined = await get(key).catch(() =>
    undefined
  );
  if (kept) {
    hubToken.value = kept.token;
    hubAddress.value = kept.address;
    rememberHub.value = true;
  }
  effect(() => {
    const now = { token: hubToken.value, address: hubAddress.value };
    (rememberHub.value ? set(key, now) : del(key)).catch(() => {});
  });
}
