import { text } from "../../text.ts";

export default function Data() {
  return <h1>{text.data.title}</h1>;
}
