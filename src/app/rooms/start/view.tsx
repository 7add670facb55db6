// What a person sees first: what Eft is, and the GPU it has found.

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { engine } from "../../engine.ts";
import { messageOf, Notice } from "../../parts/notice.tsx";
import { text } from "../../text.ts";

const adapter = signal(text.start.looking);
const failure = signal("");

export default function Start() {
  useEffect(() => void look(), []);
  return (
    <>
      <h1>{text.start.title}</h1>
      <p>{text.start.lead}</p>
      <dl>
        <dt>{text.start.adapter}</dt>
        <dd>
          <output id="adapter">{adapter}</output>
        </dd>
      </dl>
      {failure.value && <Notice kind="error">{failure.value}</Notice>}
    </>
  );
}

async function look(): Promise<void> {
  try {
    const { name, isFallbackAdapter } = await engine().ask("start.adapter", {});
    adapter.value = name + (isFallbackAdapter ? ` (${text.start.software})` : "");
  } catch (error) {
    adapter.value = "";
    failure.value = messageOf(error);
  }
}
