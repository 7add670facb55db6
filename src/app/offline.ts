// Lets the page work without a network (service_worker.ts), and says when a new version has arrived.

import { signal } from "@preact/signals";
import { siteBase } from "./engine.ts";
import { heldRuns } from "./rooms/runs/read.ts";

/** The whole site is kept: the page works without a network from now on. */
export const keptOffline = signal(false);
/** A new version waits. */
export const updateWaits = signal(false);
/** A run goes on, in this tab or another, that a reload would end or that needs the old version. */
export const runGoesOn = signal(false);

let registration: ServiceWorkerRegistration | undefined;

/** How often a page that stays open looks for a new version. */
const hour = 3_600_000;

export async function keepOffline(): Promise<void> {
  if (!("serviceWorker" in navigator)) return;
  try {
    registration = await navigator.serviceWorker.register(new URL("service_worker.js", siteBase));
  } catch {
    return; // not offered here: plain http, a private window, or a server without the file
  }
  void lookForCopy();
  watch(registration);
  registration.addEventListener("updatefound", () => watch(registration!));
  let looked = Date.now();
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "visible" || Date.now() - looked < hour) return;
    looked = Date.now();
    registration!.update().catch(() => {}); // without a network there is nothing new
  });
}

function watch({ installing, waiting }: ServiceWorkerRegistration): void {
  const next = installing ?? waiting;
  if (!next) return;
  const look = () => {
    if (next.state === "activated") void lookForCopy();
    updateWaits.value = next.state === "installed" && registration!.active !== null;
    if (updateWaits.value) void lookForRuns();
  };
  next.addEventListener("statechange", look);
  look();
}

/** A server for one evening, as `eft ui` is, may offer a service worker that keeps nothing. */
async function lookForCopy(): Promise<void> {
  keptOffline.value = registration?.active != null && await caches.match(siteBase) !== undefined;
}

/** While an update waits. */
async function lookForRuns(): Promise<void> {
  runGoesOn.value = (await heldRuns()).size > 0;
  if (updateWaits.value) setTimeout(lookForRuns, 2000);
}

/** Changes to the new version. */
export function takeUpdate(): void {
  navigator.serviceWorker.addEventListener("controllerchange", () => location.reload());
  registration?.waiting?.postMessage("take over");
}
