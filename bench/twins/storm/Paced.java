// The spout of the latency workload: emits by the clock, so that lateness is seen and not hidden.
package fulmar.twin;

import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.apache.storm.spout.SpoutOutputCollector;
import org.apache.storm.task.TopologyContext;
import org.apache.storm.topology.OutputFieldsDeclarer;
import org.apache.storm.topology.base.BaseRichSpout;
import org.apache.storm.tuple.Fields;

/** Emits {@code bench.rate} tuples a second; a message's id is its number, which tells when it was meant to go. */
public final class Paced extends BaseRichSpout {
    private static final List<Object> CONSTANT = Collections.singletonList("some data");

    private SpoutOutputCollector out;
    private Meter meter;
    private Latency latency;
    private double nanosEach;
    private long started;
    private long next;

    @Override
    public void open(Map<String, Object> conf, TopologyContext context, SpoutOutputCollector collector) {
        out = collector;
        String dir = (String) conf.get("bench.dir");
        meter = Meter.one(dir);
        latency = new Latency(dir);
        nanosEach = 1e9 / ((Number) conf.get("bench.rate")).doubleValue();
    }

    private long due(long n) {
        return started + (long) (n * nanosEach);
    }

    @Override
    public void nextTuple() {
        if (started == 0) {
            started = System.nanoTime();
        }
        if (System.nanoTime() >= due(next)) {
            out.emit(CONSTANT, next++);
        }
    }

    @Override
    public void ack(Object id) {
        meter.add(1);
        long now = System.nanoTime();
        latency.acked(now, now - due((Long) id));
    }

    @Override
    public void fail(Object id) {
        long now = System.nanoTime();
        latency.failed(now, now - due((Long) id));
    }

    @Override
    public void declareOutputFields(OutputFieldsDeclarer declarer) {
        declarer.declare(new Fields("value"));
    }
}
