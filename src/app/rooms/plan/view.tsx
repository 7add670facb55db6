// What a run will take, shown in the room of training before it starts.

import { text } from "../../text.ts";

export function Plan() {
  return <h2>{text.plan.title}</h2>;
}
