"""A process in an image's file system, held as docker-compose.yml holds it: read-only, as the image's user, without any
capability. A chroot in namespaces of its own (mounts, processes) does it, where no container runtime is; the network is
the host's."""

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from deploy.image_store import Image

_ENTER = """\
set -e
mount --bind "$ROOT" "$ROOT"
mount -o remount,bind,ro "$ROOT"
mount -t proc proc "$ROOT/proc"
mount --rbind /dev "$ROOT/dev"
for folder in $WRITABLE; do mount -t tmpfs tmpfs "$ROOT$folder"; done
exec chroot "$ROOT" "$@"
"""


def jailed(image: Image, command: Sequence[str], settings: dict[str, str], writable: Sequence[str] = ()) -> list[str]:
    """The command line, for root, that runs `command` in the image, with `settings` beside the image's own, and
    folders that are `writable`, in memory."""
    user = image.config["User"]
    environment = [f"{name}={value}" for name, value in (image.environment | settings).items()]
    drop = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--bounding-set=-all", "--no-new-privs"]
    inside = [*drop, "env", "--ignore-environment", f"--chdir={image.config['WorkingDir']}", *environment, *command]
    enter = f"ROOT={shlex.quote(str(image.root))}\nWRITABLE={shlex.quote(' '.join(writable))}\n{_ENTER}"
    # Whatever is in the namespace ends with unshare.
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", enter, "sh", *inside]


def run_jailed(
    image: Image, command: Sequence[str], settings: dict[str, str], writable: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        jailed(image, command, settings, writable), capture_output=True, text=True, timeout=60, check=False, cwd="/"
    )


def first_process(unshare: int) -> int:
    """The process that unshare has started, as the host numbers it; its namespace knows it as 1."""
    return int(Path(f"/proc/{unshare}/task/{unshare}/children").read_text(encoding="utf-8").split()[0])
