"""Which keys a place of the configuration knows, and which of them was meant by one that it does not know."""

import re
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel

from syncd.config.base import Place

_SECRET = re.compile("pass|secret|key|credential|token", re.IGNORECASE)
_FILE = "_file"


def looks_secret(key: str) -> bool:
    """Whether a key's value may be a secret, and must not be shown."""
    return bool(_SECRET.search(key))


def kinds_at(root: type[BaseModel], place: Place) -> list[str]:
    """The kinds that may be chosen from at a place, given as pydantic gives it: with the kinds already chosen."""
    return [kind for model in _models_at(root, place) for kind in _kinds(model)]


def advice(root: type[BaseModel], place: Place) -> str:
    """What to say about an unknown key, the last of a place."""
    *where, key = place
    known = [name for model in _models_at(root, tuple(where)) for name in model.model_fields]
    files = {name.removesuffix(_FILE): name for name in known if name.endswith(_FILE) and looks_secret(name)}
    said = str(key).lower()
    if looks_secret(said) and not said.endswith(_FILE) and files:
        meant = get_close_matches(said, files, 1) or list(files)
        return f"secrets are files, never values: use {' or '.join(files[name] for name in meant)}"
    if near := get_close_matches(said, known, 1):
        return f"there is no such key here; is {near[0]} meant?"
    never = ", and secrets are files, never values" if looks_secret(said) else ""
    return f"there is no such key here{never}; `syncd config schema` describes those that there are"


def _models_at(root: type[BaseModel], place: Place) -> list[type[BaseModel]]:
    """Several, where the kind is not chosen yet."""
    models = [root]
    for part in place:
        if isinstance(part, int):
            continue
        fields = [model.model_fields[part] for model in models if part in model.model_fields]
        inner = [model for field in fields for model in _models_in(field.annotation)]
        models = inner or [model for model in models if part in _kinds(model)]
    return models


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _kinds(model: type[BaseModel]) -> tuple[str, ...]:
    kind = model.model_fields.get("kind")
    return get_args(kind.annotation) if kind else ()
