"""Reads back what a demo on real Kafka and Cassandra left, with other clients than Fulmar's, and counts it again.

    python readback.py REPORT.json

Every accepted telemetry record must have one distinct estimate of each kind; the distinct estimates, grouped by window
and entity, must give the table's rows exactly, for every window that was closed. Exit code 1 says that they do not.
"""

import json
import struct
import sys
from collections import defaultdict
from datetime import timezone
from urllib.parse import urlparse

from cassandra.cluster import Cluster
from kafka import KafkaConsumer, TopicPartition

WINDOW_MS = 600_000
KINDS = {1: "throughput", 2: "capacity", 3: "coverage"}


def varint(data, at):
    """A protobuf varint and the position behind it."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def fields(data):
    """Field numbers and values of a protobuf message; of a repeated field the last one."""
    out, at = {}, 0
    while at < len(data):
        tag, at = varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = varint(data, at)
            # Negative integers are written as 64 bits in two's complement.
            value = value - (1 << 64) if value >= 1 << 63 else value
        elif kind == 1:
            value, at = struct.unpack_from("<d", data, at)[0], at + 8
        elif kind == 2:
            length, at = varint(data, at)
            value, at = data[at : at + length], at + length
        else:
            value, at = struct.unpack_from("<f", data, at)[0], at + 4
        out[tag >> 3] = value
    return out


def messages(servers, topic):
    """Every message that the topic holds now."""
    consumer = KafkaConsumer(
        bootstrap_servers=servers,
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_poll_records=20_000,
        fetch_max_bytes=64 << 20,
    )
    parts = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic) or ()]
    ends = consumer.end_offsets(parts)
    parts = [p for p in parts if ends[p] > 0]
    if not parts:
        return
    consumer.assign(parts)
    for part in parts:
        consumer.seek(part, 0)
    left = sum(ends[p] for p in parts)
    while left:
        polled = consumer.poll(timeout_ms=5_000)
        if not polled:
            raise SystemExit(f"{topic}: {left} messages were promised and did not come")
        for part, records in polled.items():
            for record in records:
                if record.offset < ends[part]:
                    left -= 1
                    yield part.partition, record
    consumer.close()


def text(data, number):
    return data.get(number, b"").decode()


def main(path):
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    servers = report["kafka"].split(",")
    wrong = []

    telemetry = {(p, r.offset) for p, r in messages(servers, "wifi.telemetry")}
    refused = {dict(r.headers)["source"].decode() for _, r in messages(servers, "wifi.rejected")}
    telemetry -= {tuple(map(int, s.rsplit("-", 2)[1:])) for s in refused}

    seen, expected = defaultdict(set), {}
    for _, record in messages(servers, "wifi.estimates"):
        e = fields(record.value)
        source, kind = fields(e[1]), KINDS[e[2]]
        identity = (source.get(2, 0), source.get(3, 0), source.get(4, 0))
        if identity in seen[kind]:
            continue
        seen[kind].add(identity)
        window = e[3] // WINDOW_MS * WINDOW_MS
        if window + WINDOW_MS > report["closed_until_ms"]:
            continue
        org, value, good, bad = text(e, 5), e.get(11, 0), e.get(13, 0), e.get(14, 0)
        for grouping, number in (("org", 0), ("site", 6), ("ap", 7), ("band", 8), ("wlan", 9)):
            entity = f"{org}/{text(e, number)}" if number else org
            key = (org, kind, grouping, entity, window)
            row = expected.get(key)
            if row is None:
                expected[key] = [1, value, value, value, good, bad]
                continue
            row[0] += 1
            row[1] += value
            row[2] = min(row[2], value)
            row[3] = max(row[3], value)
            row[4] += good
            row[5] += bad
    for kind in KINDS.values():
        found = {(p, o) for p, o, _ in seen[kind]}
        print(f"{kind}: {len(found)} distinct estimates of {len(telemetry)} records")
        if found != telemetry:
            wrong.append(f"{kind}: {len(telemetry - found)} records have no estimate, {len(found - telemetry)} no record")

    store = urlparse(report["cassandra"])
    cluster = Cluster([store.hostname], port=store.port)
    session = cluster.connect(store.path.strip("/") or "fulmar")
    session.default_fetch_size = 5_000
    rows = {}
    query = "SELECT org, metric, grouping, entity, window_start, agg FROM aggregates_10m"
    for r in session.execute(query, timeout=120):
        start = int(r.window_start.replace(tzinfo=timezone.utc).timestamp() * 1_000)
        if start + WINDOW_MS <= report["closed_until_ms"]:
            a = r.agg
            rows[(r.org, r.metric, r.grouping, r.entity, start)] = [a.count, a.sum, a.min, a.max, a.good_ms, a.bad_ms]
    cluster.shutdown()
    equal = sum(rows.get(key) == row for key, row in expected.items())
    print(f"rows: {equal} of {len(expected)} are equal; the table holds {len(rows)} of these windows")
    if not expected:
        wrong.append("no window was closed")
    if equal != len(expected) or len(rows) != len(expected):
        first = next((k for k in expected if rows.get(k) != expected[k]), None) or next(iter(rows.keys() - expected.keys()))
        wrong.append(f"row {first} is {rows.get(first)} in Cassandra, counting gives {expected.get(first)}")
    if len(expected) != report["aggregates_expected"]:
        wrong.append(f"the report says {report['aggregates_expected']} rows, counting gives {len(expected)}")
    for problem in wrong:
        print("WRONG:", problem)
    return 1 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: readback.py REPORT.json")
    sys.exit(main(sys.argv[1]))
