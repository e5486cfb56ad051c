"""What a run of a language model or a translator writes, and how likely it finds what others wrote."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from sonde.data.prepare.text import formed, padded
from sonde.data.prepare.tokenizers import BEGIN, END, PAD, UNKNOWN, Tokenizer, from_json
from sonde.data.prepare.tokenizers.bert import MASK, SPECIALS
from sonde.data.prepare.tokenizers.spelling import REPLACED, Spelling
from sonde.errors import RunError, UsageError
from sonde.nn.sequence import LanguageModel, State, Translator, blank_filler, language_model, network_of, translator
from sonde.ops.beam_search import Beams, beam_search
from sonde.ops.decode import Sampling, likeliest, steps
from sonde.ops.fill import fill
from sonde.run import Run

# Never written: padding and what is not in the vocabulary. Running text has neither beginning nor end.
NEVER: Final = (PAD, UNKNOWN, BEGIN)


@dataclass(frozen=True)
class Manner:
    """How text is written.

    `length`: the most tokens. `temperature` 0 takes the likeliest token each time; above, tokens are drawn (ops/decode.py says
    what `top_k` and `top_p` leave out), and the same `seed` draws the same. `beam`: beams kept (1: no beam search). Text ends
    before the first of `stop` that it would hold.
    """

    length: int = 200
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    beam: int = 1
    seed: int = 0
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises UsageError for values that mean nothing."""
        for name, value, fits, wanted in (
            ("length", self.length, self.length >= 1, "a whole number of at least 1"),
            ("temperature", self.temperature, self.temperature >= 0, "0 or more"),
            ("top-k", self.top_k, self.top_k >= 0, "0 (all tokens) or more"),
            ("top-p", self.top_p, 0 < self.top_p <= 1, "above 0 and at most 1"),
            ("beam", self.beam, self.beam >= 1, "a whole number of at least 1"),
        ):
            if not fits:
                raise UsageError(f"--{name} {value:g} is not {wanted}", where=f"--{name}", remedy=f"leave it out, or give {wanted}")
        if self.beam > 1 and self.temperature:
            raise UsageError("a beam search takes the likeliest text, and --temperature draws", where="--beam", remedy="give one of the two")


def continued(run: Run, prompt: str, manner: Manner) -> Iterator[str]:
    """Pieces of the text that the run's language model writes after `prompt`, as they come. Raises UsageError where it writes none."""
    model, tokenizer = _writer(run)
    first, said = _prompt(run, tokenizer, prompt)
    never = torch.tensor([*NEVER, END], device=run.device)
    if manner.beam > 1:
        found = beam_search(
            model.advance, first, None, width=manner.beam, length=manner.length, end=END, pad=PAD, never=never
        )
        yield _before(tokenizer.decode(found.tokens[0, 0].tolist()), manner.stop)[0]
        return
    choose = Sampling(manner.temperature, manner.top_k, manner.top_p, manner.seed) if manner.temperature else likeliest
    spelling = Spelling(tokenizer, said)
    held = max((len(word) for word in manner.stop), default=1) - 1
    settled, shown, text = "", 0, ""  # of the text, the end that is not shown yet
    for token in steps(model.advance, first, None, length=manner.length, choose=choose, never=never):
        settled += spelling.add(int(token[0]))
        text, over = _before(settled + spelling.open, manner.stop)
        # What may still become a stop, or the rest of a character that several tokens make up, waits.
        ready = len(text) if over else len(text) - held
        if not over and text.endswith(REPLACED):
            ready = min(ready, len(text.rstrip(REPLACED)))
        if ready > shown:
            yield text[shown:ready]
            shown = ready
        if over:
            return
        if shown <= len(settled):
            settled, text, shown = settled[shown:], text[shown:], 0
    if len(text) > shown:
        yield text[shown:]


def next_tokens(run: Run, prompt: str, count: int) -> list[tuple[str, float]]:
    """The likeliest tokens after `prompt` with their probabilities, the likeliest first."""
    model, tokenizer = _writer(run)
    with torch.no_grad():
        p = model.advance(_prompt(run, tokenizer, prompt)[0], None)[0][0, -1].float().softmax(-1)
    chosen = p.topk(min(count, len(p)))
    return [(tokenizer.pieces[token], value) for token, value in zip(chosen.indices.tolist(), chosen.values.tolist(), strict=True)]


@dataclass(frozen=True)
class Likelihood:
    """How likely a text is: ln P of its tokens after the first, how many these are, and how many characters they stand for."""

    text: str
    log_probability: float
    tokens: int
    characters: int
    unknown: int

    @property
    def perplexity(self) -> float:
        """exp(−ln P / tokens)."""
        return float(np.exp(-self.log_probability / max(self.tokens, 1)))

    @property
    def character_perplexity(self) -> float:
        """exp(−ln P / characters), which compares models whose tokenisers differ."""
        return float(np.exp(-self.log_probability / max(self.characters, 1)))


def likelihoods(run: Run, texts: Sequence[str]) -> list[Likelihood]:
    """How likely the language model finds each text, in the order given.

    Each text begins a line: the first token is foretold too, from the line end before it, where the vocabulary has one.
    """
    model, tokenizer = _writer(run)
    start = tokenizer.encode(["\n"])[0]
    known_start = len(start) == 1 and int(start[0]) != UNKNOWN
    lengths_of = tokenizer.characters()
    found = []
    for text in texts:
        flat, _ = run.preparation.tokens([text])
        unknown = int((flat == UNKNOWN).sum())
        row = np.concatenate([start, flat]) if known_start else flat
        if len(row) < 2:
            raise UsageError(f"{text!r} has nothing to foretell", where="--compare", remedy="give texts of at least two tokens")
        tokens = torch.from_numpy(row.astype(np.int64))[None].to(run.device)
        with torch.no_grad():
            logits, _ = model.advance(tokens[:, :-1], None)
            log_p = logits[0].double().log_softmax(-1).gather(1, tokens[0, 1:, None]).sum()
        found.append(Likelihood(text, float(log_p), len(row) - 1, int(lengths_of[row[1:]].sum()), unknown))
    return found


@dataclass(frozen=True)
class Filled:
    """A text with its blanks filled, and the probability of what was put into each, in order of the text."""

    text: str
    filled: str
    probabilities: tuple[float, ...]


def filled(run: Run, text: str) -> Filled:
    """`text` with each blank `___` filled by a model that reads both ways: a word, or a character for each `_` where it reads characters.

    Raises UsageError for a model that reads forwards alone and for a text without a blank.
    """
    model, tokenizer = blank_filler(run.model), run.preparation.tokenizer
    if model is None:
        what = "this run reads forwards alone, so that it writes on and fills no blanks"
        raise UsageError(what, where=str(run.path), remedy="train a language model with --set model.bidirectional=true")
    single = tokenizer.name == "characters"
    parts = re.split("(_)" if single else "( ?_+)", text)
    if len(parts) < 2:
        raise UsageError(f"{text!r} has no blank", where="--text", remedy='write one: --text "I am ___ very hungry"')
    rows: list[np.ndarray] = []
    for place, part in enumerate(parts):
        known = formed([part], run.preparation.form)[0]
        if place and run.preparation.form == "letters" and part[:1] and not part[0].isalpha():
            known = f" {known}"  # the space that the form takes away from the beginning of a text
        rows.append(np.array([UNKNOWN]) if place % 2 else tokenizer.encode([known])[0])
    blanks = torch.tensor([place % 2 == 1 for place, row in enumerate(rows) for _ in row], device=run.device)[None]
    tokens = torch.from_numpy(np.concatenate(rows).astype(np.int64))[None].to(run.device)
    found, log_p = fill(model.between, tokens, blanks, unknown=UNKNOWN, never=torch.tensor([*NEVER, END], device=run.device))
    return Filled(text, tokenizer.decode(found[0].tolist()), tuple(log_p[blanks].exp().tolist()))


def unmasked(run: Run, text: str) -> Filled:
    """`text` with each `[MASK]` filled by a BERT that was pre-trained, the surest first.

    Raises UsageError for a text without a mask, and for one longer than the rows that were learned from.
    """
    pieces, most = run.preparation.pieces, run.preparation.length
    parts = re.split(f"({re.escape(MASK)})", text)
    if len(parts) < 2:
        raise UsageError(f"{text!r} has no {MASK}", where="--text", remedy=f'write one: --text "the {MASK} machine"')
    rows = [np.array([pieces.mask]) if place % 2 else pieces.encode([part])[0] for place, part in enumerate(parts)]
    row = np.concatenate([[pieces.begin], *rows, [pieces.separator]]).astype(np.int64)
    if len(row) > most:
        what = f"the text has {len(row):,} pieces with its specials, and this model read rows of {most}"
        raise UsageError(what, where="--text", remedy="give a shorter one")
    tokens = torch.from_numpy(row)[None].to(run.device)
    blanks = tokens == pieces.mask
    never = torch.tensor([pieces.numbers[special] for special in SPECIALS], device=run.device)
    found, log_p = fill(network_of(run.model), tokens, blanks, unknown=pieces.mask, never=never)
    parts = text.split(MASK)
    for place, number in enumerate(found[blanks].tolist()):
        piece = pieces.vocabulary[number]  # one with ## goes on with the word before it
        parts[place] = parts[place].rstrip() + piece[2:] if piece.startswith("##") else parts[place] + piece
    return Filled(text, "".join(parts), tuple(log_p[blanks].exp().tolist()))


def translated(run: Run, sources: Sequence[str], manner: Manner, *, batch: int = 64) -> list[str]:
    """A translation of each source, in the order given."""
    return [best for best, _ in _translations(run, sources, manner, batch=batch)]


def searched(run: Run, source: str, manner: Manner) -> tuple[list[str], Beams]:
    """The translations that a beam search found for one source, best first, and the search."""
    model, _, text = _translating(run)
    found = beam_search(model.advance, *_encoded(run, model, [source]), width=manner.beam, length=manner.length, end=END, pad=PAD, never=_never(run))
    kept = (found.scores[0] > float("-inf")).tolist()
    return [text(tokens) for tokens, is_one in zip(found.tokens[0].tolist(), kept, strict=True) if is_one], found


def _translations(run: Run, sources: Sequence[str], manner: Manner, *, batch: int) -> Iterator[tuple[str, float]]:
    model, _, text = _translating(run)
    for begin in range(0, len(sources), batch):
        prompt, state = _encoded(run, model, sources[begin : begin + batch])
        found = beam_search(
            model.advance, prompt, state, width=manner.beam, length=manner.length, end=END, pad=PAD, never=_never(run)
        )
        for tokens, score in zip(found.tokens[:, 0].tolist(), found.scores[:, 0].tolist(), strict=True):
            yield text(tokens), score


def _never(run: Run) -> Tensor:
    return torch.tensor(NEVER, device=run.device)


def _encoded(run: Run, model: Translator, sources: Sequence[str]) -> tuple[Tensor, State]:
    """BEGIN of each target, and the state that it starts from."""
    tokens, lengths = padded(*run.preparation.tokens(sources), length=run.preparation.length)
    with torch.no_grad():
        state = model.encode(torch.from_numpy(tokens).long().to(run.device), torch.from_numpy(lengths).long().to(run.device))
    return torch.full((len(sources), 1), BEGIN, device=run.device), state


def _translating(run: Run) -> tuple[Translator, Tokenizer, Any]:
    """The translator, the target's tokeniser, and what makes text of its tokens."""
    if run.description["task"]["name"] != "translation":
        raise UsageError("this run does not translate", where=str(run.path), remedy=f"it does {run.description['task']['name']}")
    tokenizer = from_json(run.target.values["tokenizer"])
    return translator(run.model), tokenizer, lambda tokens: tokenizer.decode([token for token in tokens if token >= 0]).strip()


def _writer(run: Run) -> tuple[LanguageModel, Tokenizer]:
    """The language model and its tokeniser. Raises UsageError for other runs and for models that look ahead."""
    task = run.description["task"]["name"]
    if task != "language-modelling":
        raise UsageError(f"this run does {task}, and only a language model writes", where=str(run.path), remedy="train one: sonde train book.txt")
    if run.folds:
        raise RunError("a K-fold has no one text to write", where=str(run.path), remedy=f"take one fold: {run.folds[0].path}")
    if getattr(network_of(run.model), "bidirectional", False):
        what = "a bidirectional model reads what follows a word to foretell it, so that it cannot write on"
        raise UsageError(what, where=str(run.path), remedy='give it a blank to fill: --text "I am ___ very hungry", or train without model.bidirectional')
    return language_model(run.model), run.preparation.tokenizer


def _prompt(run: Run, tokenizer: Tokenizer, prompt: str) -> tuple[Tensor, list[int]]:
    """The prompt's tokens (1, step), and as a list; an empty one is a line end, or the commonest piece where there is none."""
    flat = run.preparation.tokens([prompt])[0] if prompt else tokenizer.encode(["\n"])[0]
    said = [int(token) for token in flat] or [len(NEVER) + 1]
    return torch.tensor([said], device=run.device), said


def _before(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """The text before the first stop, and whether there is one."""
    places = [place for word in stops if word and (place := text.find(word)) >= 0]
    return (text[: min(places)], True) if places else (text, False)


def whole(pieces: Iterator[str]) -> str:
    """All pieces as one text."""
    *_, text = accumulate(pieces, initial="")
    return text
