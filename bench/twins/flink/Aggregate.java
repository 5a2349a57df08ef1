// The Flink twin of the aggregator: event-time windows of ten minutes over eight groupings, records made in memory by the same sums
// as in bench/src/pipeline/records.rs.
package fulmar.twin;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.typeinfo.TypeHint;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.api.java.tuple.Tuple4;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.RichSinkFunction;
import org.apache.flink.streaming.api.functions.source.RichParallelSourceFunction;
import org.apache.flink.streaming.api.functions.windowing.ProcessWindowFunction;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;

/** {@code SLOTS DIR}: runs until it is ended; {@code DIR/first} says what the rows of the first window say together. */
public final class Aggregate {
    private static final int CLIENTS = 40_000;
    private static final long MINUTE = 60_000;
    private static final long START = 1_700_000_400_000L;

    private Aggregate() {}

    public static void main(String[] args) throws Exception {
        int slots = Integer.parseInt(args[0]);
        String dir = args[1];
        StreamExecutionEnvironment env = StreamExecutionEnvironment.createLocalEnvironment(slots, new Configuration());
        env.getConfig().enableObjectReuse();
        TypeInformation<Tuple2<Integer, Long>> record = TypeInformation.of(new TypeHint<Tuple2<Integer, Long>>() {});
        TypeInformation<Tuple2<String, Long>> keyed = TypeInformation.of(new TypeHint<Tuple2<String, Long>>() {});
        String[][] keys = keys();
        env.addSource(new Source(dir)).returns(record)
                .<Tuple2<String, Long>>flatMap((in, out) -> {
                    for (String key : Keys.of(in.f0)) {
                        out.collect(Tuple2.of(key, in.f1));
                    }
                }).returns(keyed)
                .keyBy(in -> in.f0)
                .window(TumblingEventTimeWindows.of(java.time.Duration.ofMinutes(10)))
                .aggregate(new Fold(), new Row())
                .addSink(new Sum(dir));
        if (keys.length != CLIENTS) {
            throw new IllegalStateException("keys of " + keys.length + " clients");
        }
        env.execute("aggregate");
    }

    /** Each client's eight keys. */
    private static String[][] keys() {
        return Keys.ALL;
    }

    /** Made once a process. */
    static final class Keys {
        static final String[][] ALL = new String[CLIENTS][];

        static {
            for (int c = 0; c < CLIENTS; c++) {
                int ap = c / 20;
                int site = ap / 20;
                String org = "org-" + site / 25;
                String band = c % 2 == 0 ? "5" : "24";
                String wlan = "wlan-" + c % 3;
                String s = org + "/site-" + site;
                String a = org + "/ap-" + ap;
                ALL[c] = new String[] {
                    "org/" + org, "site/" + s, "ap/" + a, "band/" + org + "/" + band, "wlan/" + org + "/" + wlan,
                    "site+band/" + s + "/" + band, "site+wlan/" + s + "/" + wlan, "ap+band/" + a + "/" + band,
                };
            }
        }

        private Keys() {}

        static String[] of(int client) {
            return ALL[client];
        }
    }

    /** One record a client and minute; each task has its part of the clients. */
    static final class Source extends RichParallelSourceFunction<Tuple2<Integer, Long>> {
        private static final long serialVersionUID = 1;
        private final String dir;
        private volatile boolean runs = true;

        Source(String dir) {
            this.dir = dir;
        }

        @Override
        public void run(SourceContext<Tuple2<Integer, Long>> out) {
            int task = getRuntimeContext().getTaskInfo().getIndexOfThisSubtask();
            int tasks = getRuntimeContext().getTaskInfo().getNumberOfParallelSubtasks();
            Meter meter = Meter.one(dir);
            for (long minute = 0; runs; minute++) {
                long time = START + minute * MINUTE;
                for (int c = task; c < CLIENTS && runs; c += tasks) {
                    long value = 1_000 + (c * 7_919L + minute * 104_729L) % 90_000;
                    synchronized (out.getCheckpointLock()) {
                        out.collectWithTimestamp(Tuple2.of(c, value), time);
                    }
                    meter.add(1);
                }
                synchronized (out.getCheckpointLock()) {
                    out.emitWatermark(new Watermark(time));
                }
            }
        }

        @Override
        public void cancel() {
            runs = false;
        }
    }

    /** Count, sum, min, max. */
    static final class Fold implements AggregateFunction<Tuple2<String, Long>, long[], long[]> {
        private static final long serialVersionUID = 1;

        @Override
        public long[] createAccumulator() {
            return new long[] {0, 0, Long.MAX_VALUE, Long.MIN_VALUE};
        }

        @Override
        public long[] add(Tuple2<String, Long> in, long[] all) {
            all[0]++;
            all[1] += in.f1;
            all[2] = Math.min(all[2], in.f1);
            all[3] = Math.max(all[3], in.f1);
            return all;
        }

        @Override
        public long[] getResult(long[] all) {
            return all;
        }

        @Override
        public long[] merge(long[] a, long[] b) {
            return new long[] {a[0] + b[0], a[1] + b[1], Math.min(a[2], b[2]), Math.max(a[3], b[3])};
        }
    }

    /** A window's start, and what its row says. */
    static final class Row extends ProcessWindowFunction<long[], Tuple2<Long, Tuple4<Long, Long, Long, Long>>, String, TimeWindow> {
        private static final long serialVersionUID = 1;

        @Override
        public void process(String key, Context context, Iterable<long[]> in,
                Collector<Tuple2<Long, Tuple4<Long, Long, Long, Long>>> out) {
            for (long[] f : in) {
                out.collect(Tuple2.of(context.window().getStart(), Tuple4.of(f[0], f[1], f[2], f[3])));
            }
        }
    }

    /** Adds up the first window's rows of all slots, and writes them when a later one comes. */
    static final class Sum extends RichSinkFunction<Tuple2<Long, Tuple4<Long, Long, Long, Long>>> {
        private static final long serialVersionUID = 1;
        private static final long[] FIRST = new long[5];
        private static boolean written;
        private static int later;
        private final String dir;
        private transient boolean mine;

        Sum(String dir) {
            this.dir = dir;
        }

        @Override
        public void invoke(Tuple2<Long, Tuple4<Long, Long, Long, Long>> row, Context context) throws Exception {
            if (row.f0 != START) {
                if (!mine) {
                    mine = true;
                    ended(dir, getRuntimeContext().getTaskInfo().getNumberOfParallelSubtasks());
                }
                return;
            }
            synchronized (FIRST) {
                FIRST[0]++;
                FIRST[1] += row.f1.f0;
                FIRST[2] += row.f1.f1;
                FIRST[3] += row.f1.f2;
                FIRST[4] += row.f1.f3;
            }
        }

        private static void ended(String dir, int slots) throws Exception {
            synchronized (FIRST) {
                later++;
                if (later < slots || written) {
                    return;
                }
                written = true;
                StringBuilder text = new StringBuilder();
                for (long n : FIRST) {
                    text.append(n).append(' ');
                }
                Path half = Path.of(dir, "first.part");
                Files.writeString(half, text);
                Files.move(half, Path.of(dir, "first"), StandardCopyOption.ATOMIC_MOVE);
            }
        }
    }
}
