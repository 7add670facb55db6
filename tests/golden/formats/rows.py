"""The rows of the golden files: every type, the ordinary row first, then the awkward ones."""

ALPACA = [
    {"instruction": "Name a newt.", "input": "", "output": "The eft."},
    {"instruction": "Add.", "input": "1 and 2", "output": "3"},
    {"instruction": "Braces {input} {}", "output": "Grüße, 世界 🦎"},
    {"instruction": "Say nothing.", "input": "now", "output": ""},
    {"instruction": " spaces ", "input": " in ", "output": " out </s>"},
    {"instruction": "It is long. " * 40, "input": "", "output": "word " * 10},
]
SYSTEM = [
    {**ALPACA[0], "system": "You are a pond."},
    {**ALPACA[1], "system": "You count."},
    {**ALPACA[1], "system": ""},
]
ORCA = [
    {"system_prompt": "Think aloud.", "question": "Why?", "response": "Because."},
    {"system_prompt": "", "question": "Why {not}?", "response": "No reason."},
]
CHOICE = [
    {"question": "Which lives in water?", "choices": ["newt", "camel"], "solution": "newt", "explanation": "It swims."},
    {"question": "Which?", "choices": [], "explanation": "None."},
]
CRITIQUE = {
    "instruction": "Write a poem.", "answer": "Roses.", "revision": "Roses are red.",
    "scores": {"refusal": 10, "prescriptive_bias": 9, "creativity": 2, "comprehensiveness": 1},
    "critiques": {
        "refusal": {"explanation": "It answers: fully.", "improvements": "none"},
        "prescriptive_bias": {"explanation": "'quoted' text # not a comment", "improvements": "yes"},
        "creativity": {"explanation": "a line that is much longer than eighty characters so that the writer must fold it somewhere near here", "improvements": "- more\n- words"},
        "comprehensiveness": {"explanation": "", "improvements": "null"},
    },
}

def talk(*texts, names=("human", "gpt"), keys=("from", "value"), system=None):
    turns = [{keys[0]: "system", keys[1]: system}] if system is not None else []
    for i, text in enumerate(texts):
        turns.append({keys[0]: names[i % 2], keys[1]: text})
    return turns

TALKS = [
    {"conversations": talk("Who are you?", "I am an eft.", "Since when?", "A year.")},
    {"conversations": talk("Hello", "Hi there! 🦎", system="Be brief.")},
    {"conversations": talk("Only a question")},
    {"conversations": talk("Hello", "Hi", "Left open")},
    {"conversations": [{"from": "bing", "value": "noise"}] + talk("Hello", "Hi")},
    {"conversations": talk("", "An answer to nothing")},
    {"conversations": talk(" spaced ", " out ")},
    {"conversations": [{"from": "human", "value": "one"}, {"from": "human", "value": "two"}, {"from": "gpt", "value": "three"}]},
    {"conversations": [{"from": "human", "value": "one"}, {"from": "tool", "value": "two"}]},
]
ROLES = {"conversations": talk("Hello", "Hi"), "roles": ["HANS", "GRETEL"]}

def chat(*texts, system=None):
    return talk(*texts, names=("user", "assistant"), keys=("role", "content"), system=system)

CHATS = [
    {"messages": chat("Who are you?", "I am an eft.", "Since when?", "A year.")},
    {"messages": chat("Hello", "Hi there! 🦎", system="Be brief.")},
    {"messages": chat("Hello", "Hi", "Left open")},
    {"messages": chat(" spaced ", " out ")},
    {"messages": chat("Say nothing", "")},
    {"messages": chat("Hello", "Hello")},
]
TOOLS = [
    {
        "messages": [
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": "weather", "arguments": '{"city": "Köln", "days": 2}'}}]},
            {"role": "tool", "name": "weather", "content": "rain"},
            {"role": "assistant", "content": "It rains."},
        ],
        "tools": [{"type": "function", "function": {"name": "weather", "description": "The weather of a city", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}],
    },
]

# (type, rows) under both eras; {ds: keys of datasets[], cfg: top-level keys} may follow.
INSTRUCTION = [
    ("alpaca", ALPACA), ("alpaca:instruct", ALPACA[:2]), ("alpaca:chat", ALPACA), ("alpaca:chatml", ALPACA),
    ("jeopardy", [{"question": "It swims.", "category": "animals", "answer": "a newt"}]),
    ("oasst", [{"INSTRUCTION": "Do it.", "RESPONSE": "Done."}]),
    ("gpteacher", [{"instruction": "Do it.", "input": "now", "response": "Done."}, {"instruction": "Do it.", "response": "Done."}]),
    ("gpteacher:chat", [{"instruction": "Do it.", "input": "now", "response": "Done."}]),
    ("reflection", [
        {"instruction": "Think.", "input": "hard", "output": "A thought.", "reflection": "Was it?", "corrected": "Yes."},
        {"instruction": "Think.", "output": "A thought.", "reflection": "Was it?", "corrected": "Yes."},
        {"instruction": "Think.", "output": "A thought.", "reflection": "", "corrected": "Yes."},
    ]),
    ("reflection:chat", [{"instruction": "Think.", "input": "hard", "output": "A thought.", "reflection": "Was it?", "corrected": "Yes."}]),
    ("explainchoice", [{k: v for k, v in CHOICE[0].items() if k != "solution"}, CHOICE[1]]),
    ("explainchoice:chat", CHOICE), ("concisechoice", CHOICE), ("concisechoice:chatml", CHOICE[:1]),
    ("summarizetldr", [{"article": "A long {story}.", "summary": "Short."}]),
    ("alpaca_instruct.load", ALPACA[:2]), ("alpaca_instruct.load_no_prompt", ALPACA[:3]),
    ("alpaca_chat.load", ALPACA[:2]),
    ("alpaca_chat.load", ALPACA[:2], {"ds": {"conversation": "chatml"}}),
    ("alpaca_chat.load_concise", ALPACA[:2]),
    ("alpaca_chat.load_qa", [{"question": "Why?", "answer": "Because."}]),
    ("alpaca_chat.load_camel_ai", [{"message_1": "Why?", "message_2": "Because."}]),
    ("alpaca_chat.load_no_prompt", ALPACA[:2]),
    ("alpaca_w_system.load_instruct", SYSTEM), ("alpaca_w_system.load", SYSTEM), ("alpaca_w_system.load_chat", SYSTEM),
    ("alpaca_w_system.load_open_orca", ORCA), ("alpaca_w_system.load_open_orca_chatml", ORCA),
    ("orcamini", ORCA),
    ("context_qa", [{"article": "Efts live on land.", "question": "Where?", "answer": "On land."}]),
    ("context_qa.load_v2", [{"context": "Efts live on land.", "question": "Where?", "answer": "On land."}]),
    ("context_qa.load_404", [{"article": "Efts live on land.", "unanswerable_question": "Who?"}]),
    ("creative_acr.load_answer", [CRITIQUE]), ("creative_acr.load_critique", [CRITIQUE]), ("creative_acr.load_revise", [CRITIQUE]),
    ("metharme", [
        {"prompt": "<|system|>Play.<|user|>Hi<|model|>", "generation": " Hello"},
        {"prompt": "<|user|>Hi<|model|>", "generation": " Hello</s>"},
        {"prompt": "<|user|>" + "so long " * 70, "generation": "word " * 90},
    ]),
    ("pygmalion", [
        {"conversations": [{"role": "system", "value": "A newt. \n<START>"}, {"role": "human", "value": " Hi "}, {"role": "bot", "value": "Hello. "}]},
        {"conversations": [{"role": "human", "value": "Hi"}, {"role": "bot", "value": "Hello"}, {"role": "human", "value": "Bye"}, {"role": "bot", "value": ""}]},
    ]),
    ("llama2_chat", [
        {"conversations": talk("Who are you?", "I am an eft.", "Since when?", "A year.")},
        {"conversations": talk("Hello", "Hi", system="Be brief.")},
        {"conversations": talk("Hello", "Hi", "Left open")},
        {"conversations": talk("Only a question")},
        {"conversations": talk("A very long question " * 30, "An answer")},
    ]),
    ("user_defined", ALPACA[:3] + [{"instruction": "No output", "system": "S"}], {"ds": {"system_prompt": "Sys.", "system_format": "<<{system}>>", "format": "[I]{instruction}[X]{input}[R]", "no_input_format": "[I]{instruction}[R]"}}),
    ("user_defined", ALPACA[:2]),
    ("user_defined", [{"q": "Why?", "c": "here", "a": "Because.", "s": "Sys."}], {"ds": {"field_instruction": "q", "field_input": "c", "field_output": "a", "field_system": "s", "format": "{instruction} {input} ", "no_input_format": "{instruction} ", "system_format": "{system}: "}}),
    ("completion", [{"text": "A newt is a salamander. " * 3}, {"text": "Long. " * 300}, {"text": ""}]),
    ("completion", [{"body": "Another column.", "text": "not this"}], {"ds": {"field": "body"}}),
]
