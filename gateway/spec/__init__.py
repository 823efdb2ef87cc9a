"""What the gateway says of its own APIs: an OpenAPI document, and a page that shows it."""
