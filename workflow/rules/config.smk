# Config file -> runs. A mistake of the user's ends the planning with one line.

import sys
from pathlib import Path

# the folder of this workflow, also where another one uses it as a module
PROJECT = Path(str(workflow.current_basedir)).parents[1]
if PROJECT.is_dir():
    sys.path.insert(0, str(PROJECT))

from gradiend.config import load_runs, require_writable, unwritable
from gradiend.config_files import read_config_file
from gradiend.errors import GradiendError

GIVEN = workflow.config_settings.configfiles
CONFIG_FILES = [Path(file) for file in GIVEN or [f"{PROJECT}/config.yaml"]]
ORIGIN = ", ".join(file.name for file in CONFIG_FILES)


def user_error(function, *arguments, origin="", **keywords):
    """The function's result; a mistake is printed as it is, for Snakemake would put its own place in the code before it."""
    try:
        return function(*arguments, **keywords)
    except GradiendError as error:
        sys.exit(f"{origin}{error}")


if unwritable("."):
    sys.exit(f"{unwritable('.')}: Snakemake keeps in the working directory what it remembers")

for file in CONFIG_FILES:
    user_error(read_config_file, file)

# A file given by --configfile stands alone: it inherits nothing from the default experiment.
if not GIVEN:

    configfile: f"{PROJECT}/config.yaml"


RUNS = user_error(load_runs, config, ORIGIN)
