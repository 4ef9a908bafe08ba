"""A program for torchrun: several commands one after the other, by the same processes.

Its argument is a JSON list of [port, command, *arguments]. Every start of torchrun imports PyTorch three times.
"""

import json
import os
import sys
from pathlib import Path

from hinas.command_line import run_command
from stand_ins.commands import COMMANDS

if __name__ == "__main__":
    # The processes meet anew for every command; what torchrun keeps for them knows the first meeting alone.
    os.environ["TORCHELASTIC_USE_AGENT_STORE"] = "False"
    for port, command, *arguments in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        os.environ["MASTER_PORT"] = str(port)
        sys.argv = [command, *arguments]
        try:
            run_command(COMMANDS[command])
        except SystemExit as ended:
            if ended.code:
                raise
