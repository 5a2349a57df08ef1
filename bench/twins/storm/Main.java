// The Storm twin's commands: submit a workload, kill a topology, wait until Nimbus has so many slots.
package fulmar.twin;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.HashMap;
import java.util.Map;
import org.apache.storm.Config;
import org.apache.storm.StormSubmitter;
import org.apache.storm.generated.ClusterSummary;
import org.apache.storm.generated.KillOptions;
import org.apache.storm.topology.BoltDeclarer;
import org.apache.storm.topology.TopologyBuilder;
import org.apache.storm.tuple.Fields;
import org.apache.storm.utils.NimbusClient;
import org.apache.storm.utils.Utils;

/**
 * {@code submit NAME WORKLOAD acked|unacked SPOUTS BOLTS CONF}, {@code kill NAME}, {@code slots N}. CONF is a JSON object: keys of
 * Storm, and {@code bench.dir}, {@code bench.text}, {@code bench.rate}, {@code bench.verify}.
 */
public final class Main {
    private Main() {}

    public static void main(String[] args) throws Exception {
        switch (args[0]) {
            case "submit":
                submit(args[1], args[2], args[3].equals("acked"), Integer.parseInt(args[4]), Integer.parseInt(args[5]), args[6]);
                return;
            case "kill":
                kill(args[1]);
                return;
            case "slots":
                slots(Integer.parseInt(args[1]));
                return;
            default:
                throw new IllegalArgumentException("submit, kill or slots, not " + args[0]);
        }
    }

    private static void submit(String name, String workload, boolean acked, int spouts, int bolts, String json) throws Exception {
        Map<String, Object> given = new ObjectMapper().readValue(json, new TypeReference<>() {});
        Map<String, Object> conf = new HashMap<>();
        // As in Storm's own performance topologies; they cost only.
        conf.put(Config.TOPOLOGY_DISABLE_LOADAWARE_MESSAGING, true);
        conf.put(Config.TOPOLOGY_STATS_SAMPLE_RATE, 0.0005);
        conf.put(Config.TOPOLOGY_ACKER_EXECUTORS, acked ? 1 : 0);
        conf.putAll(given);
        boolean verify = conf.containsKey("bench.verify");
        StormSubmitter.submitTopology(name, conf, graph(workload, acked, spouts, bolts, verify).createTopology());
    }

    private static TopologyBuilder graph(String workload, boolean acked, int spouts, int bolts, boolean verify) {
        TopologyBuilder t = new TopologyBuilder();
        if (workload.equals("latency")) {
            t.setSpout("source", new Paced(), spouts);
            t.setBolt("null", new Bolts.Null(false), bolts).localOrShuffleGrouping("source");
            return t;
        }
        t.setSpout("source", new Source(workload, acked), spouts);
        switch (workload) {
            case "id":
                t.setBolt("id", new Bolts.Id(), bolts).localOrShuffleGrouping("source");
                t.setBolt("null", new Bolts.Null(!acked), bolts).localOrShuffleGrouping("id");
                break;
            case "wordcount":
                t.setBolt("split", new Bolts.Split(), bolts).localOrShuffleGrouping("source");
                BoltDeclarer count = t.setBolt("count", new Bolts.Words(!acked), bolts).fieldsGrouping("split", new Fields("word"));
                if (verify) {
                    count.addConfigurations(Bolts.ticks());
                }
                break;
            case "fanin":
                t.setBolt("null", new Bolts.Null(!acked), 1).globalGrouping("source");
                break;
            case "fanout":
                t.setBolt("null", new Bolts.Null(!acked), 4).allGrouping("source");
                break;
            case "fields":
                t.setBolt("null", new Bolts.Null(!acked), bolts).fieldsGrouping("source", new Fields("value"));
                break;
            case "null":
            case "fresh16":
            case "fresh100":
                t.setBolt("null", new Bolts.Null(!acked), bolts).localOrShuffleGrouping("source");
                break;
            default:
                throw new IllegalArgumentException("no workload " + workload);
        }
        return t;
    }

    private static void kill(String name) throws Exception {
        KillOptions now = new KillOptions();
        now.set_wait_secs(0);
        try (NimbusClient nimbus = client()) {
            nimbus.getClient().killTopologyWithOpts(name, now);
        }
    }

    private static void slots(int wanted) throws Exception {
        long end = System.nanoTime() + 60_000_000_000L;
        while (System.nanoTime() < end) {
            try (NimbusClient nimbus = client()) {
                ClusterSummary cluster = nimbus.getClient().getClusterInfo();
                int free = 0;
                for (var supervisor : cluster.get_supervisors()) {
                    free += supervisor.get_num_workers() - supervisor.get_num_used_workers();
                }
                if (free >= wanted) {
                    return;
                }
            } catch (Exception e) {
                // Not up yet; asked again until the deadline.
            }
            Thread.sleep(300);
        }
        throw new IllegalStateException("not " + wanted + " free slots within 60 s");
    }

    private static NimbusClient client() throws Exception {
        return NimbusClient.Builder.withConf(Utils.readStormConfig()).build();
    }
}
