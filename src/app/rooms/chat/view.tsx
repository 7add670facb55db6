import { text } from "../../text.ts";

export default function Chat() {
  return <h1>{text.chat.title}</h1>;
}
