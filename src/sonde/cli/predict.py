"""`sonde predict RUN FILE…`: predictions for files or rows, as text, a file, or a contest's submission."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from cyclopts import Group, Parameter

from sonde.cli import submission as contest
from sonde.cli.flags import Json, Quiet, many
from sonde.cli.output import Answer, encode, number, say, table
from sonde.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    import polars as pl

    from sonde.run import Run

TEXT = Group("Text", sort_key=1)
PICTURES = Group("Pictures", sort_key=2)
Format = Literal["table", "csv", "json", "jsonl", "parquet"]
SHOWN = 50  # rows that the table shows
NEIGHBOURS = 10  # words that are shown where --next does not say how many


@dataclass(frozen=True)
class Manner:
    """The flags of --text, which sonde.writing.Manner reads: it needs PyTorch, and help is to answer at once."""

    length: int
    temperature: float
    top_k: int
    top_p: float
    beam: int
    seed: int
    stop: tuple[str, ...]


@dataclass(frozen=True)
class Drawn:
    """The flags of pictures: the least score, the folder that pictures go to, and the class that stays sharp there."""

    score: float
    pictures: Path | None
    blur: str | None


def predict(
    run: Annotated[str, Parameter(help="run folder")],
    /,
    *files: Annotated[str, Parameter(help="tables, pictures or folders of the form that the run was trained on")],
    out: Annotated[Path | None, Parameter(help="write here instead of to standard output; the ending names the format")] = None,
    format: Annotated[Format | None, Parameter(help="how predictions are written [default: table, or by --out's ending]")] = None,
    submission: Annotated[Path | None, Parameter(help="a contest's sample file: its ids, order and columns are checked and kept")] = None,
    text: Annotated[tuple[str, ...], many("a text to continue, translate or judge; a word whose neighbours are sought (repeatable)", group=TEXT)] = (),
    length: Annotated[int, Parameter(group=TEXT, help="most tokens that are written")] = 200,
    temperature: Annotated[float, Parameter(group=TEXT, help="0: the likeliest token each time; above: drawn, flatter as it rises")] = 0.0,
    top_k: Annotated[int, Parameter(group=TEXT, help="draw from the k likeliest tokens [default: all]", show_default=False)] = 0,
    top_p: Annotated[float, Parameter(group=TEXT, help="draw from the likeliest tokens that have this much probability together")] = 1.0,
    beam: Annotated[int, Parameter(group=TEXT, help="prefixes kept by a beam search")] = 1,
    seed: Annotated[int, Parameter(group=TEXT, help="same seed, same text")] = 0,
    stop: Annotated[tuple[str, ...], many("end before this (repeatable)", group=TEXT)] = (),
    mix: Annotated[tuple[str, ...], many("language models to average probabilities with: RUN or RUN=0.4 (repeatable)", group=TEXT)] = (),
    next: Annotated[int, Parameter(group=TEXT, help="show so many likeliest next tokens instead of writing, or so many nearest words", show_default=False)] = 0,
    embed: Annotated[Literal["mean", "cls"] | None, Parameter(group=TEXT, help="write a vector of each text: the mean of its tokens', or [CLS]'s")] = None,
    nearest: Annotated[int, Parameter(group=TEXT, help="of vectors, show so many nearest neighbours of each text", show_default=False)] = 0,
    among: Annotated[Path | None, Parameter(group=TEXT, help="a file of vectors that neighbours are sought in [default: the texts themselves]")] = None,
    score: Annotated[float, Parameter(group=PICTURES, help="leave out objects that are less sure than this; 0 gives all")] = 0.3,
    pictures: Annotated[Path | None, Parameter(group=PICTURES, help="write the pictures to this folder, with what was found drawn on them")] = None,
    blur_background: Annotated[str | None, Parameter(group=PICTURES, help="also write pictures in which all but this class is blurred")] = None,
    windows: Annotated[bool, Parameter(group=PICTURES, help="look at pictures larger than the canvas through windows at training's scale")] = True,
    overlap: Annotated[float, Parameter(group=PICTURES, help="share of a window that its neighbour shows again")] = 0.25,
    int8: Annotated[bool, Parameter(negative="", help="of the BERT family: 8-bit whole numbers on the CPU; sonde evaluate --int8 says how far off")] = False,
    device: Annotated[str | None, Parameter(help="cpu, cuda, cuda:1, mps [default: the best there is]")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> Answer:
    """Predict. The name of each row (its id, picture or number) stands beside its prediction, in the order given."""
    if text:
        if files:
            raise UsageError("files and --text were both given", where="sonde predict", remedy="give one of the two")
        return _text_answer(_opened(run, device, int8, mix), text, Manner(length, temperature, top_k, top_p, beam, seed, stop), next, json=json)
    if mix:
        raise UsageError("--mix is for language models that write", where="--mix", remedy=f'give a text: sonde predict {run} --mix {mix[0]} --text "…"')
    if not files:
        raise UsageError("there is nothing to predict", where="sonde predict", remedy=f"name files or folders: sonde predict {run} new.csv")
    if embed is not None or nearest or among is not None:
        return _vectors(_opened(run, device, int8), files, embed or "mean", nearest, among, out, json=json)
    kind = _format(out, format, submission)
    sample = None if submission is None else contest.read(submission)

    loaded = _opened(run, device, int8)
    if loaded.description["kind"] == "boxes":
        return _objects(loaded, files, Drawn(score, pictures, blur_background), out, kind, sample is not None, json=json, quiet=quiet)
    if loaded.description["kind"] == "masks":
        from sonde.cli.segmenting import segmented

        rows, drawn = segmented(loaded, files, pictures=pictures, blur=blur_background, windows=windows, overlap=overlap)
        if drawn:
            say(f"{number(len(drawn))} pictures in {pictures}", quiet=quiet)
    else:
        if pictures is not None or blur_background is not None:
            flag = "--pictures" if pictures is not None else "--blur-background"
            remedy = "leave it out: it is for runs that find objects or name pixels"
            raise UsageError("this run finds nothing that could be drawn on pictures", where=flag, remedy=remedy)
        rows = _predict(loaded, files)
    for note in [message for each in loaded.folds or [loaded] for message in each.said]:
        say(f"note: {note}", quiet=quiet)
    if sample is not None:
        assert submission is not None
        named = "image" if loaded.description["kind"] == "images" else loaded.recipe.data.id
        rows = contest.fill(sample, rows, where=submission, id_column=named, targets=loaded.target.columns)
    document = {"run": run, "rows": rows.height, "columns": rows.columns}
    if out is not None:
        _write(rows, out, kind)
        said = f"{number(rows.height)} predictions in {out}"
        return Answer({**document, "out": str(out)}, said, json=json)
    if kind == "table" and rows.height > SHOWN and not json:
        say(f"the first {SHOWN} of {number(rows.height)} rows; --out FILE or --format csv gives all", quiet=quiet)
    return Answer({**document, "predictions": rows.to_dicts() if json else None}, "" if json else _text(rows, kind), json=json)


def _opened(path: str, device: str | None, int8: bool, mix: tuple[str, ...] = ()) -> Run:
    """The run where it is to compute, and in which numbers; or several as one."""
    from sonde.run import Run

    loaded = Run.load(path).to("cpu" if int8 and device is None else device)
    loaded = loaded.to_int8() if int8 else loaded
    if not mix:
        return loaded
    from sonde.mixture import mixed, opened

    return mixed(*opened(loaded, mix, device))[0]


def _vectors(
    run: Run, files: tuple[str, ...], pooling: Literal["mean", "cls"], nearest: int, among: Path | None, out: Path | None, *, json: bool
) -> Answer:
    from sonde.cli.embedding import Asked, embedded

    return embedded(run, files, Asked(pooling, nearest, among), out, json=json)


def _objects(
    run: Run, files: tuple[str, ...], drawn: Drawn, out: Path | None, kind: Format, contest: bool, *, json: bool, quiet: bool
) -> Answer:
    """The objects in pictures: rows; with --json a document that is also a file of COCO's, with --out results.json its list of results."""
    import polars as pl

    from sonde.cli.detecting import detected, document
    from sonde.detections import CORNERS, coco_results

    if contest:
        remedy = "--out results.json writes COCO's results, --out boxes.csv a row an object"
        raise UsageError("a submission has a row an example, and this run finds objects", where="--submission", remedy=remedy)
    rows = detected(run, files, score=drawn.score, pictures=drawn.pictures, blur=drawn.blur)
    for note in [message for each in run.folds or [run] for message in each.said]:
        say(f"note: {note}", quiet=quiet)
    classes = [str(name) for name in run.target.values["classes"]]
    many = number(rows["label"].count()), number(rows["picture"].n_unique())
    if drawn.pictures is not None:
        say(f"{many[1]} pictures in {drawn.pictures}", quiet=quiet)
    whole = {"run": str(run.path), "rows": rows["label"].count(), **document(rows, classes)}
    plain = rows.drop("picture", "width", "height").with_columns(pl.col(*CORNERS).round(2), pl.col("score").round(5))
    if out is not None:
        if kind == "json":
            written(out, encode(coco_results(rows, classes)))
        else:
            _write(plain, out, kind)
        ends = ["" if many_of == "1" else "s" for many_of in many]
        return Answer({**whole, "out": str(out)}, f"{many[0]} object{ends[0]} of {many[1]} picture{ends[1]} in {out}", json=json)
    if kind == "table" and rows.height > SHOWN and not json:
        say(f"the first {SHOWN} of {number(rows.height)} rows; --out FILE or --format csv gives all", quiet=quiet)
    shown = plain.drop("outline", strict=False).with_columns(pl.col(*CORNERS).round().cast(pl.Int64)) if kind == "table" else plain
    text = "" if json else encode(coco_results(rows, classes)) if kind == "json" else _text(shown, kind)
    return Answer(whole, text, json=json)


def _text_answer(run: Run, texts: tuple[str, ...], manner: Manner, next: int, *, json: bool) -> Answer:
    """What a run makes of texts: a language model goes on (to the terminal as it writes), a translator translates, others judge."""
    from sonde import writing
    from sonde.nn.sequence import blank_filler

    path, task = str(run.path), run.description["task"]["name"]
    how = writing.Manner(**vars(manner))
    if task == "word-vectors":
        return _neighbours(run, texts, next or NEIGHBOURS, json=json)
    if task == "masked-language-modelling" or (task == "language-modelling" and blank_filler(run.model) is not None):
        whole = [(writing.filled if task == "language-modelling" else writing.unmasked)(run, text) for text in texts]
        blanks = [{"text": each.text, "filled": each.filled, "probabilities": list(each.probabilities)} for each in whole]
        return Answer({"run": path, "texts": blanks}, "\n".join(each.filled for each in whole), json=json)
    if task == "language-modelling" and next:
        found = {text: writing.next_tokens(run, text, next) for text in texts}
        likely = [(text, repr(piece), p) for text, pieces in found.items() for piece, p in pieces]
        tokens = [{"text": text, "next": [{"token": piece, "probability": p} for piece, p in pieces]} for text, pieces in found.items()]
        return Answer({"run": path, "texts": tokens}, table(likely, ("after", "token", "probability")), json=json)
    if task == "language-modelling":
        written = []
        for text in texts:
            pieces = writing.continued(run, text, how)
            written.append({"text": text, "continued": writing.whole(pieces if json else _shown(text, pieces))})
        return Answer({"run": path, "texts": written}, "", json=json)
    if task == "translation":
        done = writing.translated(run, texts, how)
        pairs = [{"text": text, "translation": translation} for text, translation in zip(texts, done, strict=True)]
        return Answer({"run": path, "texts": pairs}, "\n".join(done), json=json)
    if task == "tagging":
        return _tags(run, texts, json=json)
    rows = run.predict(_frame(run, texts))
    return Answer({"run": path, "texts": rows.to_dicts()}, table(rows.rows(), rows.columns), json=json)


def _tags(run: Run, texts: tuple[str, ...], *, json: bool) -> Answer:
    """The words of texts, each with its tag; of words past the cut nothing is told. Raises UsageError for a text without a word."""
    import polars as pl

    from sonde.data.readers.as_kind import tokens_of

    words = [tokens_of(text) for text in texts]
    if not all(words):
        raise UsageError(f"there is no word in {texts[words.index([])]!r}", where="--text", remedy="give it a text with letters, digits or marks")
    told = run.predict(pl.DataFrame({"text": list(texts)}))["prediction"].to_list()
    rows = [(word, tag) for some, tags in zip(words, told, strict=True) for word, tag in zip_longest(some, tags.split(" "), fillvalue="")]
    found = [{"text": text, "words": some, "tags": tags.split(" ")} for text, some, tags in zip(texts, words, told, strict=True)]
    return Answer({"run": str(run.path), "texts": found}, table(rows, ("word", "tag")), json=json)


def _neighbours(run: Run, texts: tuple[str, ...], count: int, *, json: bool) -> Answer:
    """The words nearest to words, or to sums and differences of them."""
    from sonde.word_vectors import word_vectors

    vectors = word_vectors(run)
    found = {text: vectors.neighbours(text, count) for text in texts}
    rows = [(text, word, cosine) for text, words in found.items() for word, cosine in words]
    told = [{"text": text, "neighbours": [{"word": word, "cosine": cosine} for word, cosine in words]} for text, words in found.items()]
    return Answer({"run": str(run.path), "texts": told}, table(rows, ("near", "word", "cosine")), json=json)


def _shown(prompt: str, pieces: Iterator[str]) -> Iterator[str]:
    """The pieces, each printed as it comes."""
    print(prompt, end="", flush=True)
    for piece in pieces:
        print(piece, end="", flush=True)
        yield piece
    print(flush=True)


def _frame(run: Run, texts: tuple[str, ...]) -> pl.DataFrame:
    """Texts as the rows of the column that the run reads. Raises UsageError where it reads none."""
    import polars as pl

    from sonde.data.prepare.bert import BertPreparation

    prep = run.preparation
    columns = (prep.column,) if hasattr(prep, "column") else prep.columns if isinstance(prep, BertPreparation) else ()
    if len(columns) != 1:
        read = f"{', '.join(map(repr, columns))} of each row" if columns else f"{run.description['kind']}, no text"
        raise UsageError(f"this run reads {read}", where="--text", remedy=f"give it a file: sonde predict {run.path} FILE")
    return pl.DataFrame({columns[0]: list(texts)})


def _format(out: Path | None, given: Format | None, submission: Path | None) -> Format:
    """The format of the output. Raises UsageError where flags and ending do not go together."""
    if out is None:
        if given == "parquet":
            raise UsageError("Parquet is not text for a terminal", where="--format", remedy="name a file: --out predictions.parquet")
        return given or ("csv" if submission is not None else "table")
    ending = out.suffix.lower().removeprefix(".")
    if given is not None:
        return given
    if ending not in get_args(Format):
        near = did_you_mean(ending, get_args(Format)[1:])
        raise UsageError(f"the ending of {out.name!r} names no format", where="--out", remedy=f"{near}; or say it: --format csv")
    kind: Format = ending  # type: ignore[assignment]
    return kind


def _predict(run: Run, files: tuple[str, ...]) -> pl.DataFrame:
    """Predictions of all files in order: pictures together, tables one after the other with their file's name."""
    if len(files) == 1:
        return run.predict(files[0])
    if run.description["kind"] == "images" and all(Path(file).is_file() for file in files):
        return run.predict(list(files))
    import polars as pl

    return pl.concat([run.predict(file).insert_column(0, pl.lit(file).alias("file")) for file in files], how="diagonal_relaxed")


def _text(rows: pl.DataFrame, kind: Format) -> str:
    if kind == "csv":
        return rows.write_csv()
    if kind == "json":
        return encode(rows.to_dicts())
    if kind == "jsonl":
        return _lines(rows)
    return table(rows.head(SHOWN).rows(), rows.columns)


def _lines(rows: pl.DataFrame) -> str:
    return "".join(encode(row, indent=None) + "\n" for row in rows.iter_rows(named=True))


def _write(rows: pl.DataFrame, out: Path, kind: Format) -> None:
    """The rows in a file of this kind."""
    written(out, rows.write_parquet if kind == "parquet" else _all(rows, kind))


def written(out: Path, content: str | Callable[[Path], object]) -> None:
    """Write beside and rename, so that a file is there whole or not at all. `content` is text, or writes to the path that it is given."""
    if out.is_dir() or not out.parent.is_dir():
        what = "this is a folder" if out.is_dir() else "there is no such folder"
        raise UsageError(what, where=str(out if out.is_dir() else out.parent), remedy="name a file in a folder that exists")
    beside = out.with_name(f".{out.name}.part")
    try:
        if isinstance(content, str):
            beside.write_text(content, encoding="utf-8")
        else:
            content(beside)
        beside.replace(out)
    finally:
        beside.unlink(missing_ok=True)


def _all(rows: pl.DataFrame, kind: Format) -> str:
    return table(rows.rows(), rows.columns) + "\n" if kind == "table" else _text(rows, kind)
