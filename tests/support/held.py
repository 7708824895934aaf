"""How many objects something holds: what is left of calls that have ended shows there."""

from __future__ import annotations

import gc
from types import BuiltinFunctionType, FrameType, FunctionType, MethodDescriptorType, ModuleType, WrapperDescriptorType

_OF_THE_PROGRAM = (ModuleType, type, FunctionType, BuiltinFunctionType, MethodDescriptorType, WrapperDescriptorType)


def held_by(*roots: object) -> int:
    """Objects that can be reached from these, also strings and numbers; modules, classes and functions aside."""
    gc.collect()
    seen = {id(root) for root in roots}
    wave: list[object] = list(roots)
    while wave:
        found: list[object] = []
        for one in gc.get_referents(*wave):
            if id(one) in seen or isinstance(one, (*_OF_THE_PROGRAM, FrameType)):
                continue
            seen.add(id(one))
            found.append(one)
        wave = found
    return len(seen)
