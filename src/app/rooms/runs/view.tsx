import { text } from "../../text.ts";

export default function Runs() {
  return <h1>{text.runs.title}</h1>;
}
