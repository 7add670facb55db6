// What a run will take, shown before it starts: its memory line by line, whether it fits, what would
// make it smaller, and how long a real step takes.

import { useEffect } from "preact/hooks";
import type { MemoryReport } from "../../../graph/plan.ts";
import type { Saving } from "../../../train/savings.ts";
import { codeWords } from "../../parts/code_words.tsx";
import { bytes, count, duration, percent } from "../../parts/format.ts";
import { Notice } from "../../parts/notice.tsx";
import { link, route } from "../../routes.ts";
import { configText } from "../../state.ts";
import { text } from "../../text.ts";
import { runningNow } from "../train/running.ts";
import type { PlanMade } from "./requests.ts";
import {
  apply,
  followPlan,
  gpuMemory,
  keepGpuMemory,
  measure,
  measured,
  measureFailure,
  measuring,
  plan,
  planning,
  problem,
  savings,
  stopMeasuring,
  stopped,
} from "./state.ts";
import "./plan.css";

const lines = Object.keys(text.plan.lines) as (keyof typeof text.plan.lines)[];

/** `compact`: the sum and what would make it smaller, for the room of the configuration. */
export function Plan({ compact = false }: { compact?: boolean }) {
  useEffect(followPlan, []);
  const made = plan.value;
  return (
    <section class="plan" aria-labelledby="plan-title">
      <h2 id="plan-title">
        {compact ? text.plan.compactTitle : text.plan.title}
        <span class="quiet working" role="status">{planning.value ? text.plan.working : ""}</span>
      </h2>
      {runningNow.value && <Notice kind="info">{text.plan.next}</Notice>}
      <Problem compact={compact} />
      {made && (
        <div class={planning.value && !savings.value ? "" : "settled"}>
          <Verdict made={made} compact={compact} />
          {made.memory && <Bar memory={made.memory} />}
          <div class={compact ? "" : "halves"}>
            {made.memory && !compact && <Table memory={made.memory} />}
            <div>
              <Savings total={made.memory?.total} />
              {compact ? <a href={link("train")}>{text.plan.toTrain}</a> : (
                <>
                  <Figure made={made} />
                  <Measure steps={made.steps} />
                </>
              )}
            </div>
          </div>
        </div>
      )}
    </section>
  );
}

/** What keeps the plan from being made; the room of the configuration lists its own mistakes. */
function Problem({ compact }: { compact: boolean }) {
  const { code, message } = problem.value ?? {};
  if (!message || (compact && code === "config")) return null;
  const rooms = { config: "toConfig", model: "toModel", data: "toData" } as const;
  const room = code as keyof typeof rooms;
  return (
    <>
      <Notice kind="warning">{codeWords(message)}</Notice>
      {rooms[room] && room !== route.value.room.name && (
        <p>
          <a class="button" href={link(room)}>{text.plan[rooms[room]]}</a>
        </p>
      )}
    </>
  );
}

function Verdict({ made: { memory, refused }, compact }: { made: PlanMade; compact: boolean }) {
  if (!memory) return <Notice kind="warning">{text.plan.refused} {codeWords(refused)}</Notice>;
  const total = bytes(memory.total);
  const room = gpuMemory.value * 2 ** 30;
  const all = `${gpuMemory.value} GiB`;
  if (room === 0) {
    return (
      <p id="verdict">
        {text.plan.takesAll(total)} {compact ? "" : text.plan.unknown}
      </p>
    );
  }
  const over = memory.total > room;
  const tight = memory.total > room * 0.9;
  return (
    <p id="verdict" class={`notice ${over ? "error" : tight ? "warning" : "good"}`}>
      {over
        ? text.plan.over(bytes(memory.total - room), all)
        : (tight ? text.plan.tight : text.plan.fits)(total, all)}
    </p>
  );
}

/** The lines as parts of the whole, and the whole as a part of the GPU's memory where that is known. */
function Bar({ memory }: { memory: MemoryReport }) {
  const room = gpuMemory.value * 2 ** 30;
  const grow = (share: number) => ({ flexGrow: String(share) });
  return (
    <>
      <div class="bar" role="img" aria-label={text.plan.bar(bytes(memory.total))}>
        {lines.map((name) => <span key={name} class={`part ${name}`} style={grow(memory[name])} />)}
      </div>
      {room > 0 && (
        <div class="bar room" aria-hidden="true">
          <span
            class={`part ${memory.total > room ? "over" : "used"}`}
            style={grow(memory.total)}
          />
          <span class="part" style={grow(Math.max(0, room - memory.total))} />
        </div>
      )}
    </>
  );
}

function Table({ memory }: { memory: MemoryReport }) {
  return (
    <table id="plan-lines">
      <caption class="quiet">{text.plan.caption}</caption>
      <thead>
        <tr>
          <th scope="col">{text.plan.line}</th>
          <th scope="col" class="number">{text.plan.bytes}</th>
          <th scope="col" class="number">{text.plan.share}</th>
        </tr>
      </thead>
      <tbody>
        {lines.map((name) => (
          <tr key={name}>
            <th scope="row">
              <span class={`swatch ${name}`} aria-hidden="true" />
              {text.plan.lines[name]}
            </th>
            <td class="number" title={count(memory[name])} data-bytes={memory[name]}>
              {bytes(memory[name])}
            </td>
            <td class="number">{percent(memory[name] / memory.total)}</td>
          </tr>
        ))}
      </tbody>
      <tfoot>
        <tr>
          <th scope="row">{text.plan.total}</th>
          <td class="number" id="plan-total" data-bytes={memory.total}>{bytes(memory.total)}</td>
          <td class="number">{percent(1)}</td>
        </tr>
      </tfoot>
    </table>
  );
}

function Savings({ total }: { total: number | undefined }) {
  const found = savings.value;
  if (!found) return <p class="quiet">{text.plan.searching}</p>;
  if (found.length === 0) return null;
  return (
    <>
      <h3>{text.plan.savings}</h3>
      <ul class="savings">
        {found.map((saving) => <SavingView key={keysOf(saving)} saving={saving} total={total} />)}
      </ul>
    </>
  );
}

function SavingView({ saving, total }: { saving: Saving; total: number | undefined }) {
  const { memory } = saving;
  const keys = keysOf(saving);
  return (
    <li>
      <code>{keys}</code>
      <span class="less">
        {total === undefined
          ? text.plan.takes(bytes(memory.total))
          : text.plan.saves(bytes(total - memory.total))}
      </span>
      <button type="button" aria-label={`${text.plan.apply} ${keys}`} onClick={() => apply(saving)}>
        {text.plan.apply}
      </button>
    </li>
  );
}

function keysOf({ changes }: Saving): string {
  return changes.map(({ key, value }) => `${key}: ${value}`).join(", ");
}

/** What the GPU offers, as far as the browser and the person know. */
function Figure({ made: { adapter } }: { made: PlanMade }) {
  return (
    <>
      <h3>{text.plan.offers}</h3>
      <p class="quiet">
        {adapter
          ? text.plan.limits(adapter.name, bytes(adapter.maxBinding), bytes(adapter.maxBuffer))
          : text.plan.noAdapter}
      </p>
      <div class="field figure">
        <label for="gpu-memory">{text.plan.figure}</label>
        <input
          id="gpu-memory"
          type="number"
          min="0"
          step="any"
          aria-describedby="gpu-memory-help"
          value={gpuMemory.value || ""}
          onInput={({ currentTarget }) => keepGpuMemory(Math.max(0, Number(currentTarget.value)))}
        />
        <span class="hint" id="gpu-memory-help">{text.plan.figureHelp}</span>
      </div>
    </>
  );
}

function Measure({ steps }: { steps: number }) {
  const { of, result } = measured.value ?? {};
  const busy = measuring.value !== "";
  return (
    <>
      <p class="row">
        {busy
          ? <button type="button" onClick={stopMeasuring}>{text.plan.stop}</button>
          : <button type="button" id="measure" onClick={measure}>{text.plan.measure}</button>}
        <span class="quiet" role="status">
          {busy
            ? measuring.value
            : stopped.value
            ? text.plan.stopped
            : `${text.plan.measureHelp} ${text.plan.steps(count(steps))}`}
        </span>
      </p>
      {measureFailure.value && <Notice kind="error">{measureFailure.value}</Notice>}
      {result && (
        <dl id="measured" class="measured" aria-live="polite">
          <dt>{text.plan.perStep}</dt>
          <dd>
            {seconds(result.seconds_per_step)}
            {result.software && <span class="quiet">{text.plan.software}</span>}
          </dd>
          <dt>{text.plan.speed}</dt>
          <dd>{text.plan.tokensPerSecond(count(Math.round(result.tokens_per_second)))}</dd>
          <dt>{text.plan.allocated}</dt>
          <dd>
            {bytes(result.peak_gpu_bytes)}{" "}
            <span class="quiet">{text.plan.planned(bytes(result.planned_gpu_bytes))}</span>
          </dd>
          <dt>{text.plan.toTheEnd}</dt>
          <dd>{text.plan.forSteps(duration(result.seconds_in_all), count(result.steps))}</dd>
          {of !== configText.value && <dd class="quiet outdated">{text.plan.outdated}</dd>}
        </dl>
      )}
    </>
  );
}

function seconds(value: number): string {
  return value < 1 ? `${Math.round(value * 1000)} ms ` : `${value.toPrecision(3)} s `;
}
