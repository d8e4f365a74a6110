"""How fast a call could be at most by each notion of a pass, and the peaks behind that."""

from __future__ import annotations

from resprof.records.peaks import Peaks, PeakSource
from resprof.records.roofline import RooflineResult
from resprof.records.table import Column, Form, Origin, Table, Value
from resprof.report.tables import roofline_columns as col
from resprof.units import format_seconds, significant

_RATES = ("FLOP/s", "byte/s", "FLOP/byte at the ridge")


def bounds_table(result: RooflineResult) -> Table:
    """The same call with each notion of a pass."""
    columns = (
        Column(key="fusion", title="passes"),
        Column(key="pass_is", title="one pass is", priority=4),
        Column(key="passes", title="number", form=Form.COUNT, origin=Origin.COUNTED, priority=3),
        col.bytes_moved(2),
        col.intensity(3),
        col.bound_by(1),
        col.least_time(0),
        col.most_images(1),
        *([col.attainable(2)] if result.measured_peaks else ()),
        *([col.reached(0)] if result.total.measured_time_s is not None else ()),
    )
    return Table(
        name=f"roofline-bounds-{result.model}",
        title="How fast it could be at most",
        subtitle=_measured(result),
        columns=columns,
        rows=tuple(
            tuple(
                col.pass_is(each.fusion, result.recipe)
                if column.key == "pass_is"
                else col.value_of(each, column.key)
                for column in columns
            )
            for each in result.bounds
        ),
    )


def peaks_table(result: RooflineResult) -> Table:
    """The rates behind the bounds, each source in its column."""
    sources = [each for each in (result.peaks, result.measured_peaks) if each is not None]
    rates = zip(*map(_rates, sources), strict=True)
    both = len(sources) > 1
    reached = Column(key="share", title="reached", form=Form.SHARE, origin=Origin.MEASURED)
    return Table(
        name=f"roofline-peaks-{result.model}",
        title=f"Peaks of {result.peaks.device}, {result.peaks.arithmetic}",
        columns=(
            Column(key="rate", title="rate"),
            *map(_column, sources),
            *((reached,) if both else ()),
        ),
        rows=tuple(
            (name, *values, *((_share(name, values),) if both else ()))
            for name, values in zip(_RATES, rates, strict=True)
        ),
        notes=tuple(f"{each.source.capitalize()}: {each.how}." for each in sources),
    )


def _rates(peaks: Peaks) -> tuple[float, ...]:
    return peaks.flops_per_s, peaks.bandwidth_bytes_per_s, peaks.ridge


def _share(name: str, values: tuple[float, ...]) -> Value:
    """What of a printed rate was measured; of the ridge, which is no rate, that says nothing."""
    printed, measured = values
    return None if name == _RATES[-1] else measured / printed


def _column(peaks: Peaks) -> Column:
    printed = peaks.source is PeakSource.DATASHEET
    return Column(
        key=peaks.source.value,
        title=peaks.source.value,
        form=Form.SI,
        origin=Origin.PUBLISHED if printed else Origin.MEASURED,
    )


def _measured(result: RooflineResult) -> str:
    """The two ways in which a call was measured."""
    total = result.total
    parts = []
    if total.measured_time_s is not None:
        parts.append(f"{format_seconds(total.measured_time_s)} ({total.measured_by})")
    if total.measured_images_per_s is not None:
        parts.append(f"{significant(total.measured_images_per_s, 4)} images/s back to back")
    return f"measured: {', '.join(parts)}" if parts else ""
