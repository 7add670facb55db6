// Text from a model: prefill and decode with a key/value cache, from the same graph builder that
// training uses. Several prompts are continued side by side.

import { assert, EftError } from "../errors.ts";
import type { Memory, Program } from "../gpu/program.ts";
import { Graph, type Tensor, tensor } from "../graph/graph.ts";
import { gatherRows } from "../graph/operations/rows.ts";
import { plan } from "../graph/plan.ts";
import { logitsOf } from "../model/adapted.ts";
import { batchInputs, type Cache, forward } from "../model/forward.ts";
import type { Model } from "../model/model.ts";
import { RandomStream } from "../random.ts";
import { greedy, sample, type Sampling } from "./sampler.ts";

export interface GenerateOptions {
  maxNewTokens: number;
  sampling?: Sampling;
  seed?: number;
  /** Tokens that end a text; they are not part of the result. */
  stopTokens: ReadonlySet<number>;
}

/** A token that was chosen to go on with a prompt, counted from 0. */
export interface Continuation {
  prompt: number;
  token: number;
}

/** One length of input: B rows of T tokens to the logits after each row's last one. */
interface Stage {
  program: Program;
  inputs: ReturnType<typeof batchInputs>;
  /** Row of the flattened batch whose logits are wanted, [B]. */
  last: Tensor;
  logits: Tensor;
}

/** Prompts are padded to a multiple of this, so that few lengths are compiled. */
const lengthMultiple = 32;

export class Generator {
  readonly #memory: Memory;
  readonly #model: Model;
  readonly #batch: number;
  /** Tokens that fit into the cache of one row. */
  readonly context: number;
  readonly #withoutAdapter: boolean;
  readonly #cache: Cache;
  readonly #stages = new Map<number, Promise<Stage>>();
  /** Tokens in the cache, by row. */
  #filled: number[];

  constructor(
    memory: Memory,
    model: Model,
    options: { batch: number; context: number; withoutAdapter?: boolean },
  ) {
    assert(options.context <= model.rope.shape[0], "the cache is longer than the rotary table");
    this.#memory = memory;
    this.#model = model;
    this.#batch = options.batch;
    this.context = options.context;
    this.#withoutAdapter = options.withoutAdapter ?? false;
    const { keyHeads, headWidth } = model.shape;
    const rows = [options.batch * options.context, keyHeads * headWidth];
    const caches = (name: string) =>
      model.blocks.map((_, i) => tensor(`${name} cache ${i}`, rows, "f32", "state"));
    this.#cache = { keys: caches("key"), values: caches("value") };
    this.#filled = new Array(options.batch).fill(0);
  }

  /** Gives back the cache and the compiled stages. */
  async destroy(): Promise<void> {
    const stages = await Promise.all(this.#stages.values());
    this.#memory.forget(stages.map(({ program }) => program));
    for (const { inputs, last } of stages) {
      this.#memory.release([inputs.tokens, inputs.positions, last]);
    }
    this.#memory.release([...this.#cache.keys, ...this.#cache.values]);
    this.#stages.clear();
  }

  /** Forgets what was fed so far. */
  reset(): void {
    this.#filled.fill(0);
  }

  /**
   * Feeds tokens to each row and returns the logits after the last of each, [V] per row. A row that
   * is fed nothing stays as it is; its logits mean nothing.
   */
  async feed(rows: readonly (readonly number[])[]): Promise<Float32Array[]> {
    assert(rows.length <= this.#batch && rows.some((row) => row.length > 0), "rows to feed");
    const longest = Math.max(...rows.map((row) => row.length));
    rows.forEach((row, i) => {
      if (this.#filled[i] + row.length > this.context) {
        throw new EftError(
          "model",
          `The text is longer than the context of ${this.context} tokens. ` +
            "Shorten the prompt, or raise sequence_len.",
        );
      }
    });
    const length = longest === 1 ? 1 : Math.min(
      Math.ceil(longest / lengthMultiple) * lengthMultiple,
      this.context,
    );
    const { program, inputs, last, logits } = await this.#stage(length);
    const size = this.#batch * length;
    const tokens = new Uint32Array(size);
    // Padding gets positions outside the cache, where nothing is written and nothing seen.
    const positions = new Uint32Array(size).fill(this.context);
    const lastRows = new Uint32Array(this.#batch);
    for (let b = 0; b < this.#batch; b++) {
      const row = rows[b] ?? [];
      for (let t = 0; t < length; t++) {
        const position = this.#filled[b] + t;
        if (t < row.length) {
          tokens[b * length + t] = row[t];
          positions[b * length + t] = position;
        } else positions[b * length + t] = Math.min(position, this.context);
      }
      lastRows[b] = b * length + Math.max(0, row.length - 1);
      this.#filled[b] += row.length;
    }
    const memory = this.#memory;
    memory.write(inputs.tokens, tokens);
    memory.write(inputs.positions, positions);
    memory.write(last, lastRows);
    program.run();
    const [bytes] = await memory.read([{ tensor: logits, program }]);
    const vocabulary = this.#model.shape.vocabulary;
    return rows.map((_, b) => new Float32Array(bytes, b * vocabulary * 4, vocabulary));
  }

  /** Continues each prompt until a stop token, the length limit, or the end of the context. */
  async generate(
    prompts: readonly (readonly number[])[],
    options: GenerateOptions,
  ): Promise<number[][]> {
    const texts: number[][] = prompts.map(() => []);
    for await (const { prompt, token } of this.stream(prompts, options)) texts[prompt].push(token);
    return texts;
  }

  /** The same token by token; nothing is computed until the next one is asked for. */
  async *stream(
    prompts: readonly (readonly number[])[],
    { maxNewTokens, stopTokens, sampling = greedy, seed = 0 }: GenerateOptions,
  ): AsyncGenerator<Continuation> {
    const draws = prompts.map((_, i) => new RandomStream(seed, i));
    const done = prompts.map(() => false);
    await this.#stage(1); // compiled before the first token, so that the second does not wait for it
    let logits = await this.feed(prompts);
    for (let n = 0; n < maxNewTokens; n++) {
      const next = logits.map((row, i) => sample(row, sampling, draws[i]));
      for (const [prompt, token] of next.entries()) {
        if (done[prompt]) continue;
        if (stopTokens.has(token)) done[prompt] = true;
        else yield { prompt, token };
        if (this.#filled[prompt] >= this.context) done[prompt] = true;
      }
      if (done.every(Boolean) || n === maxNewTokens - 1) return;
      logits = await this.feed(next.map((token, i) => done[i] ? [] : [token]));
    }
  }

  #stage(length: number): Promise<Stage> {
    let stage = this.#stages.get(length);
    if (!stage) {
      stage = this.#compile(length);
      this.#stages.set(length, stage);
    }
    return stage;
  }

  async #compile(length: number): Promise<Stage> {
    const graph = new Graph();
    const inputs = batchInputs(this.#batch, length);
    const last = tensor("last", [this.#batch], "u32", "input");
    const options = { inputs, cache: this.#cache, withoutAdapter: this.#withoutAdapter };
    const hidden = forward(graph, this.#model, options);
    const rows = graph.call(gatherRows, [hidden, last], {});
    const logits = graph.result(logitsOf(graph, this.#model, rows, options));
    const name = length === 1 ? "decode" : `prefill ${length}`;
    const [program] = await this.#memory.compile([
      plan(name, graph, this.#memory.device.limits),
    ]);
    return { program, inputs, last, logits };
  }
}
