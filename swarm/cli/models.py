"""`peerage models`: which models are there, fetching them, and what they can do."""

import json
from typing import TYPE_CHECKING

import click
import msgspec

from models.catalog import CatalogEntry, get_model_info, list_models, pull_model
from swarm.cli.calibrate import calibrate
from swarm.cli.render import clean_terminal, echo_note, render_table

if TYPE_CHECKING:
    from swarm.edge.calibrations import Calibration

MODELS_SCHEMA = "peerage.models/1"
JSON_FLAG = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")

Value = str | bool | int | None | dict[str, str]


@click.group()
def models() -> None:
    """List, fetch and describe models.

    Besides the names that `list` shows, NAME may be openai:MODEL@BASE_URL for a model behind a server that
    speaks the OpenAI format (vLLM, llama.cpp, Ollama, hosted ones; the key, if it wants one, comes from
    PEERAGE_OPENAI_API_KEY only), or hf:OWNER/NAME[@REVISION] for one of the Hugging Face hub.
    """


models.add_command(calibrate)


@models.command("list")
@JSON_FLAG
def list_command(as_json: bool) -> None:
    """List the models that can be named with --model."""
    entries = list_models()
    if as_json:
        click.echo(json.dumps({"schema": MODELS_SCHEMA, "models": [_to_json(entry) for entry in entries]}))
        return
    rows = [["name", "ready", "what it is"]]
    rows += [[entry.name, _say(entry.is_ready), entry.summary] for entry in entries]
    click.echo(render_table(rows))


@models.command()
@click.argument("name")
@JSON_FLAG
def pull(name: str, as_json: bool) -> None:
    """Fetch and verify a model; of the hub, what its revision means now."""
    entry = pull_model(name, echo_note)
    click.echo(json.dumps(_to_json(entry)) if as_json else f"{clean_terminal(entry.name)} is ready")


@models.command()
@click.argument("name")
@JSON_FLAG
def info(name: str, as_json: bool) -> None:
    """Describe a model, and what it supports; a server is asked."""
    entry = get_model_info(name, echo_note)
    calibration = _read_calibration(entry)
    if as_json:
        decoded = None if calibration is None else json.loads(msgspec.json.encode(calibration))
        click.echo(json.dumps({**_to_json(entry), "calibration": decoded}))
        return
    rows = [(key, value) for key, value in _to_json(entry).items() if not isinstance(value, dict)]
    rows += list(entry.details.items())
    rows += _describe_calibration(calibration)
    click.echo(render_table([[key, _say(value)] for key, value in rows]))


def _read_calibration(entry: CatalogEntry) -> "Calibration | None":
    """Return what was measured of a model; None also where it is not known yet which weights it has."""
    from swarm.edge.calibrations import read_calibration

    return read_calibration(bytes.fromhex(entry.digest)) if entry.digest else None


def _describe_calibration(found: "Calibration | None") -> list[tuple[str, str]]:
    if found is None:
        return [("calibration", "")]
    from swarm.edge.calibrations import describe_choice

    rows = [
        ("calibration", f"{found.questions} questions of {found.tasks}: {describe_choice(found)}"),
        ("one answer right", f"{found.single.value:.2f} [{found.single.low:.2f}, {found.single.high:.2f}]"),
    ]
    return rows + [
        (f"pairs by {judge.strategy}", f"{share.value:.2f} [{share.low:.2f}, {share.high:.2f}]")
        for judge in found.strategies
        if (share := judge.pair_accuracy) is not None
    ]


def _say(value: str | bool | int | None) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case None | "" | 0:
            return "-"
        case _:
            return clean_terminal(str(value))


def _to_json(entry: CatalogEntry) -> dict[str, Value]:
    return {
        "schema": MODELS_SCHEMA,
        "name": entry.name,
        "ready": entry.is_ready,
        "summary": entry.summary,
        "directory": str(entry.directory) if entry.directory else None,
        "digest": entry.digest,
        "digest_is_declared": entry.is_digest_declared,
        "family": entry.family,
        "parameters": entry.parameters,
        "context_tokens": entry.context_tokens,
        "licence": entry.licence,
        "download_bytes": entry.download_bytes,
        "replayable_sampling": entry.has_replayable_sampling,
        "prompt_logprobs": entry.has_logprobs,
        "choices": entry.has_choices,
        "details": dict(entry.details),
    }
