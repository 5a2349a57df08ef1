// The spout of every throughput workload: what it emits, and how acks are counted.
package fulmar.twin;

import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.apache.storm.spout.SpoutOutputCollector;
import org.apache.storm.task.TopologyContext;
import org.apache.storm.topology.OutputFieldsDeclarer;
import org.apache.storm.topology.base.BaseRichSpout;
import org.apache.storm.tuple.Fields;
import org.apache.storm.tuple.Values;

/** Emits as fast as it is asked. */
public final class Source extends BaseRichSpout {
    private static final List<Object> CONSTANT = Collections.singletonList("some data");

    private final String workload;
    private final boolean acked;
    private SpoutOutputCollector out;
    private Meter meter;
    private String[] lines;
    private long next;
    private long limit = Long.MAX_VALUE;

    Source(String workload, boolean acked) {
        this.workload = workload;
        this.acked = acked;
    }

    @Override
    public void open(Map<String, Object> conf, TopologyContext context, SpoutOutputCollector collector) {
        out = collector;
        String dir = (String) conf.get("bench.dir");
        Meter.report(dir);
        if (acked) {
            meter = Meter.one(dir);
        }
        if (workload.equals("wordcount")) {
            lines = Text.lines((String) conf.get("bench.text"));
        }
        if (conf.containsKey("bench.verify")) {
            limit = lines.length;
        }
    }

    @Override
    public void nextTuple() {
        if (next == limit) {
            return;
        }
        List<Object> tuple = tuple(next++);
        if (acked) {
            out.emit(tuple, next);
        } else {
            out.emit(tuple);
        }
    }

    private List<Object> tuple(long n) {
        switch (workload) {
            case "fresh16":
                return new Values(n, ~n);
            case "fresh100":
                return new Values((Object) Text.bytes(n));
            case "fields":
                return new Values(Text.key(n));
            case "wordcount":
                return new Values(lines[(int) (n % lines.length)]);
            default:
                return CONSTANT;
        }
    }

    @Override
    public void ack(Object id) {
        if (acked) {
            meter.add(lines == null ? 1 : Text.PER_LINE);
        }
    }

    @Override
    public void declareOutputFields(OutputFieldsDeclarer declarer) {
        declarer.declare(workload.equals("fresh16") ? new Fields("a", "b") : new Fields("value"));
    }
}
