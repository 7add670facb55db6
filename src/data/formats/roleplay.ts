// The formats of the Pygmalion family: conversations with a persona, and Metharme's raw prompts.
import { makeSample } from "../sample.ts";
import { DroppedRow, type Format, lastQuestion, objectsField } from "./format.ts";
import { strip, textAt, textField, tokenizeText } from "./format.ts";

const START = "\n<START>";

/** system, human and bot turns; the bot's are trained, apart from their first mark. */
export const pygmalion: Format = {
  name: "pygmalion",
  open({ tokenizer, sequenceLen: maxLength }) {
    const tokens = (text: string, addEos: boolean, stripBos: boolean) =>
      tokenizeText(tokenizer, text, { maxLength, addEos, stripBos });
    const mark = tokens("<|model|>", false, true).length;
    const part = (role: string, text: string) => {
      switch (role) {
        case "system": {
          const persona = text.endsWith(START) ? text.slice(0, -START.length) : text;
          const ids = tokens(`<|system|>Persona: ${strip(persona)}`, false, false);
          return [{ ids, trained: false }];
        }
        case "human":
          return [{ ids: tokens(`<|user|> ${strip(text)}`, false, true), trained: false }];
        case "bot": {
          const ids = tokens(`<|model|> ${strip(text)}`, true, true);
          return [
            { ids: ids.slice(0, mark), trained: false },
            { ids: ids.slice(mark), trained: true },
          ];
        }
      }
      // Axolotl would put the labels of the turn before here once more.
      throw new DroppedRow(`a turn has the unknown role "${role}"`);
    };
    return {
      conversational: true,
      tokenize(row) {
        const parts = objectsField(row, "conversations").flatMap(({ role, value }, i) =>
          part(
            textAt(row, role, `conversations[${i}].role`),
            textAt(row, value, `conversations[${i}].value`),
          )
        );
        return [makeSample(...parts)];
      },
      prompt(messages) {
        const names: Record<string, string> = { user: "human", assistant: "bot" };
        const parts = messages.flatMap(({ role, content }) => part(names[role] ?? role, content));
        return [...parts.flatMap(({ ids }) => ids), ...tokens("<|model|>", false, true)];
      },
    };
  },
};

/** A prompt that carries its own marks, and what follows, ended by three EOS. */
export const metharme: Format = {
  name: "metharme",
  open({ tokenizer, sequenceLen, trainOnInputs }) {
    const { bosId, eosId } = tokenizer;
    const tokens = (text: string, ends: number, stripBos: boolean) => {
      let ids = tokenizer.encode(text, { bos: true }).slice(0, sequenceLen);
      if (ids.length === 0) return ids;
      if (ends > 0 && ids.at(-1) === eosId) ends--;
      for (; ends > 0 && ids.length < sequenceLen; ends--) ids.push(eosId!);
      if (stripBos && ids[0] === bosId) ids = ids.slice(1);
      return ids;
    };
    return {
      tokenize(row) {
        const asked = tokens(textField(row, "prompt"), 0, false);
        const answer = tokens(textField(row, "generation"), 3, true);
        return [makeSample({ ids: asked, trained: trainOnInputs }, { ids: answer, trained: true })];
      },
      prompt: (messages) => tokens(lastQuestion(messages).question, 0, false),
    };
  },
};
