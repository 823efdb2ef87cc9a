"""What a server that is run with everything has around it: versions of a model, a policy, keys and certificates; each
is replaced while the server runs."""

import json
import os
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import grpc
import trustme

from server.bundle.manifest import Bundle
from server.keys.key_file import ADMIN, READ, SCORE, TRANSLATE, Key, digest, new_key, table_of
from server.serving.models.policy import Policy
from tests.versions import write_version

MODEL = "together"

POLICIES = (
    Policy("all", {"stable": "1", "canary": "2"}, {"stable": 3, "canary": 1}),
    Policy(("2", "3"), {"stable": "2", "canary": "3"}, {"stable": 1, "canary": 1}),
    Policy("latest"),
)
"""That follow one another; under the first, all versions are served."""

STANDING, ROTATED, LIMITED, ADMINISTRATOR = "standing", "rotated", "limited", "administrator"
"""Names of keys."""

_MAX_LIMITED_CALLS = 1
_LIMITED_TOKENS_PER_SECOND = 150


class Site:
    """The files of a server, and what its clients need to call it."""

    def __init__(self, folder: Path, bundles: Sequence[Bundle]) -> None:
        """`bundles`: what the versions 1, 2, ... of the model are."""
        self._folder = folder
        self._authority = trustme.CA()
        self.running = folder / "running"
        """A file that is there as long as clients are to call."""
        self.roots = folder / "roots.pem"
        self.roots.write_bytes(self._authority.cert_pem.bytes())
        self.certificate = self.replace_certificate()
        for number, bundle in enumerate(bundles, start=1):
            write_version(bundle, folder / "models", MODEL, str(number))
        self.write_policy(POLICIES[0])
        self._secrets = {name: new_key() for name in (STANDING, ROTATED, LIMITED, ADMINISTRATOR)}
        self.write_keys(self._secrets)
        for name, secret in self._secrets.items():
            self.give(name, secret)

    @property
    def settings(self) -> dict[str, str]:
        """Of the server, by flag."""
        return {
            "model-repository": str(self._folder / "models"),
            "default-model": MODEL,
            "tls-certificate": str(self._folder / "server.pem"),
            "tls-key": str(self._folder / "server.key"),
            "keys": str(self._folder / "keys.toml"),
            # A busy machine is no reason to refuse a call here: what is refused is to be explained.
            "max-delay-milliseconds": "20000",
        }

    def replace_certificate(self) -> bytes:
        """Write a new certificate of the same authority, and its key. Returns it as DER."""
        made = self._authority.issue_cert("localhost", "127.0.0.1")
        self._replace("server.key", made.private_key_pem.bytes())
        self._replace("server.pem", b"".join(blob.bytes() for blob in made.cert_chain_pems))
        self.certificate = ssl.PEM_cert_to_DER_cert(made.cert_chain_pems[0].bytes().decode())
        return self.certificate

    def write_policy(self, policy: Policy) -> None:
        versions = policy.versions if isinstance(policy.versions, str) else list(policy.versions)
        lines = [f"versions = {json.dumps(versions)}", "[labels]"]
        lines += [f"{label} = {json.dumps(version)}" for label, version in policy.labels.items()]
        lines += ["[split]", *(f"{label} = {weight}" for label, weight in policy.split.items())]
        self._replace(f"models/{MODEL}/model.toml", "\n".join(lines).encode())

    def secret(self, name: str) -> str:
        """The key of that name, as whoever calls with it is to use it from now on."""
        return self.secret_file(name).read_text(encoding="utf-8")

    def secret_file(self, name: str) -> Path:
        return self._folder / f"{name}.secret"

    def give(self, name: str, secret: str) -> None:
        """Let those who call with a key use this one from now on."""
        self._replace(f"{name}.secret", secret.encode())

    def write_keys(self, secrets: Mapping[str, str]) -> None:
        """Let the server accept these keys, by name. Keys of one kind have names that begin alike."""
        tables = [table_of(_key(name, secret)) for name, secret in secrets.items()]
        self._replace("keys.toml", "\n".join(tables).encode())
        self._secrets = dict(secrets)

    @property
    def secrets(self) -> Mapping[str, str]:
        """The keys that the server is to accept, by name."""
        return self._secrets

    def credentials(self, secret: str) -> grpc.ChannelCredentials:
        """Of a channel on which every call brings a key."""
        encrypted = grpc.ssl_channel_credentials(self.roots.read_bytes())
        return grpc.composite_channel_credentials(encrypted, grpc.access_token_call_credentials(secret))

    def _replace(self, name: str, content: bytes) -> None:
        """In one step."""
        draft = self._folder / f"{name}.new"
        draft.write_bytes(content)
        os.replace(draft, self._folder / name)


def _key(name: str, secret: str) -> Key:
    """What the server's file says of a key."""
    kind = name.partition("-")[0]
    roles = {LIMITED: {TRANSLATE, READ}, ADMINISTRATOR: {ADMIN}}.get(kind, {TRANSLATE, READ, SCORE})
    key = Key(name=name, sha256=digest(secret), roles=frozenset(roles))
    if kind != LIMITED:
        return key
    return replace(key, max_calls=_MAX_LIMITED_CALLS, source_tokens_per_second=_LIMITED_TOKENS_PER_SECOND)
