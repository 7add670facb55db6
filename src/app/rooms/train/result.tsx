// The end of a run: what came out, where to go now, and what can be taken along.

import { count, duration } from "../../parts/format.ts";
import { link } from "../../routes.ts";
import { text } from "../../text.ts";
import { Result as TakeAlong } from "../result/view.tsx";
import { end } from "./state.ts";

const words = text.train;

export function Result({ id }: { id: string }) {
  const last = end.value; // the log of a run of the terminal has none
  return (
    <section id="result" aria-labelledby="result-title">
      <h3 id="result-title">{words.result}</h3>
      {last && (
        <p id="summary">
          {words.summary(
            last.steps,
            duration(last.wall_seconds),
            last.train_loss.toFixed(4),
            count(Math.round(last.tokens_per_second)),
          )} {last.ended_by && words.endedBy[last.ended_by]}{" "}
          {last.best_step !== undefined && words.bestStep(last.best_step)}
        </p>
      )}
      <p class="row">
        <a class="button primary" href={link("chat", id)}>{words.toChat}</a>
        <a class="button" href={link("runs", id)}>{words.toRuns}</a>
      </p>
      <h3>{text.result.title}</h3>
      <TakeAlong id={id} />
    </section>
  );
}
