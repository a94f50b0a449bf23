"""All checks, in their order. Ids are never given to another check: what is gone leaves a gap."""

from typing import Final

from swarm.peer.doctor import (
    clock,
    database,
    directory,
    files,
    holding,
    life,
    listening,
    machine,
    model,
    reach,
    unit,
)
from swarm.peer.doctor.finding import Check, Need, at_once, in_thread

DIRECTORY, CONFIG, KEY, NETWORK = Need.DIRECTORY, Need.CONFIG, Need.KEY, Need.NETWORK

CHECKS: Final = (
    Check(id="D01-data-dir", title="data directory", run=in_thread(directory.check_directory)),
    Check(
        id="D02-persistent",
        title="data outlive a restart",
        run=in_thread(directory.check_persistence),
        needs=(DIRECTORY,),
    ),
    Check(
        id="D03-private",
        title="only its owner can use it",
        run=in_thread(directory.check_modes),
        needs=(DIRECTORY,),
    ),
    Check(
        id="D04-disk-space", title="space on disk", run=in_thread(directory.check_space), needs=(DIRECTORY,)
    ),
    Check(id="D05-inodes", title="files on disk", run=in_thread(directory.check_inodes), needs=(DIRECTORY,)),
    Check(id="D06-settings", title="peer.toml", run=at_once(files.check_settings), needs=(DIRECTORY,)),
    Check(id="D07-key-file", title="key", run=at_once(files.check_key), needs=(DIRECTORY,)),
    Check(id="D08-password", title="password", run=at_once(files.check_password), needs=(DIRECTORY, KEY)),
    Check(id="D09-network", title="network's file", run=at_once(files.check_network), needs=(DIRECTORY,)),
    Check(id="D10-member", title="membership", run=at_once(files.check_member), needs=(KEY, NETWORK)),
    Check(
        id="D11-addresses",
        title="known addresses",
        run=in_thread(files.check_known),
        needs=(CONFIG, KEY, NETWORK),
    ),
    Check(id="D12-lock", title="lock", run=at_once(holding.check_lock), needs=(DIRECTORY,)),
    Check(id="D13-control", title="control socket", run=in_thread(holding.check_socket), needs=(DIRECTORY,)),
    Check(id="D14-database", title="database", run=at_once(database.check_integrity), needs=(DIRECTORY,)),
    Check(id="D15-schema", title="its schema", run=at_once(database.check_schema), needs=(DIRECTORY,)),
    Check(
        id="D16-owner",
        title="whose it is",
        run=at_once(database.check_owner),
        needs=(DIRECTORY, KEY, NETWORK),
    ),
    Check(
        id="D17-sign-mark",
        title="mark of what was signed",
        run=in_thread(database.check_mark),
        needs=(DIRECTORY,),
    ),
    Check(
        id="D18-listen", title="address to listen on", run=in_thread(listening.check_listen), needs=(CONFIG,)
    ),
    Check(
        id="D19-metrics", title="address of metrics", run=in_thread(listening.check_metrics), needs=(CONFIG,)
    ),
    Check(id="D20-advertised-host", title="hosts advertised", run=listening.check_hosts, needs=(CONFIG,)),
    Check(id="D21-reachable", title="reachable", run=reach.check_reachable, needs=(CONFIG, KEY, NETWORK)),
    Check(id="D22-members", title="members answer", run=reach.check_members, needs=(KEY, NETWORK)),
    Check(id="D23-clock", title="clock", run=in_thread(clock.check_clock)),
    Check(id="D24-clock-skew", title="others' clocks", run=in_thread(clock.check_skew), needs=(KEY, NETWORK)),
    Check(
        id="D25-model",
        title="model",
        run=in_thread(model.check_model),
        needs=(CONFIG,),
    ),
    Check(
        id="D26-judge",
        title="judge",
        run=in_thread(model.check_judge),
        needs=(CONFIG,),
    ),
    Check(id="D27-threads", title="threads", run=at_once(machine.check_threads), needs=(CONFIG,)),
    Check(id="D28-memory", title="memory", run=in_thread(machine.check_memory), needs=(CONFIG,)),
    Check(id="D29-open-files", title="open files", run=in_thread(machine.check_files_max), needs=(NETWORK,)),
    Check(id="D30-versions", title="Python and libraries", run=in_thread(machine.check_versions)),
    Check(id="D31-event-log", title="event log", run=at_once(life.check_log), needs=(DIRECTORY,)),
    Check(id="D32-rounds", title="rounds end", run=at_once(life.check_rounds), needs=(DIRECTORY,)),
    Check(id="D33-halted", title="not halted", run=at_once(life.check_halt), needs=(DIRECTORY,)),
    Check(id="D34-penalties", title="penalties", run=at_once(life.check_penalties), needs=(DIRECTORY,)),
    Check(id="D35-systemd", title="systemd", run=in_thread(unit.check_unit)),
)
