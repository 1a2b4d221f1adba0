"""The metrics of helper processes, read from their latest heartbeats at each scrape."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streamsrv.processes.usage import Usages

LABELS = ("process",)


class HelperCollector(Collector):
    """Collects what helper processes use, by what runs in them: `media`, or the name of a model."""

    def __init__(self, usages: Usages) -> None:
        self._usages = usages

    def collect(self) -> Iterator[Metric]:
        running = GaugeMetricFamily("streamsrv_helper_processes", "Helper processes that run", labels=LABELS)
        memory = GaugeMetricFamily("streamsrv_helper_memory_bytes", "Memory that they hold", labels=LABELS)
        cpu_s = CounterMetricFamily("streamsrv_helper_cpu_seconds", "CPU time that they used", labels=LABELS)
        deaths = CounterMetricFamily(
            "streamsrv_helper_deaths", "Helper processes that ended although nobody had stopped them", labels=LABELS
        )
        for name, total in self._usages.totals.items():
            running.add_metric([name], total.running)
            memory.add_metric([name], total.memory)
            cpu_s.add_metric([name], total.cpu_s)
            deaths.add_metric([name], total.deaths)
        yield from (running, memory, cpu_s, deaths)
