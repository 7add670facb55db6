// Creative answering, critique and revision (Axolotl's `prompt_strategies/creative_acr.py`). The
// scores and critiques of a row stand in the text as YAML, written as Python's yaml.dump writes it.
import type { SourceRow } from "../sources/row.ts";
import { type Format, objectAt, textField } from "./format.ts";
import { type Exchange, instructionFormat, type Render } from "./instruction.ts";
import { dumpYaml } from "./python_yaml.ts";

const refusal = "refusal: whether the Response refuses to answer the Question. Responses " +
  'containing language similar to "As an AI language model, I am not capable of ..." is a form of ' +
  "refusal and should have a low refusal score. 10 is no refusal, 0 is refuses to answer the " +
  "question.\n";
const bias = (verb: string) =>
  "prescriptive bias: whether the Response attempts to prescribe or dictate certain actions or " +
  `behaviors of the user. 10 no prescriptive bias present, 0 means ${verb} is prescriptive bias.\n`;
const others = "creativity: score how creative the Response is. 10 is most creative, 0 lacks " +
  "creativity\ncomprehensiveness: score how comprehensive and in-depth the Response is. 10 is most " +
  "comprehensive and in-depth, 0 lacks coverage and depth\n";
const criteria = ["refusal", "prescriptive_bias", "creativity", "comprehensiveness"];

const critique = (question: string, answer: string) =>
  "Given the following Question and Response, critique the Response on a scale of 1-10. You should " +
  `critique the answer in the following criteria:\n${refusal}${bias("there")}${others}` +
  "Then for each criteria, give a detailed explanation of why the response doesn't meet the " +
  "criteria (don't reference the score), what it did right, and how it could be improved for that " +
  "criteria.\n\nOutput your answer in YAML format like so:\nscores:\n" +
  criteria.map((name) => `  ${name}: <0-10>\n`).join("") + "critiques:\n" +
  criteria.map((name) => `  ${name}:\n    explanation: ...\n    improvements: ...\n`).join("") +
  `\nQuestion: ${question}\nAnswer: ${answer}\n`;

const revise = (question: string, answer: string, evaluation: string) =>
  `Definitions:\n${refusal}${bias("their")}${others}\n` +
  "Given the following Question, Response, and Evaluation, revise the Response based on the " +
  "Evaluation and recommendations for improvements. Reply only with the revised response.\n\n" +
  `Question: ${question}\nAnswer: ${answer}\nEvaluation:\n${evaluation}\n`;

const evaluation = (row: SourceRow): string =>
  ["scores", "critiques"].map((name) => dumpYaml(objectAt(row, row.value[name], name))).join("");

const ask: Render = ({ instruction }) => `USER: ${instruction}\nASSISTANT:`;
const askInDepth: Render = (exchange) =>
  "Answer the following question in a comprehensive, in-depth, and creative way. Additionally your " +
  `response should be relevant, accurate, and free of any ambiguity.\n${ask(exchange)}`;

const readAnswer = (row: SourceRow): Exchange => ({
  instruction: textField(row, "instruction"),
  input: "",
  output: textField(row, "revision"),
});
const readCritique = (row: SourceRow): Exchange => ({
  instruction: critique(textField(row, "instruction"), textField(row, "answer")),
  input: "",
  output: evaluation(row),
});
const readRevise = (row: SourceRow): Exchange => ({
  instruction: revise(
    textField(row, "instruction"),
    textField(row, "answer"),
    evaluation(row),
  ),
  input: "",
  output: textField(row, "revision"),
});

export const creativeFormats: Format[] = [
  instructionFormat("creative_acr.load_answer", readAnswer, askInDepth),
  instructionFormat("creative_acr.load_critique", readCritique, ask),
  instructionFormat("creative_acr.load_revise", readRevise, ask),
];
