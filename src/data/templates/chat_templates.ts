// The chat templates that `chat_template` can name, in our own words: each writes the text that its
// models were trained on. They take texts as content (no images). Rendered and compared with
// Axolotl's, text for text, in tests/data/templates_test.ts.

const MARKED = (role: string) => `<|im_start|>${role}\n`;

/** `<|im_start|>role` turns. */
const CHATML = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + " +
  "message['content'] + '<|im_end|>\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/** Refuses conversations in which user and assistant do not take turns. */
const ALTERNATE = "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}" +
  "{{ raise_exception('user and assistant must take turns, beginning with the user') }}{% endif %}";

/** Sets `system` (or none) and `rest`, the messages after it. */
const SPLIT_SYSTEM = "{% if messages[0]['role'] == 'system' %}" +
  "{% set system = messages[0]['content'] %}{% set rest = messages[1:] %}" +
  "{% else %}{% set system = none %}{% set rest = messages %}{% endif %}";

const TOOL_ID = "{% if not call_id is defined or call_id | length != 9 %}" +
  "{{ raise_exception('the id of a tool call must have 9 characters') }}{% endif %}";

/** Mistral since v2: `space` after marks, tools before the last question, the system text in it. */
function mistral(space: string, answer: string): string {
  return SPLIT_SYSTEM +
    "{% set turn = namespace(index=0, last=-1) %}{% for message in rest %}" +
    "{% if message['role'] == 'user' %}{% set turn.last = loop.index0 %}{% endif %}" +
    "{% if not (message['role'] in ['tool', 'tool_results'] or message['tool_calls']) %}" +
    "{% if (message['role'] == 'user') != (turn.index % 2 == 0) %}" +
    "{{ raise_exception('user and assistant must take turns, beginning with the user') }}" +
    "{% endif %}{% set turn.index = turn.index + 1 %}{% endif %}{% endfor %}{{ bos_token }}" +
    "{% for message in rest %}{% if message['role'] == 'user' %}" +
    "{% if tools and loop.index0 == turn.last %}" +
    `{{ '[AVAILABLE_TOOLS]${space}[' }}{% for tool in tools %}` +
    "{{ '{\"type\": \"function\", \"function\": ' + (tool['function'] | tojson) + '}' }}" +
    "{{ ', ' if not loop.last else ']' }}{% endfor %}{{ '[/AVAILABLE_TOOLS]' }}{% endif %}" +
    `{{ '[INST]${space}' + (system + '\\n\\n' if loop.last and system is not none else '') + ` +
    "message['content'] + '[/INST]' }}" +
    `{% elif message['tool_calls'] %}{{ '[TOOL_CALLS]${space}[' }}` +
    "{% for call in message['tool_calls'] %}{% set call_id = call['id'] %}" + TOOL_ID +
    "{{ (call['function'] | tojson)[:-1] + ', \"id\": \"' + call_id + '\"}' }}" +
    "{{ ', ' if not loop.last else ']' + eos_token }}{% endfor %}" +
    `{% elif message['role'] == 'assistant' %}{{ ${answer} + eos_token }}` +
    "{% elif message['role'] in ['tool', 'tool_results'] %}" +
    "{% set call_id = message['tool_call_id'] %}" + TOOL_ID +
    `{{ '[TOOL_RESULTS]${space}{"content": ' + (message['content'] | string) + ', "call_id": "' + ` +
    "call_id + '\"}[/TOOL_RESULTS]' }}" +
    "{% else %}{{ raise_exception('only user, assistant and tool turns after the system turn') }}" +
    "{% endif %}{% endfor %}";
}

const MISTRAL_V1 = `${SPLIT_SYSTEM}{{ bos_token }}{% for message in rest %}${ALTERNATE}` +
  "{% if message['role'] == 'user' %}{{ ' [INST] ' + (system + '\\n\\n' if loop.first and system " +
  "is not none else '') + message['content'] + ' [/INST]' }}{% elif message['role'] == " +
  "'assistant' %}{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}";

const MISTRAL_V7 = SPLIT_SYSTEM +
  "{% if system is none %}{% set system = 'You are Mistral Small 3, " +
  "a Large Language Model (LLM) created by Mistral AI, a French startup headquartered in " +
  "Paris.\\nYour knowledge base was last updated on 2023-10-01. The current date is ' + " +
  "strftime_now('%Y-%m-%d') + '.\\n\\nWhen you\\'re not sure about some information, you say that " +
  "you don\\'t have the information and don\\'t make up anything.\\nIf the user\\'s question is not " +
  "clear, ambiguous, or does not provide enough context for you to accurately answer the question, " +
  "you do not try to answer it right away and you rather ask the user to clarify their request " +
  '(e.g. "What are some good restaurants around me?" => "Where are you?" or "When is the next ' +
  'flight to Tokyo" => "Where do you travel from?")\' %}{% endif %}' +
  "{{ bos_token + '[SYSTEM_PROMPT]' + system + '[/SYSTEM_PROMPT]' }}{% for message in rest %}" +
  "{% if message['role'] == 'user' %}{{ '[INST]' + message['content'] + '[/INST]' }}" +
  "{% elif message['role'] == 'system' %}" +
  "{{ '[SYSTEM_PROMPT]' + message['content'] + '[/SYSTEM_PROMPT]' }}" +
  "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token }}" +
  "{% else %}{{ raise_exception('only user, system and assistant turns') }}{% endif %}{% endfor %}";

const PIXTRAL = `${SPLIT_SYSTEM}{{ bos_token }}{% for message in rest %}${ALTERNATE}` +
  "{% if message['role'] == 'user' %}{{ '[INST]' + (system + '\\n\\n' if loop.last and system is " +
  "not none else '') + message['content'] + '[/INST]' }}{% elif message['role'] == 'assistant' %}" +
  "{{ message['content'] + eos_token }}{% endif %}{% endfor %}";

/** Gemma's turns; `system` is what becomes of a system turn. */
function gemma(system: string, prefix: string): string {
  return `{{ bos_token }}${SPLIT_SYSTEM}${system}{% for message in rest %}${ALTERNATE}` +
    "{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else message['role']) + " +
    `'\\n' + ${prefix}(message['content'] | trim) + '<end_of_turn>\\n' }}{% endfor %}` +
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}";
}
const GEMMA = gemma(
  "{% if system is not none %}{{ raise_exception('there is no system role') }}{% endif %}",
  "",
);
const GEMMA_3 = gemma("", "(system + '\\n\\n' if loop.first and system is not none else '') + ");

const COHERE = `{{ bos_token }}${SPLIT_SYSTEM}{% if system is not none %}` +
  "{{ '<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>' + system + '<|END_OF_TURN_TOKEN|>' }}{% endif %}" +
  `{% for message in rest %}${ALTERNATE}{{ '<|START_OF_TURN_TOKEN|>' + ('<|USER_TOKEN|>' if ` +
  "message['role'] == 'user' else '<|CHATBOT_TOKEN|>') + (message['content'] | trim) + " +
  "'<|END_OF_TURN_TOKEN|>' }}{% endfor %}{% if add_generation_prompt %}" +
  "{{ '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>' }}{% endif %}";

const LLAMA_3 = "{% for message in messages %}{{ (bos_token if loop.first else '') + " +
  "'<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + (message['content'] | " +
  "trim) + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}" +
  "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}";

/** Llama 3.2 and 4: tools in the first question, or in the system turn; calls as JSON. */
function llamaWithTools(mark: [string, string], end: string, dated: boolean): string {
  const header = (role: string) => `'${mark[0]}' + ${role} + '${mark[1]}\\n\\n'`;
  const listTools = "{% for tool in tools %}{{ (tool | tojson(indent=4)) + '\\n\\n' }}{% endfor %}";
  const howTo = '\'Respond in the format {"name": function name, "parameters": dictionary of ' +
    "argument name and its value}.' + 'Do not use variables.\\n\\n'";
  const systemHead = dated
    ? "{{ 'Cutting Knowledge Date: December 2023\\nToday Date: ' + date_string + '\\n\\n' }}"
    : "";
  const calls = dated
    ? "{% if message['tool_calls'] | length != 1 %}" +
      "{{ raise_exception('this model makes one tool call at a time') }}{% endif %}"
    : "{{ '<|python_start|>' + message['content'] + '<|python_end|>' }}";
  return "{{ bos_token }}{% if custom_tools is defined %}{% set tools = custom_tools %}{% endif %}" +
    "{% if not tools_in_user_message is defined %}{% set tools_in_user_message = true %}{% endif %}" +
    "{% if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}" +
    SPLIT_SYSTEM +
    (dated ? "" : "{% if system is not none %}") +
    `{{ ${header("'system'")} }}{% if tools %}{{ 'Environment: ipython\\n' }}{% endif %}` +
    systemHead +
    "{% if tools and not tools_in_user_message %}{{ 'You have access to the following functions. " +
    "To call a function, please respond with JSON for a function call.' + " + howTo + " }}" +
    listTools + "{% endif %}" +
    `{{ (system if system is not none else '') | trim + '${end}' }}` +
    (dated ? "" : "{% endif %}") +
    "{% if tools and tools_in_user_message %}{% if rest | length == 0 %}" +
    "{{ raise_exception('tools stand in the first question, and there is none') }}{% endif %}" +
    `{{ ${header("'user'")} + 'Given the following functions, please respond with a JSON for a ` +
    "function call with its proper arguments that best answers the given prompt.\\n\\n' + " +
    howTo +
    ` }}${listTools}{{ (rest[0]['content'] | trim) + '${end}' }}{% set rest = rest[1:] %}{% endif %}` +
    "{% for message in rest %}{% if message['role'] in ['ipython', 'tool'] %}" +
    `{{ ${header("'ipython'")} + (message['content'] | tojson) + '${end}' }}` +
    `{% elif message['tool_calls'] %}{{ ${header("'assistant'")} }}${calls}` +
    "{% for call in message['tool_calls'] %}{{ '{\"name\": \"' + call['function']['name'] + " +
    "'\", \"parameters\": ' + (call['function']['arguments'] | tojson) + '}' }}{% endfor %}" +
    `{{ '${end}' }}{% else %}{{ ${header("message['role']")} + message['content'] + '${end}' }}` +
    `{% endif %}{% endfor %}{% if add_generation_prompt %}{{ ${
      header("'assistant'")
    } }}{% endif %}`;
}

const QWEN_TOOLS =
  "# Tools\\n\\nYou may call one or more functions to assist with the user query." +
  "\\n\\nYou are provided with function signatures within <tools></tools> XML tags:\\n<tools>' }}" +
  "{% for tool in tools %}{{ '\\n' + (tool | tojson) }}{% endfor %}{{ '\\n</tools>\\n\\nFor each " +
  "function call, return a json object with function name and arguments within " +
  '<tool_call></tool_call> XML tags:\\n<tool_call>\\n{"name": <function-name>, "arguments": ' +
  "<args-json-object>}\\n</tool_call><|im_end|>\\n";

/** Answers of tools, several in one user turn. */
const QWEN_TOOL_TURN = "{% if loop.first or messages[loop.index0 - 1]['role'] != 'tool' %}" +
  "{{ '<|im_start|>user' }}{% endif %}" +
  "{{ '\\n<tool_response>\\n' + message['content'] + '\\n</tool_response>' }}" +
  "{% if loop.last or messages[loop.index0 + 1]['role'] != 'tool' %}{{ '<|im_end|>\\n' }}{% endif %}";

const QWEN_25_SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.";
const QWEN_25 =
  "{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] %}" +
  `{% else %}{% set system = '${QWEN_25_SYSTEM}' %}{% endif %}` +
  "{% if tools %}{{ '<|im_start|>system\\n' + system + '\\n\\n" + QWEN_TOOLS + "' }}" +
  "{% else %}{{ '<|im_start|>system\\n' + system + '<|im_end|>\\n' }}{% endif %}" +
  "{% for message in messages %}{% if message['role'] == 'tool' %}" + QWEN_TOOL_TURN +
  "{% elif message['role'] == 'assistant' and message['tool_calls'] %}" +
  "{{ '<|im_start|>assistant' + ('\\n' + message['content'] if message['content'] else '') }}" +
  "{% for call in message['tool_calls'] %}{% if call['function'] is defined %}" +
  "{% set call = call['function'] %}{% endif %}{{ '\\n<tool_call>\\n{\"name\": \"' + call['name'] + " +
  "'\", \"arguments\": ' + (call['arguments'] | tojson) + '}\\n</tool_call>' }}{% endfor %}" +
  "{{ '<|im_end|>\\n' }}{% elif not (message['role'] == 'system' and loop.first) %}" +
  "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}" +
  "{% endif %}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/**
 * Qwen 3: reasoning stands between think tags in the turns after the last question; the very last
 * turn has the tags even without reasoning.
 */
const QWEN_3 = "{% if tools %}{{ '<|im_start|>system\\n' + (messages[0]['content'] + '\\n\\n' if " +
  "messages[0]['role'] == 'system' else '') + '" + QWEN_TOOLS + "' }}" +
  "{% elif messages[0]['role'] == 'system' %}" +
  "{{ '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}{% endif %}" +
  "{% set seen = namespace(question=messages | length - 1, last=messages | length - 1) %}" +
  "{% if real_last_index is defined and real_last_index is not none %}" +
  "{% set seen.last = real_last_index %}{% endif %}" +
  "{% for message in messages %}{% if message['role'] == 'user' and not " +
  "(message['content'].startswith('<tool_response>') and " +
  "message['content'].endswith('</tool_response>')) %}{% set seen.question = loop.index0 %}" +
  "{% endif %}{% endfor %}" +
  "{% for message in messages %}{% if message['role'] == 'user' or (message['role'] == 'system' " +
  "and not loop.first) %}" +
  "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}" +
  "{% elif message['role'] == 'assistant' %}" +
  "{% set content = message['content'] if message['content'] is string else '' %}" +
  "{% set thought = '' %}{% if message['reasoning_content'] is string %}" +
  "{% set thought = message['reasoning_content'] %}{% elif '</think>' in content %}" +
  "{% set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1]" +
  ".lstrip('\\n') %}{% set content = content.split('</think>')[-1].lstrip('\\n') %}{% endif %}" +
  "{% if loop.index0 > seen.question and (loop.index0 == seen.last or thought) %}" +
  "{{ '<|im_start|>assistant\\n<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' + " +
  "content.lstrip('\\n') }}{% else %}{{ '<|im_start|>assistant\\n' + content }}{% endif %}" +
  "{% if message['tool_calls'] %}{% for call in message['tool_calls'] %}" +
  "{{ '\\n' if content or not loop.first else '' }}{% if call['function'] %}" +
  "{% set call = call['function'] %}{% endif %}" +
  "{{ '<tool_call>\\n{\"name\": \"' + call['name'] + '\", \"arguments\": ' + (call['arguments'] if " +
  "call['arguments'] is string else call['arguments'] | tojson) + '}\\n</tool_call>' }}" +
  "{% endfor %}{% endif %}{{ '<|im_end|>\\n' }}" +
  "{% elif message['role'] == 'tool' %}" + QWEN_TOOL_TURN + "{% endif %}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n<think>\\n\\n' }}" +
  "{% if enable_thinking is defined and enable_thinking is false %}{{ '</think>\\n\\n' }}{% endif %}" +
  "{% endif %}";

const FALCON_H1 =
  `${SPLIT_SYSTEM}{{ bos_token }}{% if tools %}{{ '<|im_start|>system\\n' + (system + ` +
  "'\\n\\n' if system is not none else '') + 'You are a function calling AI model. You are provided " +
  "with function signature within <tools> </tools> XML tags. You may call one or more functions to " +
  "assist with the user query. Don\\'t make assumptions about what values to plug into functions." +
  "\\n<tools>\\n' }}{% for tool in tools %}{{ '[' + (tool | tojson) + ']' }}{% endfor %}" +
  "{{ '\\n</tools>\\nFor each function call, return a json object with function name and arguments " +
  "within <tool_call> </tool_call> tags with the following schema:\\n<tool_call>\\n" +
  "{\\'arguments\\': <args-dict>, \\'name\\': <function-name>}\\n</tool_call>\\n' }}" +
  "{% elif system is not none %}{{ '<|im_start|>system\\n' + system + '<|im_end|>\\n' }}{% endif %}" +
  "{% for message in messages %}{% if message['role'] != 'system' %}{{ '<|im_start|>' + " +
  "message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}{% endif %}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

const NEMOTRON_H = CHATML.replace(
  "{{ '<|im_start|>'",
  "{% if not (message['role'] in ['user', 'assistant'] or (message['role'] == 'system' and " +
    "loop.first)) %}{{ raise_exception('unexpected role ' + message['role']) }}{% endif %}" +
    "{{ '<|im_start|>'",
);

const PHI_4 = SPLIT_SYSTEM +
  "{% if system is none %}{% set system = 'You are Phi, a language model " +
  "trained by Microsoft to help users. Your role as an assistant involves thoroughly exploring " +
  "questions through a systematic thinking process before providing the final precise and accurate " +
  "solutions. This requires engaging in a comprehensive cycle of analysis, summarizing, " +
  "exploration, reassessment, reflection, backtracing, and iteration to develop well-considered " +
  "thinking process. Please structure your response into two main sections: Thought and Solution " +
  "using the specified format: <think> {Thought section} </think> {Solution section}. In the " +
  "Thought section, detail your reasoning process in steps. Each step should include detailed " +
  "considerations such as analysing questions, summarizing relevant findings, brainstorming new " +
  "ideas, verifying the accuracy of the current steps, refining any errors, and revisiting previous " +
  "steps. In the Solution section, based on various attempts, explorations, and reflections from " +
  "the Thought section, systematically present the final solution that you deem correct. The " +
  "Solution section should be logical, accurate, and concise and detail necessary steps needed to " +
  "reach the conclusion. Now, try to solve the following question through the above guidelines:' %}" +
  "{% endif %}{{ '<|im_start|>system<|im_sep|>' + system + '<|im_end|>' }}" +
  "{% for message in rest %}{% if message['role'] in ['user', 'assistant'] %}{{ '<|im_start|>' + " +
  "message['role'] + '<|im_sep|>' + message['content'] + '<|im_end|>' }}{% endif %}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}";

const DEEPSEEK_V2 =
  "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}" +
  "{{ '<｜User｜>' + message['content'] }}{% elif message['role'] == 'assistant' %}" +
  "{{ '<｜Assistant｜>' + message['content'] + eos_token }}{% elif message['role'] == 'system' %}" +
  "{{ message['content'] + '\\n\\n' }}{% endif %}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<｜Assistant｜>' }}{% endif %}";

/** Answers after tools follow their output; reasoning of earlier turns is cut away. */
const DEEPSEEK_V3 = "{% set seen = namespace(system='', count=0, tool=false) %}" +
  "{% for message in messages %}{% if message['role'] == 'system' %}{% set seen.system = " +
  "seen.system + ('\\n\\n' if seen.count > 0 else '') + message['content'] %}" +
  "{% set seen.count = seen.count + 1 %}{% endif %}{% endfor %}{{ bos_token + seen.system }}" +
  "{% for message in messages %}{% if message['role'] == 'user' %}{% set seen.tool = false %}" +
  "{{ '<｜User｜>' + message['content'] }}{% elif message['role'] == 'assistant' %}" +
  "{% if message['tool_calls'] is defined %}" +
  "{{ '<｜tool▁outputs▁end｜>' if seen.tool else '' }}{% set seen.tool = false %}" +
  "{% for call in message['tool_calls'] %}{{ '<｜Assistant｜>' + message['content'] + " +
  "'<｜tool▁calls▁begin｜>' if loop.first else '\\n' }}{{ '<｜tool▁call▁begin｜>' + call['type'] + " +
  "'<｜tool▁sep｜>' + call['function']['name'] + '\\n```json\\n' + (call['function']['arguments'] if " +
  "call['function']['arguments'] is string else call['function']['arguments'] | tojson) + " +
  "'\\n```<｜tool▁call▁end｜>' }}{% endfor %}" +
  "{{ '<｜tool▁calls▁end｜><｜end▁of▁sentence｜>' }}" +
  "{% elif seen.tool %}{{ '<｜tool▁outputs▁end｜>' + message['content'] + '<｜end▁of▁sentence｜>' }}" +
  "{% set seen.tool = false %}{% else %}{{ '<｜Assistant｜>' + " +
  "message['content'].split('</think>')[-1] + '<｜end▁of▁sentence｜>' }}{% endif %}" +
  "{% elif message['role'] == 'tool' %}{{ ('' if seen.tool else '<｜tool▁outputs▁begin｜>') + " +
  "'<｜tool▁output▁begin｜>' + message['content'] + '<｜tool▁output▁end｜>' }}" +
  "{% set seen.tool = true %}{% endif %}{% endfor %}" +
  "{% if seen.tool %}{{ '<｜tool▁outputs▁end｜>' }}{% elif add_generation_prompt %}" +
  "{{ '<｜Assistant｜>' }}{% endif %}";

const EXAONE = "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}" +
  "{{ '[|system|][|endofturn|]\\n' }}{% endif %}{{ '[|' + message['role'] + '|]' + " +
  "message['content'] + ('\\n' if message['role'] == 'user' else '[|endofturn|]\\n') }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '[|assistant|]' }}{% endif %}";

const METHARME =
  `{{ bos_token }}${SPLIT_SYSTEM}{{ '<|system|>' + (system if system is not none else ` +
  "'Enter RP mode. You shall reply to the user while staying in character. Your responses must be " +
  "detailed, creative, immersive, and drive the scenario forward.') }}{% for message in rest %}" +
  "{% if message['role'] == 'user' %}{{ '<|user|>' + (message['content'] | trim) }}" +
  "{% elif message['role'] == 'assistant' %}{{ '<|model|>' + (message['content'] | trim) }}" +
  "{% endif %}{% endfor %}{{ '<|model|>' if add_generation_prompt else eos_token }}";

const ALPACA =
  "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' and " +
  "loop.first %}{{ message['content'] }}{% elif message['role'] == 'user' %}" +
  "{{ '### Instruction:\\n' + message['content'] }}{% elif message['role'] == 'assistant' %}" +
  "{{ '### Response:\\n' + message['content'] + eos_token }}{% endif %}" +
  "{{ '\\n\\n' if not loop.last else '' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '\\n\\n### Response:\\n' }}{% endif %}";

const PHI_3 = "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}" +
  "{{ '<|system|>\\n' + message['content'] + '<|end|>\\n' }}{% elif message['role'] == 'user' %}" +
  "{{ '<|user|>\\n' + message['content'] + '<|end|>\\n<|assistant|>\\n' }}" +
  "{% elif message['role'] == 'assistant' %}{{ message['content'] + '<|end|>\\n' }}{% endif %}" +
  "{% endfor %}";

const PHI_35 = "{% for message in messages %}{% if message['role'] in ['user', 'assistant'] or " +
  "(message['role'] == 'system' and message['content']) %}{{ '<|' + message['role'] + '|>\\n' + " +
  "message['content'] + '<|end|>\\n' }}{% endif %}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}";

const LLAVA =
  "{% for message in messages %}{{ (message['role'].upper() + ': ' if message['role'] != " +
  "'system' else '') + message['content'] + ' ' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}";

/** Axolotl v0.4.0's name for Mistral's first template. */
const INST =
  `{{ bos_token }}{% for message in messages %}${ALTERNATE}{% if message['role'] == 'user' ` +
  "%}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' %}" +
  "{{ message['content'] + eos_token }}{% else %}{{ raise_exception('only user and assistant turns')" +
  " }}{% endif %}{% endfor %}";

const QWEN2_VL = "{% if messages[0]['role'] != 'system' %}" +
  `{{ '${MARKED("system")}You are a helpful assistant.<|im_end|>\\n' }}{% endif %}`
    .replaceAll("\n", "\\n") +
  CHATML;

export const CHAT_TEMPLATES: Readonly<Record<string, string>> = {
  alpaca: ALPACA,
  aya: COHERE,
  chatml: CHATML,
  cohere: COHERE,
  deepseek_v2: DEEPSEEK_V2,
  deepseek_v3: DEEPSEEK_V3,
  exaone: EXAONE,
  falcon_h1: FALCON_H1,
  gemma: GEMMA,
  gemma3: GEMMA_3,
  gemma3n: GEMMA_3,
  inst: INST,
  llama3: LLAMA_3,
  llama3_2_vision: llamaWithTools(["<|start_header_id|>", "<|end_header_id|>"], "<|eot_id|>", true),
  llama4: llamaWithTools(["<|header_start|>", "<|header_end|>"], "<|eot|>", false),
  llava: LLAVA,
  metharme: METHARME,
  mistral_v1: MISTRAL_V1,
  mistral_v2v3: mistral(" ", "' ' + (message['content'] | trim)"),
  mistral_v3_tekken: mistral("", "message['content']"),
  mistral_v7_tekken: MISTRAL_V7,
  nemotron_h: NEMOTRON_H,
  phi_3: PHI_3,
  phi_35: PHI_35,
  phi_4: PHI_4,
  pixtral: PIXTRAL,
  qwen2_vl: QWEN2_VL,
  qwen3: QWEN_3,
  qwen3_5: QWEN_3,
  qwen_25: QWEN_25,
};

/** Names that Axolotl has and Eft has not: their models' tokenizers carry them. */
export const LEFT_TO_TOKENIZER: readonly string[] = [
  "command_a",
  "command_a_rag",
  "command_a_tool_use",
  "exaone4",
  "gemma4",
  "gemma4_unified",
  "jamba",
];
