"""The media types of responses, and the choice between them by the Accept header."""

from functools import lru_cache

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"
HTML = "text/html"

_CACHED_HEADERS = 64  # clients send few different ones


@lru_cache(_CACHED_HEADERS)
def preferred(accept: str, offered: tuple[str, ...]) -> str | None:
    """Choose by quality, then specificity, then order in the header (RFC 9110, 12.5.1)."""
    ranges = [_media_range(part) for part in accept.split(",")]

    def rank(offer: str) -> tuple[float, int, int]:
        patterns = ["*/*", offer.partition("/")[0] + "/*", offer]
        matches = [
            (patterns.index(media_range), quality, -position)
            for position, (media_range, quality) in enumerate(ranges)
            if media_range in patterns
        ]
        specificity, quality, position = max(matches, default=(0, 0.0, 0))
        return quality, specificity, position if specificity else 0

    best = max(offered, key=rank)
    return best if rank(best)[0] > 0 else None


def _media_range(part: str) -> tuple[str, float]:
    media_range, *parameters = [piece.strip().lower() for piece in part.split(";")]
    quality = next((p[2:] for p in parameters if p.startswith("q=")), "1")
    try:
        return media_range, float(quality)
    except ValueError:
        return media_range, 0.0
