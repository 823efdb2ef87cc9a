"""python -m deploy.gateway_health: exits with 0 if the gateway in this container, asked where it listens, says that it
lives. Whether a server answers it is another question: nobody is to end a gateway because its server is away."""

import http.client
import os
import socket
import ssl
import sys

from seq2serve.addresses import Address, parse_target

_VARIABLE = "SEQ2SERVE_GATEWAY_LISTEN"
_DEADLINE_SECONDS = 2


def main() -> None:
    is_encrypted = bool(os.environ.get("SEQ2SERVE_GATEWAY_TLS_CERTIFICATE"))
    try:
        gateway = parse_target(_VARIABLE, os.environ[_VARIABLE])
        connection = http.client.HTTPConnection("localhost", timeout=_DEADLINE_SECONDS)
        connection.sock = connected(gateway, is_encrypted)
        connection.request("GET", "/health")
        answer = connection.getresponse()
    except (OSError, ValueError, http.client.HTTPException) as error:
        sys.exit(f"error: {error!r}")
    if answer.status != http.client.OK:
        sys.exit(f"error: {answer.status} {answer.reason}")


def connected(gateway: Address, is_encrypted: bool) -> socket.socket:
    """A connection to the gateway. Raises OSError."""
    if gateway.path:
        plain = socket.socket(socket.AF_UNIX)
        plain.settimeout(_DEADLINE_SECONDS)
        plain.connect(gateway.path)
    else:
        plain = socket.create_connection((gateway.host, gateway.port), _DEADLINE_SECONDS)
    if not is_encrypted:
        return plain
    context = ssl.create_default_context()
    context.check_hostname = False  # its certificate is for those who call from elsewhere
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(plain)


if __name__ == "__main__":
    main()
