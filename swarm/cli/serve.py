"""`peerage serve`: a standing swarm, or a network, behind OpenAI's interface."""

import click

from models.prompts import DEFAULT_MAX_TOKENS, DEFAULT_TEMPERATURE_MILLI


@click.command()
@click.option(
    "--local",
    "--peers",
    "peers",
    default=5,
    show_default=True,
    help="Peers in the swarm, 4 to 31; of a network, the seats.",
)
@click.option(
    "--network",
    metavar="FILE",
    help="Stand before the network in FILE instead of a swarm of this machine's.",
)
@click.option(
    "--model",
    default="embedded",
    show_default=True,
    help="embedded, scripted, a directory, openai:MODEL@URL or hf:OWNER/NAME; see `peerage models`.",
)
@click.option("--judge", default="auto", show_default=True, help="How peers judge; see `peerage ask --help`.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=8_080,
    show_default=True,
    type=click.IntRange(0, 65_535),
    help="Port; 0 takes a free one.",
)
@click.option(
    "--api-key",
    envvar=["PEERAGE_API_KEY", "PEERAGE_SERVE_API_KEY"],
    help="The owner's key; better set as PEERAGE_API_KEY. By default one is made and kept.",
)
@click.option(
    "--allow-host", multiple=True, help="A name by which clients call this server; may be repeated."
)
@click.option(
    "--allow-origin", multiple=True, help="A site whose pages may ask, scheme://host:port; may be repeated."
)
@click.option(
    "--max-concurrent", default=2, show_default=True, type=click.IntRange(1, 16), help="Rounds at once."
)
@click.option(
    "--max-waiting", default=16, show_default=True, type=click.IntRange(0, 1_024), help="Rounds queued."
)
@click.option("--deadline", type=float, help="Seconds a round may take; measured by default, at least 60.")
@click.option(
    "--max-tokens",
    default=DEFAULT_MAX_TOKENS,
    show_default=True,
    help="Longest answer where none is asked for.",
)
@click.option(
    "--temperature",
    default=DEFAULT_TEMPERATURE_MILLI / 1_000,
    show_default=True,
    help="Sampling temperature where none is asked for.",
)
@click.option("--seed", help="Repeatable keys and seats. Such keys protect nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object once it is up.")
def serve(
    peers: int,
    network: str | None,
    model: str,
    judge: str,
    host: str,
    port: int,
    api_key: str | None,
    allow_host: tuple[str, ...],
    allow_origin: tuple[str, ...],
    max_concurrent: int,
    max_waiting: int,
    deadline: float | None,
    max_tokens: int,
    temperature: float,
    seed: str | None,
    as_json: bool,
) -> int:
    """Serve a standing swarm, or a network, to any client of OpenAI's, until interrupted.

    The first lines on stdout say where it is and with which key; what else there is to say goes to stderr.
    """
    from swarm.cli.standing import choose_swarm, run_server
    from swarm.edge.ask_options import AskOptions, compute_temperature_milli
    from swarm.gateway.allowed import read_hosts, read_origins
    from swarm.gateway.limits import GatewayLimits
    from swarm.gateway.serving import ServeOptions

    options = AskOptions(
        peers=peers,
        model=model,
        judge=judge,
        seed=seed,
        deadline_s=deadline,
        tokens_max=max_tokens,
        temperature_milli=compute_temperature_milli(temperature),
        rounds_at_once=max_concurrent,
    )
    limits = GatewayLimits(rounds_at_once=max_concurrent, waiting_max=max_waiting)
    how = ServeOptions(
        open_swarm=choose_swarm(options, network, limits),
        host=host,
        port=port,
        api_key=api_key,
        hosts=read_hosts(allow_host),
        origins=read_origins(allow_origin),
        limits=limits,
    )
    return run_server(how, as_json=as_json)
