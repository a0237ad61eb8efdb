"""`m4m export-onnx`: a checkpoint as a model folder that runs without torch."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from m4mcli.errors import M4mError
from m4mcli.options import Invocation, Quiet, Verbose

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLES = (
    "m4m export-onnx run/checkpoint.safetensors -o models/mine",
    "m4m export-onnx run/checkpoint.safetensors --pack lead --card card.md -o models/mine",
)
SHOWS_PROGRESS = True
MEGABYTE = 1 << 20

CheckpointFile = Annotated[
    str,
    typer.Argument(
        metavar="CHECKPOINT", show_default=False, help="A checkpoint of m4m train, or a folder of weight shards."
    ),
]
OutFolder = Annotated[
    str, typer.Option("-o", "--output", metavar="DIR", show_default=False, help="The model folder to write.")
]
PackFolder = Annotated[
    str | None,
    typer.Option(
        "--pack",
        metavar="DIR",
        show_default=False,
        help="Verify on validation windows of a pack, not on a built-in tune.",
    ),
]
CardFile = Annotated[
    str | None, typer.Option("--card", metavar="FILE", show_default=False, help="The model's card, put beside it.")
]
RecipeFile = Annotated[
    str | None,
    typer.Option(
        "--recipe", metavar="FILE", show_default=False, help="Put this recipe beside it, not the checkpoint's own."
    ),
]
AdapterFiles = Annotated[
    list[str] | None,
    typer.Option(
        "--adapter", metavar="FILE", show_default=False, help="Add an adapter trained on this network; repeatable."
    ),
]
AdapterInputs = Annotated[
    bool, typer.Option("--adapter-inputs", help="Let the graphs take adapters, also if none is added now.")
]
Shards = Annotated[
    float | None,
    typer.Option(
        "--shards",
        min=1,
        metavar="MB",
        show_default=False,
        help="Add the weights for torch, in half precision, in files of at most so many MB.",
    ),
]
AsFigures = Annotated[bool, typer.Option("--json", help="Print what was measured as JSON.")]


def export_onnx(
    checkpoint: CheckpointFile,
    output: OutFolder,
    pack: PackFolder = None,
    card: CardFile = None,
    recipe: RecipeFile = None,
    adapter: AdapterFiles = None,
    adapter_inputs: AdapterInputs = False,
    shards: Shards = None,
    as_json: AsFigures = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Turn a checkpoint into a model folder of ONNX graphs in 8 bits.

    What is exported is compared with torch on real music: in full precision it must give the same logits and the same
    notes, in 8 bits nearly the same probabilities. A model that fails is not written.
    """
    run = Invocation("export-onnx", quiet=quiet, verbose=verbose)

    from pathlib import Path

    source, texts = Path(checkpoint), [_readable(name) for name in (card, recipe)]
    if not source.exists():
        raise M4mError(f"{source}: no such checkpoint", "m4m train makes one")

    from m4mcli.progress import shown
    from m4mcli.training.export import export_model, require_place, subject_of

    require_place(Path(output))
    given = None if pack is None else Path(pack)
    if given is not None and not given.is_dir():
        raise M4mError(f"{given}: not a pack", "make one with m4m dataset build")
    # With -v torch tells what it does.
    with shown("exporting", quiet or verbose):
        subject = subject_of(source, given, tuple(map(Path, adapter or ())), adapter_inputs)
        measured = export_model(
            subject,
            Path(output),
            card="" if texts[0] is None else texts[0].read_text(encoding="utf-8"),
            recipe=texts[1],
            shard_bytes=round((shards or 0) * MEGABYTE),
            quiet=not verbose,
        )
    run.write(json.dumps(measured, indent=1) + "\n" if as_json else "\n".join(_lines(measured)) + "\n")


def _readable(name: str | None) -> "Path | None":
    """A text file given by name. Raises OSError where it cannot be read: before the work, not after it."""
    from pathlib import Path

    if name is None:
        return None
    path = Path(name)
    try:
        path.read_text(encoding="utf-8")
    except UnicodeDecodeError as e:
        raise M4mError(f"{path}: not a text file", "a card and a recipe are UTF-8 text") from e
    return path


def _lines(measured: dict[str, Any]) -> list[str]:
    """What was measured, for reading."""
    out = []
    for bits in ("32 bit", "8 bit"):
        found = measured[bits]
        for name, m in ({"": found} | found.get("adapters", {})).items():
            who = f"{bits}, adapter {name}" if name else bits
            notes = ", same notes as torch" if bits == "32 bit" else ""
            out.append(
                f"{who}: {m['decisions']} decisions of {measured['pieces']} pieces, largest difference of a logit "
                f"{m['largest_logit_difference']:.2g}, {m['kl_nats']:.2g} nats a decision{notes}"
            )
    return out
