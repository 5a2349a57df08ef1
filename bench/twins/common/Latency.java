// Latencies and gaps as one spout sees them, in the form that the bench reads from every peer.
package fulmar.twin;

import java.io.FileWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicLongArray;

/**
 * Two files: {@code PID.latency}, four times a second {@code nanoTime bucket:count …} since the start, and
 * {@code PID.events}, a line {@code gap nanoTime nanos} for acks that are further apart than 20 ms and
 * {@code fail nanoTime age} for each failed tree.
 *
 * <p>A bucket is 1/64 of a power of two wide: below 64 ns the value itself, else
 * {@code 64 * (exponent - 5) + (the six bits after the leading one)}.
 */
public final class Latency {
    private static final long GAP = 20_000_000;
    private static final int BUCKETS = 64 * 40;

    private final AtomicLongArray counts = new AtomicLongArray(BUCKETS);
    private final FileWriter events;
    private long last;

    Latency(String dir) {
        try {
            events = new FileWriter(Path.of(dir, ProcessHandle.current().pid() + ".events").toFile());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        Meter.every(dir, "latency", 250, this::line);
    }

    static int bucket(long nanos) {
        if (nanos < 64) {
            return (int) Math.max(nanos, 0);
        }
        int exponent = 63 - Long.numberOfLeadingZeros(nanos);
        int bucket = 64 * (exponent - 5) + (int) (nanos >>> exponent - 6 & 63);
        return Math.min(bucket, BUCKETS - 1);
    }

    /** A tree is acked. */
    public void acked(long now, long nanos) {
        int bucket = bucket(nanos);
        counts.lazySet(bucket, counts.get(bucket) + 1);
        if (last != 0 && now - last > GAP) {
            event("gap", now, now - last);
        }
        last = now;
    }

    /** A tree failed. */
    public void failed(long now, long age) {
        event("fail", now, age);
    }

    private void event(String what, long now, long nanos) {
        try {
            events.write(what + " " + now + " " + nanos + "\n");
            events.flush();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private String line() {
        StringBuilder line = new StringBuilder();
        for (int i = 0; i < BUCKETS; i++) {
            long count = counts.get(i);
            if (count > 0) {
                line.append(i).append(':').append(count).append(' ');
            }
        }
        return line.toString();
    }
}
