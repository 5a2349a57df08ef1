// The bolts of the workloads: pass on, split, count words, count and forget.
package fulmar.twin;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.apache.storm.Config;
import org.apache.storm.task.OutputCollector;
import org.apache.storm.task.TopologyContext;
import org.apache.storm.topology.OutputFieldsDeclarer;
import org.apache.storm.topology.base.BaseRichBolt;
import org.apache.storm.tuple.Fields;
import org.apache.storm.tuple.Tuple;
import org.apache.storm.tuple.Values;
import org.apache.storm.utils.TupleUtils;

/** Bolts. */
final class Bolts {
    private Bolts() {}

    /** Counts the tuple where nobody counts acks, and acks it. */
    static class Null extends BaseRichBolt {
        private final boolean counts;
        private OutputCollector out;
        private Meter meter;

        Null(boolean counts) {
            this.counts = counts;
        }

        @Override
        public void prepare(Map<String, Object> conf, TopologyContext context, OutputCollector collector) {
            out = collector;
            String dir = (String) conf.get("bench.dir");
            Meter.report(dir);
            if (counts) {
                meter = Meter.one(dir);
            }
        }

        @Override
        public void execute(Tuple input) {
            if (counts) {
                meter.add(1);
            }
            out.ack(input);
        }

        @Override
        public void declareOutputFields(OutputFieldsDeclarer declarer) {}
    }

    /** Passes the value on, anchored. */
    static final class Id extends BaseRichBolt {
        private OutputCollector out;

        @Override
        public void prepare(Map<String, Object> conf, TopologyContext context, OutputCollector collector) {
            out = collector;
            Meter.report((String) conf.get("bench.dir"));
        }

        @Override
        public void execute(Tuple input) {
            out.emit(input, new Values(input.getValue(0)));
            out.ack(input);
        }

        @Override
        public void declareOutputFields(OutputFieldsDeclarer declarer) {
            declarer.declare(new Fields("value"));
        }
    }

    /** Emits each word of a line, anchored. */
    static final class Split extends BaseRichBolt {
        private OutputCollector out;

        @Override
        public void prepare(Map<String, Object> conf, TopologyContext context, OutputCollector collector) {
            out = collector;
            Meter.report((String) conf.get("bench.dir"));
        }

        @Override
        public void execute(Tuple input) {
            Text.split(input.getString(0), word -> out.emit(input, new Values(word)));
            out.ack(input);
        }

        @Override
        public void declareOutputFields(OutputFieldsDeclarer declarer) {
            declarer.declare(new Fields("word"));
        }
    }

    /** Counts words; on a tick, which only verification asks for, it writes what it has to a file. */
    static final class Words extends Null {
        private final Map<String, long[]> words = new HashMap<>();
        private Path file;

        Words(boolean counts) {
            super(counts);
        }

        @Override
        public void prepare(Map<String, Object> conf, TopologyContext context, OutputCollector collector) {
            super.prepare(conf, context, collector);
            file = Path.of((String) conf.get("bench.dir"), context.getThisTaskId() + ".words");
        }

        @Override
        public void execute(Tuple input) {
            if (TupleUtils.isTick(input)) {
                write();
                return;
            }
            words.computeIfAbsent(input.getString(0), word -> new long[1])[0]++;
            super.execute(input);
        }

        private void write() {
            try (Writer out = Files.newBufferedWriter(file)) {
                for (Map.Entry<String, long[]> e : words.entrySet()) {
                    out.write(e.getValue()[0] + " " + e.getKey() + "\n");
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    /** The configuration of verification: a tick each second. */
    static Map<String, Object> ticks() {
        return Map.of(Config.TOPOLOGY_TICK_TUPLE_FREQ_SECS, 1);
    }
}
