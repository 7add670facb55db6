// Plans a run without touching the GPU, and measures a step of it when asked to.

import { parseConfig } from "../../../config/config.ts";
import type { Config } from "../../../config/config.ts";
import { withoutNetwork } from "../../../data/hub/settings.ts";
import { cacheKey } from "../../../data/prepared_cache.ts";
import { configuredTokenizer } from "../../../data/tokenizer.ts";
import { EftError } from "../../../errors.ts";
import { findAdapter, type FoundAdapter, openDevice } from "../../../gpu/device.ts";
import { usualLimits } from "../../../graph/limits.ts";
import type { Limits } from "../../../graph/limits.ts";
import type { BrowserHost } from "../../../host/browser.ts";
import { type Measurement, measureStep } from "../../../train/measure.ts";
import { findSavings, type Saving } from "../../../train/savings.ts";
import { prepareSession, type Session } from "../../../train/session.ts";
import type { Context, Handlers } from "../../protocol.ts";
import { text } from "../../text.ts";
import { heldRuns } from "../runs/read.ts";
import { currentRun } from "../train/engine.ts";
import type { PlanAsk, PlanMade, PlanRequests } from "./requests.ts";

export const handlers: Handlers<PlanRequests> = {
  "plan.make": makePlan,
  "plan.measure": measure,
};

async function makePlan(
  { configText, configName, overrides }: PlanAsk,
  { host, report, signal }: Context<PlanMade>,
): Promise<Saving[]> {
  const offline = withoutNetwork(host); // a person may still be typing what the text names
  const { config } = parseConfig(configText, configName, overrides);
  const found: FoundAdapter | undefined = await findAdapter(host).catch(() => undefined);
  const limits = found?.limits ?? usualLimits;
  let session: Session | undefined;
  let refused = "";
  try {
    session = await plannedSession(offline, config, limits);
    session.loaded.files?.close();
    session.loaded.earlier?.files.close();
  } catch (error) {
    if (!(error instanceof EftError) || error.code !== "device") throw named(error, config);
    refused = error.message;
  }
  signal.throwIfAborted();
  report({
    adapter: found && {
      name: found.summary.name,
      software: found.summary.software,
      maxBuffer: limits.maxBuffer,
      maxBinding: limits.maxBinding,
    },
    memory: session?.memory,
    refused,
    steps: session?.totalSteps ?? 0,
  });
  const planned = { configText, configFile: configName, overrides, session };
  return await findSavings(offline, planned, limits, signal);
}

async function measure(
  { configText, configName, overrides }: PlanAsk,
  { host, report, signal }: Context<{ what: string; done: number; total: number }>,
): Promise<Measurement> {
  if (currentRun() || (await heldRuns()).size > 0) throw new EftError("device", text.plan.busy);
  const { config } = parseConfig(configText, configName, overrides);
  const device = await openDevice(host);
  try {
    const session = await plannedSession(withoutNetwork(host), config, device.limits)
      .catch((error) => Promise.reject(named(error, config)));
    return await measureStep(
      session,
      device,
      (what, done, total) => report({ what, done, total }),
      signal,
    );
  } catch (error) {
    // A device without memory fails in many ways; the first thing it said is the reason.
    throw device.failure ?? error;
  } finally {
    device.destroy();
  }
}

/** What is missing is said in the page's words. */
function named(error: unknown, { base_model }: Config): unknown {
  if (!(error instanceof EftError) || !/offline mode is on/.test(error.message)) return error;
  const what = error.code === "model" ? base_model : error.message.split(" is not in")[0];
  return new EftError(error.code, text.plan.notHere(what), error.place, { cause: error });
}

/** The data of the last plan, by what it is made of: most changes of a configuration leave it. */
let last: { key: string } & Pick<Session, "tokenizer" | "data"> | undefined;

async function plannedSession(host: BrowserHost, config: Config, limits: Limits): Promise<Session> {
  let known: typeof last;
  if (last) {
    const key = await cacheKey(host, config, await configuredTokenizer(host, config));
    if (key === last.key) known = last;
  }
  const session = await prepareSession(host, config, limits, undefined, known);
  const { tokenizer, data } = session;
  last = { key: known?.key ?? await cacheKey(host, config, tokenizer), tokenizer, data };
  return session;
}
