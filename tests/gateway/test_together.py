"""One command for a server and the gateway before it."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import requests

from tests.e2e.processes import DEFAULT_MODEL, ROOT, children, is_running
from tests.fakes import PATIENCE
from tests.integration.shipped import one_model


def test_one_command_starts_both_and_ctrl_c_ends_both(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gateway.together", "--listen=127.0.0.1:0", "--metrics-listen="]
    models = {"SEQ2SERVE_MODEL_REPOSITORY": str(one_model(tmp_path)), "SEQ2SERVE_DEFAULT_MODEL": DEFAULT_MODEL}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=ROOT, env=os.environ | models, text=True, stdout=pipe, stderr=pipe, start_new_session=True
    ) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            match = re.fullmatch(r"serving on (.+)\n", line)
            assert match, line
            url = match[1]
            assert "<title>" in requests.get(url, timeout=PATIENCE).text
            body = {"q": "A dog sleeps.", "source": "en", "target": "fr"}
            answer = requests.post(f"{url}translate", json=body, timeout=PATIENCE)
            assert answer.status_code == 200
            assert answer.json()["translatedText"]
            [server] = children(process.pid)
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 0
            assert not is_running(server)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
