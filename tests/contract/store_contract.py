"""What every StateStore must do: nothing is lost when two write at once."""

import json
import threading

import pytest

from syncd.core.errors import StateConflict
from syncd.ports import StateStore
from tests.bed.waiting import soon


class StoreContract:
    """Subclasses give the fixture `store`, empty at first."""

    def test_nothing_is_there_at_first(self, store: StateStore) -> None:
        stored = store.load(soon())
        assert (stored.text, stored.version) == (None, None)

    def test_what_was_saved_is_loaded_with_its_version(self, store: StateStore) -> None:
        version = store.save("{}", None, soon())
        stored = store.load(soon())
        assert (stored.text, stored.version) == ("{}", version)

    def test_a_stale_save_writes_nothing(self, store: StateStore) -> None:
        first = store.save('{"n": 1}', None, soon())
        store.save('{"n": 2}', first, soon())
        for stale in (first, None):
            with pytest.raises(StateConflict):
                store.save('{"n": 3}', stale, soon())
        assert store.load(soon()).text == '{"n": 2}'

    def test_two_writers_lose_nothing(self, store: StateStore) -> None:
        store.save("[]", None, soon())

        def write(number: int) -> None:
            for turn in range(10):
                while True:
                    stored = store.load(soon())
                    items = [*json.loads(stored.text or "[]"), [number, turn]]
                    try:
                        store.save(json.dumps(items), stored.version, soon())
                    except StateConflict:
                        continue
                    break

        threads = [threading.Thread(target=write, args=(number,)) for number in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(json.loads(store.load(soon()).text or "")) == 20
