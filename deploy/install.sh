#!/bin/sh
# Makes an image's virtual environment of a lock file (make lock): the versions that it names, as wheels whose hash it has,
# and nothing of this repository.
#
# sh install.sh FOLDER LOCK
set -eu

python -m venv --without-pip "$1"
python -m pip --python "$1" install --no-cache-dir --disable-pip-version-check \
    --require-hashes --only-binary :all: --requirement "$2"
