"""Print the projections beside latencies that others published: python tools/check_projection.py."""

from hinas.bench.projection.published_times import comparison_table, published_times

times = published_times()
print(comparison_table(times))
for published in times:
    print(f"{published.network}, {published.latency_ms} ms: {published.source}")
