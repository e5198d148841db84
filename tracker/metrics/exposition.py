"""The text that Prometheus reads: its form is the library's, the numbers are those of all workers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import accumulate, chain

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from tracker.metrics.counts import Counter, Histogram, Row, Rows, instruments


class _Counted(Collector):
    def __init__(self, rows: Rows, gauges: Mapping[str, tuple[str, float]]) -> None:
        self._rows = rows
        self._gauges = gauges

    def collect(self) -> Iterable[Metric]:
        for name, instrument in instruments.items():
            yield _family(instrument, self._rows.get(name, {}))
        for name, (description, value) in self._gauges.items():
            yield GaugeMetricFamily(name, description, value)


def _family(instrument: Counter | Histogram, rows: Mapping[tuple[str, ...], Row]) -> Metric:
    name, description, labels = instrument.name, instrument.description, instrument.labels
    if isinstance(instrument, Counter):
        counter = CounterMetricFamily(name, description, labels=labels)
        for values, row in sorted(rows.items()):
            counter.add_metric(values, row[0])
        return counter
    histogram = HistogramMetricFamily(name, description, labels=labels)
    for values, row in sorted(rows.items()):
        bounds = chain(map(str, instrument.bounds), ["+Inf"])
        histogram.add_metric(values, list(zip(bounds, accumulate(row[:-1]), strict=True)), row[-1])
    return histogram


def exposition(rows: Rows, gauges: Mapping[str, tuple[str, float]]) -> bytes:
    """Return the text. `gauges` are values of now: by name (description, value)."""
    registry = CollectorRegistry()
    registry.register(_Counted(rows, gauges))
    return generate_latest(registry)
