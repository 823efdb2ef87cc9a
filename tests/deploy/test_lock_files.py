"""A lock that does not hold what pyproject.toml asks for, or could be exchanged on the way, is found."""

import pytest

from deploy.lock_files import check_lock, check_locks

SHA = "--hash=sha256:" + "0" * 64
LOCK = f"# made\ngrpcio==1.85.3 \\\n    {SHA} \\\n    {SHA}\nnumpy==2.4.6 ; python_full_version < '3.12' {SHA}\n"
WANTED = ["grpcio>=1.85.1,<2", "numpy>=2.2,<3"]


def test_the_locks_as_they_are_have_no_problem() -> None:
    assert list(check_locks()) == []
    assert list(check_lock(LOCK, WANTED)) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("grpcio==1.85.3", "grpcio==1.84.0", "grpcio 1.84.0, pyproject.toml wants <2,>=1.85.1: make lock"),
        ("grpcio==1.85.3", "grpcio>=1.85.3", "grpcio>=1.85.3: no one version"),
        ("numpy", "numpi", "numpy is missing for x86_64: make lock"),
        ("python_full_version < '3.12'", "platform_machine == 'x86_64'", "numpy is missing for aarch64: make lock"),
        (f"'3.12' {SHA}", "'3.12'", 'numpy==2.4.6; python_full_version < "3.12": no hash'),
        ("# made", "--extra-index-url https://example.org", "more than versions and hashes: --extra-index-url"),
        ("grpcio==1.85.3", "grpcio @ https://example.org/grpcio.whl", "more than versions and hashes: grpcio @ https:"),
    ],
)
def test_a_wrong_lock_is_named(old: str, new: str, problem: str) -> None:
    found = list(check_lock(LOCK.replace(old, new), WANTED))
    assert any(each.startswith(problem) for each in found), found
