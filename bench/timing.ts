// Contestants timed in turn: every round runs each of them once, so that a machine that is busy for a
// while slows all of them. The least time is the one that other work disturbed least.

/** Something that can be run many times. */
export interface Contestant {
  name: string;
  /** Runs `count` times and waits until the device has done it all. */
  run(count: number): Promise<void>;
  /** Frees what it holds. */
  release?(): void;
}

/** A contestant that is still to be set up; setting it up may fail. */
export interface Entry {
  name: string;
  enter(): Promise<Contestant>;
}

export interface Timing {
  name: string;
  /** Milliseconds of one run: the median and the least of all rounds. */
  median: number;
  least: number;
  /** Why there is no time. */
  failure?: string;
}

export interface RaceOptions {
  rounds: number;
  /** Milliseconds that one contestant's turn should take; waiting for a device costs about 10. */
  turn: number;
}

interface Lane {
  name: string;
  times: number[];
  /** Runs in one turn. */
  count: number;
  contestant?: Contestant;
  failure?: string;
}

/** Times contestants against each other. One that fails is reported with its message. */
export async function race(
  entries: readonly Entry[],
  { rounds, turn }: RaceOptions,
): Promise<Timing[]> {
  const lanes: Lane[] = [];
  for (const { name, enter } of entries) {
    const lane: Lane = { name, times: [], count: 1 };
    lanes.push(lane);
    await guard(lane, async () => {
      lane.contestant = await enter();
      await lane.contestant.run(1); // compiles
      lane.count = await countFor(lane.contestant, turn);
    });
  }
  for (let round = 0; round < rounds; round++) {
    for (const lane of lanes) {
      if (lane.failure) continue;
      await guard(lane, async () => {
        lane.times.push(await clock(lane.contestant!, lane.count) / lane.count);
      });
    }
  }
  for (const { contestant } of lanes) contestant?.release?.();
  return lanes.map(({ name, times, failure }) => ({
    name,
    median: median(times),
    least: Math.min(...times),
    failure,
  }));
}

/** How many runs fill a turn, so that the wait for the device (about 10 ms in Deno) does not matter. */
async function countFor(contestant: Contestant, turn: number): Promise<number> {
  let count = 1;
  for (;;) {
    // The better of two: a hiccup must not pass for a slow kernel.
    const taken = Math.min(await clock(contestant, count), await clock(contestant, count));
    if (taken >= turn / 2 || count >= 1024) return count;
    count = Math.ceil(count * Math.min(8, turn / taken));
  }
}

async function clock(contestant: Contestant, count: number): Promise<number> {
  const start = performance.now();
  await contestant.run(count);
  return performance.now() - start;
}

async function guard(lane: Lane, body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } catch (error) {
    lane.failure = error instanceof Error ? error.message : String(error);
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
