"""Classes: those of the data, those they are merged into, and which of them make transitions."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from gradiend.errors import GradiendError, did_you_mean, visible

MergeMap = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Classes:
    """`merged`: class of the data -> class; `partners`: class of the data -> those its alternatives come from."""

    merged: dict[str, str]
    partners: dict[str, frozenset[str]]


def merged_classes(
    factual: Collection[str],
    alternative: Collection[str],
    target_classes: Sequence[str],
    merge_map: MergeMap | None,
    groups: Sequence[Sequence[str]] | None,
) -> Classes:
    """Merge the classes of the data, those of labels and those of alternatives.

    Raises `GradiendError` on classes that the data does not have, on a class in two merged ones and on groups that
    allow no transition.
    """
    known = sorted({*factual, *alternative})
    _check_merge_map(merge_map or {}, known)
    for name in (name for group in groups or () for name in group):
        _require(name, known, "class_merge_transition_groups")
    into = {name: merged for merged, names in (merge_map or {}).items() for name in names}
    merged = {name: into.get(name, name) for name in known}
    for name in target_classes:
        _require(name, sorted({merged[one] for one in factual}), "target_classes")
    partners = {name: _partners(name, merged, target_classes, groups) for name in known}
    if groups is not None and not any(partners.values()):
        raise GradiendError(
            f"class_merge_transition_groups: no group has classes of both '{target_classes[0]}' and "
            f"'{target_classes[1]}': put those that may stand for each other in one group"
        )
    return Classes(merged, partners)


def misspelt(name: str, right: Iterable[str]) -> str | None:
    """The name that `name` looks like a misspelling of, if any."""
    folded = {one.strip().casefold(): one for one in right}
    nearest = get_close_matches(name.strip().casefold(), folded, n=1, cutoff=0.85)
    return folded[nearest[0]] if nearest else None


def _partners(
    name: str, merged: Mapping[str, str], target_classes: Sequence[str], groups: Sequence[Sequence[str]] | None
) -> frozenset[str]:
    """The data's classes of the other target class, of the same transition groups where there are any."""
    if merged[name] not in target_classes:
        return frozenset()
    other = target_classes[1 - list(target_classes).index(merged[name])]
    allowed = merged if groups is None else {one for group in groups if name in group for one in group}
    return frozenset(one for one in merged if merged[one] == other and one in allowed)


def _check_merge_map(merge_map: MergeMap, known: Sequence[str]) -> None:
    owners: dict[str, str] = {}
    for merged, names in merge_map.items():
        for name in names:
            _require(name, known, f"class_merge_map.{merged}")
            if owners.setdefault(name, merged) != merged:
                raise GradiendError(f"class_merge_map: '{name}' is in '{owners[name]}' and in '{merged}': choose one")
    for merged in merge_map:
        if merged in known and merged not in owners:
            raise GradiendError(f"class_merge_map: '{merged}' is also a class of the data: list it, or rename the key")


def _require(name: str, known: Sequence[str], origin: str) -> None:
    if name not in known:
        raise GradiendError(f"{origin}: the data has no class '{visible(name)}'" + did_you_mean(name, known))
