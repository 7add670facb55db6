"""Golden token ids and labels of every data set type, made by Axolotl's own prompt strategies.

    python make_formats.py V4_CHECKOUT CURRENT_CHECKOUT

The two checkouts are read, not installed. Writes tokenizer/, cases.json, templates.json, tokenizing.json here.
"""
import copy
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SEQUENCE_LEN = 120


def tokenizers():
    """A byte-level BPE of 600 tokens with the special tokens of the chats below."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    specials = ["<unk>", "<s>", "</s>", "<pad>", "<|im_start|>", "<|im_end|>", "<|eot_id|>", "<|start_header_id|>",
                "<|end_header_id|>", "<|end|>", "<|user|>", "<|assistant|>", "<end_of_turn>", "<start_of_turn>"]
    text = ["Below is an instruction that describes a task. Write a response that appropriately completes the request.",
            "### Instruction:\nName a newt.\n\n### Input:\nnow\n\n### Response:\nThe eft lives on land.",
            "USER: Hello ASSISTANT: Hi there! [INST] <<SYS>>\nYou are a helpful assistant.\n<</SYS>>\n\n [/INST] ",
            "A chat between a curious user and an artificial intelligence assistant.", "Grüße 世界 question answer"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=specials, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), min_frequency=1)
    tokenizer.train_from_iterator(text, trainer)
    plain = {"bos_token": "<s>", "unk_token": "<unk>", "tokenizer_class": "PreTrainedTokenizerFast"}
    for name, eos, bos in [("bos", "</s>", True), ("chatml", "<|im_end|>", False)]:
        folder = HERE / name
        folder.mkdir(exist_ok=True)
        if bos:
            tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
        else:
            tokenizer.post_processor = None
        value = json.loads(tokenizer.to_str())
        (folder / "tokenizer.json").write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")
        config = {**plain, "eos_token": eos, "pad_token": "<pad>"}
        (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")


class Config(dict):
    """Keys as attributes, absent ones None, as both eras' configuration has them."""
    __getattr__ = dict.get


BASES = {
    "alpaca": ("AlpacaPromptTokenizingStrategy", "AlpacaPrompter"),
    "explainchoice": ("AlpacaMultipleChoicePromptTokenizingStrategy", "MultipleChoiceExplainPrompter"),
    "concisechoice": ("AlpacaMultipleChoicePromptTokenizingStrategy", "MultipleChoiceConcisePrompter"),
    "summarizetldr": ("SummarizeTLDRPromptTokenizingStrategy", "SummarizeTLDRPrompter"),
    "jeopardy": ("JeopardyPromptTokenizingStrategy", "JeopardyPrompter"),
    "oasst": ("OpenAssistantPromptTokenizingStrategy", "AlpacaPrompter"),
    "gpteacher": ("GPTeacherPromptTokenizingStrategy", "GPTeacherPrompter"),
    "reflection": ("AlpacaReflectionPTStrategy", "ReflectAlpacaPrompter"),
}


def strategy_of(kind, tokenizer, cfg, ds):
    from axolotl import prompt_strategies, prompt_tokenizers, prompters
    base, _, style = kind.partition(":")
    if base in BASES and "." not in kind:
        strategy, prompter = BASES[base]
        return getattr(prompt_tokenizers, strategy)(
            getattr(prompters, prompter)(style or "instruct"), tokenizer, cfg.train_on_inputs, cfg.sequence_len)
    return prompt_strategies.load(kind, tokenizer, cfg, ds)


def tokenize(kind, tokenizer, cfg, ds, row):
    """[[input_ids, labels], ...] of a row, or the name of the exception that rejects it."""
    from transformers import AutoTokenizer
    tok = AutoTokenizer.from_pretrained(HERE / tokenizer)
    cfg, row = Config(cfg), copy.deepcopy(row)
    try:
        strategy = strategy_of(kind, tok, cfg, Config(ds) if kind != "user_defined" else ds)
        if kind == "completion" or kind == "pretrain":
            row = {key: [value] for key, value in row.items()} if kind == "completion" else row
        out = strategy.tokenize_prompt(row)
        ids, labels = out["input_ids"], out.get("labels") if kind != "pretrain" else out["input_ids"]
        if kind == "completion" or kind == "pretrain":
            return [[list(a), list(b)] for a, b in zip(ids, labels)]
        if kind == "llama2_chat":  # Axolotl pads the row; what counts ends with the last real token
            end = sum(out["attention_mask"])
            ids, labels = ids[:end], labels[:end]
        return [[list(map(int, ids)), list(map(int, labels if labels is not None else []))]]
    except Exception as error:  # noqa: BLE001 what is rejected is part of the contract
        return type(error).__name__ + ": " + str(error)[:120]


def main(era):
    import rows as R
    cases = []

    def case(kind, rows, tokenizer="bos", ds=None, cfg=None):
        settings = {"sequence_len": SEQUENCE_LEN, "train_on_inputs": False, **(cfg or {})}
        results = [tokenize(kind, tokenizer, settings, ds or {}, row) for row in rows]
        cases.append({"era": era, "type": kind, "tokenizer": tokenizer, "dataset": ds or {}, "config": settings,
                      "rows": rows, "expected": results})

    for kind, rows, *more in R.INSTRUCTION:
        if era == "v0.4.0":
            kind = kind.removesuffix(".load")  # known there only without
        case(kind, rows, **(more[0] if more else {}))
    for kind in ["alpaca", "reflection", "alpaca_w_system.load_open_orca", "pygmalion"]:
        rows = next(rows for name, rows, *_ in R.INSTRUCTION if name == kind)
        case(kind, rows, cfg={"train_on_inputs": True})
        case(kind, rows, "chatml")
    if era == "v0.4.0":
        import fastchat.conversation as F
        case("sharegpt", R.TALKS)
        case("sharegpt", [R.ROLES])
        case("sharegpt", R.TALKS[:2], cfg={"train_on_inputs": True})
        case("sharegpt", R.TALKS[:2], ds={"conversation": "chatml"})
        case("sharegpt", R.TALKS[:7], "chatml", ds={"conversation": "chatml"})
        case("sharegpt", [{"conversations": R.talk("Hi", "Ho", names=("q", "a"))}], ds={"field_human": "q", "field_model": "a"})
        case("sharegpt", [{"conversations": [{"from": "human", "value": "x"}, {"from": "assistant", "value": "y"}]}], ds={"strict": False})
        case("sharegpt.load_role", [{"conversations": R.talk("Hi", "Ho", keys=("role", "value"))}])
        case("sharegpt.load_guanaco", [{"conversations": R.talk("Hi", "Ho", names=("prompter", "assistant"), keys=("role", "text"))}])
        case("sharegpt.load_ultrachat", [{"messages": R.chat("Hi", "Ho")}], ds={"strict": False})
        case("sharegpt_jokes", [{"title": "Newt", "text": "Ha.", "explanation": "It is funny."}, {"title": "", "text": "Ha.", "explanation": "So."}])
        import axolotl.prompt_strategies.sharegpt  # registers chatml  # noqa: F401
        for name in sorted(F.conv_templates):
            if F.conv_templates[name].sep_style is not None:
                case("sharegpt", R.TALKS[:2], ds={"conversation": name})
    else:
        case("alpaca:phi", R.ALPACA[:2])
        case("input_output", [{"segments": [{"label": False, "text": "<s>Hi "}, {"label": True, "text": "there</s>"}, {"label": True, "text": ""}]}])
        case("input_output", [{"segments": [{"label": False, "text": "<s>Hi "}, {"label": True, "text": "there</s>"}]}], cfg={"train_on_inputs": True})
        steps = [{"prompt": "1+1?", "completions": ["One and one.", "Two."], "labels": [True, False]}]
        case("stepwise_supervised", steps)
        case("stepwise_supervised", steps, ds={"step_separator": "\n\n", "train_on_last_step_only": True, "max_completion_length": 9})
        case("pretrain", [{"text": "A newt is a salamander. "}, {"text": "Long. " * 200}], cfg={"pretraining_dataset": [{"text_column": "text"}]})
        chats(case, R)
        templates(R)
        preferences(R)
    (HERE / f"cases-{era}.json").write_text(pack(cases))


def chats(case, R):
    own = {"chat_template": "jinja", "chat_template_jinja": "{% for message in messages %}{{ '<|user|>' if message.role == 'user' else '<|assistant|>' }}{{ message.content }}{% if message.note %}[{{ message.note }}]{% endif %}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"}
    for name, tokenizer in [("chatml", "chatml"), ("llama3", "bos"), ("gemma", "bos"), ("alpaca", "bos"), ("phi_3", "bos")]:
        case("chat_template", R.CHATS, tokenizer, cfg={"chat_template": name})
    case("chat_template", R.CHATS[:2], cfg={"chat_template": "llama3", "eot_tokens": ["<|eot_id|>"]})
    for when in ["all", "turn", "last", "none"]:
        case("chat_template", R.CHATS[:3], "chatml", ds={"train_on_eos": when}, cfg={"chat_template": "chatml"})
        case("chat_template", R.CHATS[:2], ds={"train_on_eot": when}, cfg={"chat_template": "llama3", "eot_tokens": ["<|eot_id|>"]})
    case("chat_template", R.CHATS[:2], cfg={**own})
    case("chat_template", R.CHATS[:3], "chatml", ds={"roles_to_train": [], "train_on_eos": None}, cfg={"chat_template": "chatml"})
    case("chat_template", R.CHATS[:2], "chatml", ds={"roles_to_train": ["user", "human", "gpt"]}, cfg={"chat_template": "chatml"})
    case("chat_template", R.CHATS[:2], "chatml", cfg={"chat_template": "chatml", "train_on_inputs": True})
    case("chat_template", R.TALKS[:2], "chatml", ds={"field_messages": "conversations", "message_property_mappings": {"role": "from", "content": "value"}}, cfg={"chat_template": "chatml"})
    case("chat_template", R.CHATS[1:2], "chatml", ds={"drop_system_message": True}, cfg={"chat_template": "chatml"})
    case("chat_template", [{**R.CHATS[0], "system": "From its own column."}], "chatml", cfg={"chat_template": "chatml"})
    flags = copy.deepcopy(R.CHATS[0])
    for message, train in zip(flags["messages"], [True, False, None, True]):
        message["train"] = train
    case("chat_template", [flags], "chatml", ds={"message_field_training": "train"}, cfg={"chat_template": "chatml"})
    detail = {"messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "I am an eft, truly.", "train_detail": [{"begin_offset": 0, "end_offset": 7, "train": False}, {"begin_offset": 8, "end_offset": 18, "train": True}]}]}
    case("chat_template", [detail], "chatml", ds={"message_field_training_detail": "train_detail"}, cfg={"chat_template": "chatml"})
    parts = {"messages": [{"role": "user", "content": [{"type": "text", "text": "Who?"}]}, {"role": "assistant", "content": [{"type": "text", "text": "Well:", "train": False}, {"type": "text", "text": " an eft.", "weight": 1}]}]}
    case("chat_template", [parts], "chatml", cfg={"chat_template": "chatml"})
    case("chat_template", R.TOOLS, "chatml", cfg={"chat_template": "qwen_25"})
    thought = {"messages": [{"role": "user", "content": "Sum?"}, {"role": "assistant", "reasoning_content": "One plus one.", "content": "Two."}]}
    case("chat_template", [thought, *R.CHATS[:3]], "chatml", cfg={"chat_template": "qwen3"})
    split = {"messages": [{"role": "user", "content": "Sum?"}, {"role": "assistant", "content": "<think>One plus one.</think>\n\nTwo."}]}
    case("chat_template", [split], "chatml", ds={"split_thinking": True}, cfg={"chat_template": "qwen3"})
    notes = {"messages": [{"role": "user", "content": "Hi", "note": "kept"}, {"role": "assistant", "content": "Ho", "other": "dropped"}]}
    case("chat_template", [notes], cfg={**own})
    text = {"id": 1, "messages": json.dumps(R.CHATS[0]["messages"])}  # texts alone are taken for a batch
    case("chat_template", [text], "chatml", cfg={"chat_template": "chatml"})
    case("chat_template", R.CHATS[:1], "chatml", ds={"train_on_eos": "all", "train_on_eot": "turn"}, cfg={"chat_template": "chatml"})
    case("chat_template", R.CHATS[:1], cfg={"chat_template": "llama3", "eot_tokens": ["<not in the vocabulary>", "<|eot_id|>"]})
    case("chat_template", R.CHATS[:2], "chatml", cfg={"chat_template": "chatml", "chat_template_kwargs": {"unused": 1}})


def preferences(R):
    """The texts of preference rows: [method, type, row, result] of Axolotl's transforms."""
    import importlib
    pair = {"chosen": "Yes.", "rejected": "No."}
    talks = {"chosen": R.chat("Q?", "Yes."), "rejected": R.chat("Q?", "No.")}
    rows = {
        "default": [{"system": "S", "question": "Q?", **pair}, {"instruction": "Q?", "chosen_response": "Y", "rejected_response": "N"}],
        "argilla_chat": [talks], "icr": [{"system": "S", "input": "Q?", **pair}], "intel": [{"system": "", "question": "Q?", **pair}],
        "prompt_pairs": [{"system": "S", "prompt": "Q?", **pair}], "ultra": [{"prompt": "Q?", **talks}],
    }
    kto = {"argilla": [{"system": "S", "instruction": "Q?"}], "argilla_chat": [{"completion": R.chat("Q?", "Yes.")}],
           "intel": [{"question": "Q?"}], "prompt_pairs": [{"prompt": "Q?"}], "ultra": [{"system": "S", "prompt": "Q?"}]}
    found = []

    def add(method, module, shape, row, **more):
        transform = getattr(importlib.import_module(f"axolotl.prompt_strategies.{method}.{module}"), shape)(Config(more), **more)
        out = transform(copy.deepcopy(row))
        keys = ["prompt", "completion"] if method == "kto" else ["prompt", "chosen", "rejected"]
        found.append([method, f"{module}.{shape}", row, {key: out[key] for key in keys}])

    for module in ["chatml", "llama3"]:
        for shape, some in rows.items():
            for row in some:
                add("dpo", module, shape, row)
        for shape, some in kto.items():
            for row in some:
                add("kto", module, shape, {"completion": "Yes.", "label": True, **row})
    add("dpo", "zephyr", "nectar", {"prompt": "Q?", "answers": [{"answer": "a", "rank": 2}, {"answer": "b", "rank": 1}, {"answer": "c", "rank": 3}]})
    add("dpo", "passthrough", "default", {"prompt": "Q?", **pair})
    (HERE / "preferences.json").write_text(pack(found))


def templates(R):
    """The text of every named template for a few conversations, or the reason it refuses one."""
    from axolotl.utils.chat_templates.base import _CHAT_TEMPLATES
    from transformers import AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained(HERE / "bos")
    found = {}
    talks = [*R.CHATS[:5], {"messages": R.chat("One", "Two", "Three", "Four", system=" Sys. ")}, *R.TOOLS]
    for name, template in sorted(_CHAT_TEMPLATES.items()):
        if name.startswith(("command_a", "gemma4")):
            continue  # not shipped with Eft: several pages of preamble that the models' tokenizers carry
        results = []
        for talk in talks:
            messages = copy.deepcopy(talk["messages"])
            for message in messages:
                for call in message.get("tool_calls", []):
                    call["function"]["arguments"] = json.loads(call["function"]["arguments"])
            for generation in [False, True]:
                try:
                    results.append(tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False, date_string="26 Jul 2024", tools=talk.get("tools"), add_generation_prompt=generation))
                except Exception as error:  # noqa: BLE001
                    results.append({"refused": str(error)[:120]})
        found[name] = results
    (HERE / "templates.json").write_text(pack({"conversations": talks, "texts": found}))


def pack(value):
    """JSON with one case or template per line."""
    dump = lambda each: json.dumps(each, ensure_ascii=False, separators=(",", ":"))  # noqa: E731
    if isinstance(value, list):
        return "[\n" + ",\n".join(map(dump, value)) + "\n]\n"
    return "{\n" + ",\n".join(f"{dump(k)}:{dump(v)}" for k, v in value.items()) + "\n}\n"


if __name__ == "__main__":
    if len(sys.argv) == 3:
        tokenizers()
        for era, folder in [("v0.4.0", sys.argv[1]), ("v0.18.0", sys.argv[2])]:
            subprocess.run([sys.executable, __file__, "--era", era, folder], check=True)
    else:
        sys.path.insert(0, str(Path(sys.argv[3]) / "src"))
        main(sys.argv[2])
