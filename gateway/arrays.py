"""How long an array may be: one array is one request to the server, and has as many texts as that may have."""

from gateway.fields import wrong
from seq2serve import AsyncClient


async def check_length(client: AsyncClient, field: str, length: int) -> None:
    """Raises HTTPException where the field has more than the server takes in a request. A caller whose key may not ask
    for limits is told by the server."""
    if length > 1 and length > (most := await client.max_contents()):
        raise wrong(field, f"1 to {most} expected, got {length}")
