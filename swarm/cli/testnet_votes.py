"""`peerage testnet votes`: every schedule of four seats' votes, searched."""

import click

VOTES_SCHEMA = "peerage.testnet.votes/1"
RULES = ("lock", "proof", "fresh-proof", "equal-votes", "never-another", "one-vote", "current-view")


@click.command()
@click.option("--bad", default=1, show_default=True, type=click.IntRange(0, 2), help="Bad seats of the four.")
@click.option("--views", default=2, show_default=True, type=click.IntRange(1, 5), help="Views searched.")
@click.option("--without", "removed", multiple=True, type=click.Choice(RULES), help="Leave a rule out.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def votes(bad: int, views: int, removed: tuple[str, ...], as_json: bool) -> int:
    """Search every schedule of four seats' votes for a fork, and for an honest seat made to look guilty.

    A model of rules 5 and 6, bounded to two values and so many views; docs/adr/0013 says what it leaves out.

    Exit codes: 0 neither was found; 20 one was.
    """
    import json

    from sim_net.votes import VotingRule, explore_votes
    from swarm.cli.exits import Exit

    found = explore_votes(bad=bad, views=views, removed=[VotingRule(name) for name in removed])
    schedules = {"fork": found.fork, "slashable": found.slashable, "unaccounted": found.unaccounted}
    if as_json:
        told = {name: str(one) if one is not None else None for name, one in schedules.items()}
        summary = {"schema": VOTES_SCHEMA, "bad": bad, "views": views, "removed": removed}
        click.echo(json.dumps(summary | {"states": found.states} | told))
    else:
        for name in removed:
            click.echo(f"left out: {VotingRule(name).description}")
        click.echo(f"{found.states} states, {bad} bad of 4 seats, {views} views")
        for name, one in schedules.items():
            click.echo(f"{name}: none" if one is None else f"{name}:")
            for line in str(one).splitlines() if one is not None else ():
                click.echo(f"  {line}")
    return Exit.OK if not any(schedules.values()) else Exit.SAFETY
