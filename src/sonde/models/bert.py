"""BERT (Devlin et al. 2018, "BERT: Pre-training of deep bidirectional Transformers for language understanding").

    x  = norm(word + place + segment)                      section 3, figure 2
    x ← norm(x + attention(x));  x ← norm(x + W₂ gelu(W₁ x))   the Transformer's encoder, normalised after each part
    pooled = tanh(W x_[CLS])

Texts begin with [CLS], and [SEP] stands after each; what follows the first [SEP] is segment 1. Weights are named as in the
published checkpoints, the heads as in those of the Transformers library: `cls` of pre-training, `classifier` of whole texts, pairs and
tokens, `qa_outputs` of questions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from sonde.errors import RecipeError
from sonde.nn.dense import Dense
from sonde.nn.dropout import Dropout
from sonde.ops.attention import Mask, dot_product_attention, dot_product_weights, length_mask

Tokens = Int[Tensor, "batch step"]
Hidden = Float[Tensor, "batch step width"]

# Of normal draws that first weights are (section A.2's BERT_base was trained so), and of the norms.
SPREAD = 0.02
EPSILON = 1e-12
# Parts of a body.
_BODY = ("embeddings.", "encoder.", "pooler.")
# Value of a Config → its key in a published config.json.
CONFIG = {
    "width": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "hidden": "intermediate_size",
    "length": "max_position_embeddings",
    "dropout": "hidden_dropout_prob",
    "attention_dropout": "attention_probs_dropout_prob",
}


@dataclass(frozen=True)
class Config:
    """`layers` blocks of `heads` heads; `hidden`: width between a block's two dense layers, 0 for 4 × width.

    `length`: places that have a vector, the most tokens of a text. `separator`: the number of [SEP]. `dropout` is of embeddings, of what
    the parts of a block give and of what the last layer reads; `attention_dropout` of attention weights. `per`: what is given out.
    `sequence`: `outputs` for the whole text, from [CLS]; `token`: `outputs` for each token; `span`: two for each, where an answer
    starts and ends; `masked`: the vocabulary for each token, and whether the second text follows the first. `vocabulary`, `outputs`,
    `per` and `separator` come from data and task.
    """

    vocabulary: int = 0
    outputs: int = 0
    per: Literal["token", "sequence", "span", "masked"] = "sequence"
    separator: int = 102
    length: int = 512
    width: int = 768
    layers: int = 12
    heads: int = 12
    hidden: int = 0
    dropout: float = 0.1
    attention_dropout: float = 0.1


VARIANTS: dict[str, Config] = {
    "bert-tiny": Config(width=128, layers=2, heads=2),
    "bert-mini": Config(width=256, layers=4, heads=4),
    "bert-small": Config(width=512, layers=4, heads=8),
    "bert-medium": Config(width=512, layers=8, heads=8),
    "bert-base": Config(),
    "bert-large": Config(width=1024, layers=24, heads=16),
}


class Embeddings(nn.Module):
    """norm(word + place + segment)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocabulary, config.width)
        self.position_embeddings = nn.Embedding(config.length, config.width)
        self.token_type_embeddings = nn.Embedding(2, config.width)
        self.LayerNorm = nn.LayerNorm(config.width, eps=EPSILON)
        self.dropout = Dropout(config.dropout)

    def forward(self, tokens: Tokens, segments: Tokens) -> Hidden:
        """Vectors of the tokens of each place. Raises RecipeError for a text that is longer than the places that have one."""
        length, places = tokens.shape[1], self.position_embeddings.num_embeddings
        if length > places:
            what = f"a text of {length} tokens is longer than the {places} places that this BERT knows"
            raise RecipeError(what, where="model.length", remedy=f"read at most {places} tokens of a text: --length {places}")
        x = self.word_embeddings(tokens) + self.position_embeddings.weight[:length] + self.token_type_embeddings(segments)
        y: Tensor = self.dropout(self.LayerNorm(x))
        return y


class SelfAttention(nn.Module):
    """`heads` scaled dot products side by side (Vaswani et al. 2017, section 3.2.2), not yet put together by the output's matrix."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        if config.heads < 1 or config.width % config.heads:
            what = f"a width of {config.width} cannot be cut into {config.heads} heads"
            raise RecipeError(what, where="model.config", remedy="choose a model.heads that divides model.width")
        self.heads = config.heads
        self.query = Dense(config.width, config.width)
        self.key = Dense(config.width, config.width)
        self.value = Dense(config.width, config.width)
        self.dropout = Dropout(config.attention_dropout)
        self.seen: list[Tensor] | None = None  # where the weights of each call are put, while somebody looks (nn/attention.py)

    def forward(self, x: Hidden, mask: Mask) -> Hidden:
        q, k, v = (layer(x).unflatten(2, (self.heads, -1)).transpose(1, 2) for layer in (self.query, self.key, self.value))
        if self.seen is None and not (self.training and self.dropout.p):
            return dot_product_attention(q, k, v, mask=mask).transpose(1, 2).flatten(2)
        weights = dot_product_weights(q, k, mask=mask)
        if self.seen is not None:
            self.seen.append(weights.detach())
        y: Tensor = self.dropout(weights) @ v
        return y.transpose(1, 2).flatten(2)


class Output(nn.Module):
    """norm(x + W y): the end of both parts of a block."""

    def __init__(self, width_in: int, config: Config) -> None:
        super().__init__()
        self.dense = Dense(width_in, config.width)
        self.LayerNorm = nn.LayerNorm(config.width, eps=EPSILON)
        self.dropout = Dropout(config.dropout)

    def forward(self, y: Float[Tensor, "batch step columns"], x: Hidden) -> Hidden:
        z: Tensor = self.LayerNorm(x + self.dropout(self.dense(y)))
        return z


class Attention(nn.Module):
    """norm(x + W attention(x))."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.self = SelfAttention(config)
        self.output = Output(config.width, config)

    def forward(self, x: Hidden, mask: Mask) -> Hidden:
        y: Tensor = self.output(self.self(x, mask), x)
        return y


class Intermediate(nn.Module):
    """gelu(W₁ x), the exact form of it."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.dense = Dense(config.width, config.hidden or 4 * config.width)

    def forward(self, x: Hidden) -> Float[Tensor, "batch step columns"]:
        return F.gelu(self.dense(x))


class Layer(nn.Module):
    """A block: attention, then the two dense layers."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.attention = Attention(config)
        self.intermediate = Intermediate(config)
        self.output = Output(config.hidden or 4 * config.width, config)

    def forward(self, x: Hidden, mask: Mask) -> Hidden:
        x = self.attention(x, mask)
        y: Tensor = self.output(self.intermediate(x), x)
        return y


class Encoder(nn.Module):
    """The blocks."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Layer(config) for _ in range(config.layers))

    def forward(self, x: Hidden, mask: Mask) -> Hidden:
        for layer in self.layer:
            x = layer(x, mask)
        return x


class Pooler(nn.Module):
    """tanh(W x) of the first token, [CLS]."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.dense = nn.Linear(config.width, config.width)

    def forward(self, x: Hidden) -> Float[Tensor, "batch width"]:
        return torch.tanh(self.dense(x[:, 0]))


class Bert(nn.Module):
    """The body that all heads stand on."""

    def __init__(self, config: Config, *, pooler: bool = True) -> None:
        super().__init__()
        self.separator = config.separator
        self.embeddings = Embeddings(config)
        self.encoder = Encoder(config)
        self.pooler = Pooler(config) if pooler else None

    def forward(self, tokens: Tokens, lengths: Int[Tensor, " batch"] | None = None, segments: Tokens | None = None) -> Hidden:
        """What the last block gives for each token. Padding after the `lengths` changes nothing; None: all texts are whole.

        `segments` are 0 and 1 for the tokens of the first and of the second text, and told from the separators where they are not given.
        """
        if segments is None:
            segments = segments_of(tokens, self.separator)
        mask: Bool[Tensor, "batch 1 1 step"] | None = None
        if lengths is not None:
            mask = length_mask(lengths, tokens.shape[1])[:, None, None]
        x: Tensor = self.encoder(self.embeddings(tokens, segments), mask)
        return x


def segments_of(tokens: Tokens, separator: int) -> Tokens:
    """0 up to the first `separator`, and with it, 1 after it."""
    ends = tokens == separator
    return ((ends.cumsum(1) - ends.long()) > 0).long()


class Transform(nn.Module):
    """norm(gelu(W x)), before the vocabulary's matrix."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.dense = nn.Linear(config.width, config.width)
        self.LayerNorm = nn.LayerNorm(config.width, eps=EPSILON)

    def forward(self, x: Float[Tensor, "*places width"]) -> Float[Tensor, "*places width"]:
        y: Tensor = self.LayerNorm(F.gelu(self.dense(x)))
        return y


class Predictions(nn.Module):
    """Logits of the words that may stand at a place. The vocabulary's matrix is the embedding's own (section A.1 of the published code)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.transform = Transform(config)
        self.bias = nn.Parameter(torch.zeros(config.vocabulary))

    def forward(self, x: Float[Tensor, "*places width"], words: Float[Tensor, "vocabulary width"]) -> Float[Tensor, "*places vocabulary"]:
        return F.linear(self.transform(x), words, self.bias)


class PreTraining(nn.Module):
    """The two heads of pre-training (section 3.1): which word was masked, and whether the second text follows the first."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.predictions = Predictions(config)
        self.seq_relationship = nn.Linear(config.width, 2)


class BertNetwork(nn.Module):
    """BERT and one head, which `Config.per` chooses."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.per, self.layers = config.per, config.layers
        self.bert = Bert(config, pooler=config.per in ("sequence", "masked"))
        self.dropout = Dropout(config.dropout)
        if config.per == "masked":
            self.cls = PreTraining(config)
        elif config.per == "span":
            self.qa_outputs = nn.Linear(config.width, 2)
        else:
            self.classifier = nn.Linear(config.width, config.outputs)
        self.apply(_start)

    @property
    def stages(self) -> dict[str, tuple[str, ...]]:
        """Embeddings, blocks one by one, pooler and head."""
        blocks = {f"stage{number}": (f"bert.encoder.layer.{number - 1}",) for number in range(1, self.layers + 1)}
        head = {"sequence": ("bert.pooler", "classifier"), "token": ("classifier",), "span": ("qa_outputs",), "masked": ("bert.pooler", "cls")}
        return {"stem": ("bert.embeddings",), **blocks, "head": head[self.per]}

    def forward(
        self,
        tokens: Tokens,
        lengths: Int[Tensor, " batch"] | None = None,
        words: Int[Tensor, "batch word"] | None = None,
        *,
        segments: Tokens | None = None,
    ) -> Tensor:
        """Logits: (batch, output), or of each token (batch, step, output); of spans (batch, step, 2), of masked words (batch, step, vocabulary).

        With `words`, places of the first piece of each, there is an output for each word (section 5.3) instead of one for each token.
        """
        x = self.bert(tokens, lengths, segments)
        if words is not None:
            x = x.gather(1, words[:, :, None].expand(-1, -1, x.shape[2]))
        logits: Tensor
        if self.per == "masked":
            logits = self.cls.predictions(x, self.bert.embeddings.word_embeddings.weight)
        elif self.per == "span":
            logits = self.qa_outputs(x)
        else:
            logits = self.classifier(self.dropout(x if self.per == "token" else self.pooled(x)))
        return logits

    def pooled(self, x: Hidden) -> Float[Tensor, "batch width"]:
        """One vector a text, tanh(W x_[CLS])."""
        if self.bert.pooler is None:
            raise RecipeError(f"a BERT that gives something per {self.per} has no pooler", where="model.per", remedy="use one per sequence")
        y: Tensor = self.bert.pooler(x)
        return y

    def pretraining(
        self, tokens: Tokens, lengths: Int[Tensor, " batch"] | None, places: Int[Tensor, " masked"]
    ) -> tuple[Float[Tensor, "masked vocabulary"], Float[Tensor, "batch 2"]]:
        """Logits of the words at `places`, numbers of (batch · step) in a row, and of next (0) or another (1) text.

        The vocabulary's matrix is by far the largest: at the masked places alone it is a seventh of the work.
        """
        x = self.bert(tokens, lengths)
        chosen = x.flatten(0, 1).index_select(0, places)
        words: Tensor = self.cls.predictions(chosen, self.bert.embeddings.word_embeddings.weight)
        follows: Tensor = self.cls.seq_relationship(self.pooled(x))
        return words, follows


def published(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights under the names that this model has for them.

    A body alone has no `bert.` before its names; the first files called a norm's scale and shift gamma and beta; numbers of places
    and the vocabulary's matrix, which is the embedding's own, may stand there a second time.
    """
    found = {}
    for name, tensor in tensors.items():
        if name.endswith("position_ids") or name.startswith("cls.predictions.decoder."):
            continue
        name = name.removesuffix(".gamma") + ".weight" if name.endswith(".gamma") else name
        name = name.removesuffix(".beta") + ".bias" if name.endswith(".beta") else name
        found[f"bert.{name}" if name.startswith(_BODY) else name] = tensor
    return found


def described(known: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """The variant and its values that a checkpoint's config.json tells of; None where it is of another family.

    Raises RecipeError for a BERT that computes otherwise than this one.
    """
    if known.get("model_type") != "bert":
        return None
    for key, mine in (("hidden_act", "gelu"), ("position_embedding_type", "absolute"), ("type_vocab_size", 2), ("layer_norm_eps", EPSILON)):
        if known.get(key, mine) != mine:
            what = f"this BERT has {key} = {known[key]!r}, and Sonde's has {mine!r}"
            raise RecipeError(what, where="config.json", remedy="use weights of the original form of BERT")
    values = {name: known[key] for name, key in CONFIG.items() if key in known}
    sizes = ("width", "layers", "heads")
    same = [name for name, config in VARIANTS.items() if all(values.get(size) == getattr(config, size) for size in sizes)]
    return (same or ["bert-base"])[0], values


def _start(module: nn.Module) -> None:
    """First weights: normal of standard deviation 0.02; biases 0."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=SPREAD)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=SPREAD)


def build(config: Config) -> BertNetwork:
    """The model."""
    return BertNetwork(config)
