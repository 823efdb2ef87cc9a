#!/bin/sh
# Makes an image's virtual environment: the dependencies that pyproject.toml lists, with those of the extras named,
# and nothing of this repository. Reads pyproject.toml in the current folder.
#
# sh install.sh FOLDER [EXTRA ...]
set -eu

folder=$1
shift
python -m venv --without-pip "$folder"
python - "$@" > "$folder/requirements.txt" <<'END'
import sys
import tomllib

with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)["project"]
extras = project["optional-dependencies"]
print(*project["dependencies"], *(line for extra in sys.argv[1:] for line in extras[extra]), sep="\n")
END
python -m pip --python "$folder" install --no-cache-dir --disable-pip-version-check --requirement "$folder/requirements.txt"
