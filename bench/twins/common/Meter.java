// What this process counts, written to a file that the bench reads: the same rule and form for every peer.
package fulmar.twin;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicLongArray;

/**
 * Counts of this process. Each task that counts has a line of the cache of its own; a thread writes
 * {@code nanoTime sum} to {@code DIR/PID.count} ten times a second.
 */
public final class Meter {
    private static final int APART = 32;
    private static final int MOST = 64;
    private static final AtomicLongArray COUNTS = new AtomicLongArray((MOST + 1) * APART);
    private static int tasks;
    private static boolean reported;

    private final int place;
    private long count;

    private Meter(int place) {
        this.place = place;
    }

    /** Writes this process's counts from now on: every task calls it, so that processes without counters are seen too. */
    public static synchronized void report(String dir) {
        if (!reported) {
            reported = true;
            every(dir, "count", 100, Meter::line);
        }
    }

    /** A counter for one more task. */
    public static synchronized Meter one(String dir) {
        report(dir);
        if (tasks == MOST) {
            throw new IllegalStateException("more than " + MOST + " tasks that count in one process");
        }
        tasks++;
        return new Meter(tasks * APART);
    }

    /** Counts; called by the task's own thread only. */
    public void add(long n) {
        count += n;
        COUNTS.lazySet(place, count);
    }

    private static String line() {
        long sum = 0;
        for (int i = 1; i <= MOST; i++) {
            sum += COUNTS.get(i * APART);
        }
        return Long.toString(sum);
    }

    /** What a line of a file says, after its time. */
    interface Says {
        String line();
    }

    /** Writes a line to {@code DIR/PID.what} every so often. */
    static void every(String dir, String what, long ms, Says says) {
        Path path = Path.of(dir, ProcessHandle.current().pid() + "." + what);
        Thread thread = new Thread(() -> {
            try (Writer out = Files.newBufferedWriter(path)) {
                while (true) {
                    out.write(System.nanoTime() + " " + says.line() + "\n");
                    out.flush();
                    Thread.sleep(ms);
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }, "meter-" + what);
        thread.setDaemon(true);
        thread.start();
    }
}
