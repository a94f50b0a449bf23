"""`peerage demo`: two questions with known truth, from question to verified receipt."""

import click


@click.command()
@click.option("--peers", default=5, show_default=True, help="Peers in the swarm, 4 to 31.")
@click.option(
    "--model",
    default="embedded",
    show_default=True,
    help="embedded, scripted, a directory, openai:MODEL@URL or hf:OWNER/NAME; see `peerage models`.",
)
@click.option("--seed", help="Repeats questions, keys and noise.")
def demo(peers: int, model: str, seed: str | None) -> int:
    """Ask two generated questions whose truth is known; show truth, majority and winner side by side."""
    from swarm.cli.demonstration import show_demo

    return show_demo(peers=peers, model=model, seed=seed)
