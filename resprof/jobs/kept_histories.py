"""A folder of memory histories that a validation on a GPU has kept, to be held again without it."""

from __future__ import annotations

from pathlib import Path

from resprof.errors import UsageError, named_after, printable_path
from resprof.records.memory_history import MemoryHistory, history_lines, read_history
from resprof.records.recipe import Workload
from resprof.report.files import write_whole

_ANOTHER = "keep a folder for each: resprof validate --device cuda --keep FOLDER"


def refuse_kept(folder: Path) -> None:
    """Raises ``UsageError`` where histories lie already: those of two visits would be mixed."""
    found = sorted(folder.glob("*.jsonl"))
    if found:
        raise UsageError(
            f"{printable_path(found[0])} is there already", hint="name an empty folder with --keep"
        )


def keep_history(folder: Path, number: int, history: MemoryHistory) -> None:
    """Writes the history of a visit's workload of that number."""
    file = folder / f"{number:02}-{history.workload.model}.jsonl"
    write_whole(file, "".join(history_lines(history)))


def kept_histories(folder: Path) -> tuple[MemoryHistory, ...]:
    """Every history in the folder, in the order of their names.

    Raises ``UsageError`` where there is none, one that cannot be read, two of one workload, or
    where they are not of one kind of GPU and one torch.
    """
    kept = {file: _read(file) for file in sorted(folder.glob("*.jsonl"))}
    if not kept:
        raise UsageError(
            f"no histories in {printable_path(folder)}",
            hint="keep some: resprof validate --device cuda --keep FOLDER",
        )
    first = next(iter(kept))
    of_workload: dict[Workload, Path] = {}
    for file, history in kept.items():
        if _device(history) != _device(kept[first]):
            raise UsageError(
                f"{printable_path(first)} and {printable_path(file)} are of another GPU or torch "
                "each",
                hint=_ANOTHER,
            )
        same = of_workload.setdefault(history.workload, file)
        if same != file:
            raise UsageError(
                f"{printable_path(same)} and {printable_path(file)} are of one workload",
                hint=f"take one of them away, or {_ANOTHER}",
            )
    return tuple(kept.values())


def _read(file: Path) -> MemoryHistory:
    try:
        return read_history(file.read_text(encoding="utf-8").splitlines())
    except UsageError as error:
        raise named_after(file, error) from None
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise UsageError(
            f"cannot read {printable_path(file)}: {why}",
            hint="take it away, or name another folder",
        ) from None


def _device(history: MemoryHistory) -> tuple[object, ...]:
    """What a peak depends on, whichever card of that kind it was."""
    gpu, torch = history.environment.gpu, history.environment.torch
    return gpu and (gpu.name, gpu.capability, gpu.memory_bytes), torch and torch.version
