"""`python -m tools.bench.openings_only serve`: the service, whose audio cache takes in recorded openings and no other
clause, as if no two replies were the same.
"""

from __future__ import annotations

from agent.cli.main import main
from agent.providers.audio_cache import AudioCache, Key
from agent.providers.openings import OPENINGS


def keep_openings_only(cache: type[AudioCache]) -> None:
    """From now on these caches take in recorded openings and no other clause."""
    put = cache.put

    def put_openings(self: AudioCache, key: Key, pcm: bytes) -> None:
        if key[-1] in OPENINGS["en"]:
            put(self, key, pcm)

    cache.put = put_openings


if __name__ == "__main__":
    keep_openings_only(AudioCache)
    main()
