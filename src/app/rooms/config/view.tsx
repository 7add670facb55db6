import { configName, configText } from "../../state.ts";
import { text } from "../../text.ts";

export default function Config() {
  return (
    <>
      <h1>{text.config.title}</h1>
      <p>
        <code id="config-name">{configName}</code>
      </p>
      <textarea
        id="config"
        aria-labelledby="config-name"
        spellcheck={false}
        rows={24}
        value={configText.value}
        onInput={({ currentTarget }) => configText.value = currentTarget.value}
      />
    </>
  );
}
