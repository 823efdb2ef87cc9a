"""The API of LibreTranslate 1.9.6, but for suggestions."""
