// The Flink twin: the workloads in Flink's local environment, on so many slots, with chaining and object reuse.
package fulmar.twin;

import java.nio.file.Path;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.CheckpointingMode;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.sink.RichSinkFunction;
import org.apache.flink.streaming.api.functions.source.RichParallelSourceFunction;
import org.apache.flink.util.Collector;

/** {@code WORKLOAD SLOTS DIR TEXT}: null, id, wordcount, wordcount_exactly_once. Runs until it is ended. */
public final class Flink {
    private Flink() {}

    public static void main(String[] args) throws Exception {
        String workload = args[0];
        int slots = Integer.parseInt(args[1]);
        String dir = args[2];
        Configuration conf = new Configuration();
        conf.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, Path.of(dir, "checkpoints").toUri().toString());
        StreamExecutionEnvironment env = StreamExecutionEnvironment.createLocalEnvironment(slots, conf);
        env.getConfig().enableObjectReuse();
        if (workload.equals("wordcount_exactly_once")) {
            env.enableCheckpointing(1_000, CheckpointingMode.EXACTLY_ONCE);
        }
        DataStream<String> source = env.addSource(new Source(workload.startsWith("wordcount") ? args[3] : null)).returns(String.class);
        switch (workload) {
            case "null":
                source.addSink(new Null(dir));
                break;
            case "id":
                source.map(value -> value).returns(String.class).addSink(new Null(dir));
                break;
            case "wordcount":
            case "wordcount_exactly_once":
                source.<String>flatMap((line, out) -> Text.split(line, out::collect)).returns(String.class)
                        .keyBy(word -> word).process(new Words(dir));
                break;
            default:
                throw new IllegalArgumentException("no workload " + workload);
        }
        env.execute(workload);
    }

    /** The same constant, or the lines of a text, again and again. */
    static final class Source extends RichParallelSourceFunction<String> {
        private static final long serialVersionUID = 1;
        private final String path;
        private volatile boolean runs = true;

        Source(String path) {
            this.path = path;
        }

        @Override
        public void run(SourceContext<String> out) {
            String[] lines = path == null ? new String[] {"some data"} : Text.lines(path);
            int at = 0;
            while (runs) {
                synchronized (out.getCheckpointLock()) {
                    out.collect(lines[at]);
                }
                at = at + 1 == lines.length ? 0 : at + 1;
            }
        }

        @Override
        public void cancel() {
            runs = false;
        }
    }

    /** Counts and forgets. */
    static final class Null extends RichSinkFunction<String> {
        private static final long serialVersionUID = 1;
        private final String dir;
        private transient Meter meter;

        Null(String dir) {
            this.dir = dir;
        }

        @Override
        public void open(OpenContext context) {
            meter = Meter.one(dir);
        }

        @Override
        public void invoke(String value, Context context) {
            meter.add(1);
        }
    }

    /** Counts words by word, in Flink's keyed state. */
    static final class Words extends KeyedProcessFunction<String, String, Void> {
        private static final long serialVersionUID = 1;
        private final String dir;
        private transient ValueState<Long> count;
        private transient Meter meter;

        Words(String dir) {
            this.dir = dir;
        }

        @Override
        public void open(OpenContext context) {
            count = getRuntimeContext().getState(new ValueStateDescriptor<>("count", Long.class));
            meter = Meter.one(dir);
        }

        @Override
        public void processElement(String word, Context context, Collector<Void> out) throws Exception {
            Long before = count.value();
            count.update(before == null ? 1 : before + 1);
            meter.add(1);
        }
    }
}
