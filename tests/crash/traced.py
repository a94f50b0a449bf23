"""`python -m tests.crash.traced REPORT`: a peer's process, traced and perhaps killed, on our own streams.

REPORT is a pickle of the directory that is watched and the strike; a pickle of the trace takes its place.
"""

import pickle
import sys
from pathlib import Path

from tests.crash.tracer import trace_command


def main() -> None:
    report = Path(sys.argv[1])
    directory, strike = pickle.loads(report.read_bytes())
    trace = trace_command([sys.executable, "-m", "swarm.edge.peer_process"], directory, strike)
    report.write_bytes(pickle.dumps(trace))


if __name__ == "__main__":
    main()
