import { text } from "../../text.ts";

export default function Model() {
  return <h1>{text.model.title}</h1>;
}
