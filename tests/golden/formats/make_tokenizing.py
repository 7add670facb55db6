"""Token ids of hard texts by Python's `tokenizers`, for every kind of model that LLMs use.

    python make_tokenizing.py

Writes tokenizing.json: small tokenizers of four kinds with the ids of every text and what they decode to.
"""
import json
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

CORPUS = ["The quick brown fox jumps over the lazy dog. " * 3, "Grüße aus Köln, señor! naïve café",
          "def f(x):\n    return x + 1\n\n\n# comment", "你好，世界。日本語テキスト", "1234567890 3.14 1e-5", "<tag attr='v'>",
          "it's don't we'll I'M", "Привет мир", "مرحبا بالعالم"]
TEXTS = ["", " ", "  two  spaces  ", "Hello, World!", "it's I'M DON'T we'Ll", "tabs\tand\nnew\r\nlines\n\n\n  end",
         "Grüße", "Gru\u0308ße (decomposed)", "ﬁ ligature Å \u212b Ⅷ", "日本語テキスト混在 text", "👩‍👩‍👧‍👦 family 🦎 🏳️‍🌈", "e\u0301\u0327 combining",
         "مرحبا بالعالم", "שָׁלוֹם", "ไทยภาษา", "हिन्दी में", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐍈", "\u200bzero\u200dwidth\ufeffbom", "\u00a0nbsp\u2003em\u3000ideographic",
         "1234567 89.01e-10", "a</s>b<s> c", " <s>", "<s>", "x <mask> y", "x<mask>", "\u0000null\u0007bell\u007f", "…—–“quotes”", "İstanbul ıI ß ẞ Σς",
         "word" * 40, "￼\ufffd\ufffe", "\U0010ffff", "a\u2028b\u2029c\u0085d", "CamelCase snake_case kebab-case", "한국어 텍스트 각"]
LLAMA_3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SPECIALS = ["<unk>", "<s>", "</s>"]


def bpe(**options):
    return Tokenizer(models.BPE(**options)), dict(vocab_size=420, special_tokens=SPECIALS, show_progress=False)


def make():
    byte_alphabet = pre_tokenizers.ByteLevel.alphabet()
    gpt2, options = bpe()
    gpt2.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    gpt2.decoder = decoders.ByteLevel()
    gpt2.train_from_iterator(CORPUS, trainers.BpeTrainer(**options, initial_alphabet=byte_alphabet))
    yield "byte-level BPE (GPT-2)", gpt2

    llama3, options = bpe(ignore_merges=True)
    llama3.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA_3), "isolated"),
                                                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    llama3.decoder = decoders.ByteLevel()
    llama3.train_from_iterator(CORPUS, trainers.BpeTrainer(**options, initial_alphabet=byte_alphabet))
    yield "byte-level BPE (Llama 3)", llama3

    qwen, options = bpe()
    qwen.normalizer = normalizers.NFC()
    qwen.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA_3.replace("{1,3}", "")), "isolated"),
                                                  pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    qwen.decoder = decoders.ByteLevel()
    qwen.train_from_iterator(CORPUS, trainers.BpeTrainer(**options, initial_alphabet=byte_alphabet))
    yield "byte-level BPE with NFC (Qwen)", qwen

    fallback = [f"<0x{byte:02X}>" for byte in range(256)]
    llama2, options = bpe(unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    llama2.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    llama2.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    options.update(vocab_size=560, special_tokens=SPECIALS + fallback)
    llama2.train_from_iterator([line for text in CORPUS[:3] for line in text.split(". ")], trainers.BpeTrainer(**options))
    value = json.loads(llama2.to_str())  # the byte tokens are ordinary ones
    value["added_tokens"] = [each for each in value["added_tokens"] if each["content"] in SPECIALS]
    yield "BPE with byte fallback (Llama 2)", Tokenizer.from_str(json.dumps(value))

    mistral = json.loads(json.dumps(value))
    mistral["normalizer"] = None
    mistral["pre_tokenizer"] = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}
    yield "BPE with byte fallback (Metaspace, first)", Tokenizer.from_str(json.dumps(mistral))

    unigram = Tokenizer(models.Unigram())
    unigram.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    unigram.decoder = decoders.Metaspace()
    unigram.train_from_iterator(CORPUS, trainers.UnigramTrainer(vocab_size=200, special_tokens=SPECIALS, unk_token="<unk>", show_progress=False))
    yield "Unigram (T5)", unigram

    piece = Tokenizer(models.WordPiece(unk_token="<unk>"))
    piece.normalizer = normalizers.BertNormalizer()
    piece.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    piece.decoder = decoders.WordPiece()
    piece.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=250, special_tokens=SPECIALS, show_progress=False))
    yield "WordPiece (BERT)", piece


def main():
    results = []
    for name, tokenizer in make():
        tokenizer.add_tokens([AddedToken("<mask>", lstrip=True, special=True)])
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
        encoded = [tokenizer.encode(text, add_special_tokens=False).ids for text in TEXTS]
        results.append({"name": name, "tokenizer": json.loads(tokenizer.to_str()), "ids": encoded,
                        "decoded": [tokenizer.decode(ids, skip_special_tokens=False) for ids in encoded]})
    dump = lambda value: json.dumps(value, ensure_ascii=True, separators=(",", ":"))  # noqa: E731
    lines = ",\n".join(map(dump, results))
    (Path(__file__).parent / "tokenizing.json").write_text('{"texts":' + dump(TEXTS) + ',\n"tokenizers":[\n' + lines + "\n]}\n")


main()
