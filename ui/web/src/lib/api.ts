// What the server answers, and how it is asked.

export interface Notice { kind: 'termination' | 'advice'; deadline_ms: number | null; source: string }
export interface Slot { port: number; state: string; topology: string; pid: number }
export interface Supervisor {
  id: string; host: string; port: number; uptime_s: number; version: string;
  state: 'ready' | 'cordoned' | 'draining' | 'drained' | 'lost';
  slots_total: number; slots_used: number; slots: Slot[]; notices: Notice[];
  instance_type: string; zone: string; life_cycle: string; memory_mb: number; cpu_percent: number;
}
export interface TopologySummary {
  id: string; name: string; status: string; uptime_s: number; tasks: number; executors: number; workers: number;
  health: 'ok' | 'degraded' | 'waiting' | 'errors'; health_reason: string; endures_losses: number;
}
export interface Cluster {
  now_ms: number; query: boolean;
  nimbus: { host: string; port: number; version: string; uptime_s: number };
  supervisors: Supervisor[]; topologies: TopologySummary[];
}
export interface Event { seq: number; time_ms: number; kind: string; topology: string; node: string; text: string }
export interface GraphNode {
  id: string; kind: 'spout' | 'bolt'; executors: number; tasks: number; capacity: number; queue_fill: number;
  execute_ms: number | null; process_ms: number | null; complete_ms: number | null;
  emitted_per_s: number; executed_per_s: number; acked_per_s: number; failed_per_s: number; pending: number;
}
export interface Edge { from: string; stream: string; to: string; grouping: string; tuples_per_s: number }
export interface Executor {
  component: string; first_task: number; last_task: number; host: string; port: number; node: string; uptime_s: number;
  capacity: number; queue_fill: number; pending: number; execute_ms: number; complete_ms: number;
  emitted_per_s: number; executed_per_s: number; acked_per_s: number; failed_per_s: number;
}
export interface Worker {
  node: string; host: string; port: number; registered: boolean; uptime_s: number; memory_mb: number;
  cpu_percent: number; executors: number;
}
export interface ComponentError { component: string; task: number; time_ms: number; error: string; host: string; port: number }
export interface Topology {
  now_ms: number; summary: TopologySummary; nodes: GraphNode[]; edges: Edge[]; executors: Executor[];
  workers: Worker[]; errors: ComponentError[]; assignment_version: number | null;
}
// Of Storm's own page: the rows of its components tables.
export interface SpoutRow {
  spoutId: string; executors: number; tasks: number; emitted: number; transferred: number; acked: number; failed: number;
  completeLatency: string;
}
export interface BoltRow {
  boltId: string; executors: number; tasks: number; emitted: number; transferred: number; acked: number; failed: number;
  executed: number; capacity: string; executeLatency: string; processLatency: string;
}
export interface StormTopology { windowHint: string; spouts: SpoutRow[]; bolts: BoltRow[] }

export interface Estimate {
  time_ms: number; metric: string; org: string; site: string; ap: string; band: string; wlan: string; client: string;
  value: number; unit: string; good_ms: number; bad_ms: number; classifier: string; model: string;
}
export interface Aggregate {
  entity: string; window_start_ms: number; window_ms: number; count: number; mean: number | null; min: number; max: number;
  good_ms: number; bad_ms: number; sle: number | null;
}
export interface Anomaly {
  id: string; metric: string; grouping: string; entity: string; window_start_ms: number; window_ms: number;
  value: number; expected: number; score: number; direction: string; model: string;
  causes: { grouping: string; entity: string; share: number }[];
}
export interface Page<T> { results: T[]; next?: string | null }

/** A failure with what the server said, and whether it was reached at all. */
export class Failure extends Error {
  constructor(message: string, readonly remedy = '', readonly reached = true) { super(message); }
}

/** A request that has not been answered by then has failed. */
const PATIENCE_MS = 8_000;

async function ask(path: string, init: RequestInit = {}): Promise<unknown> {
  let answer: Response;
  try {
    answer = await fetch(path, { ...init, signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch {
    throw new Failure('The server of this page does not answer.', 'Is `fulmar ui` still running?', false);
  }
  const body: unknown = await answer.json().catch(() => null);
  if (answer.ok) return body;
  const said = (body ?? {}) as { message?: string; errorMessage?: string; remedy?: string };
  throw new Failure(said.message ?? said.errorMessage ?? `status ${answer.status}`, said.remedy ?? '');
}

export const get = <T>(path: string): Promise<T> => ask(path) as Promise<T>;
export const post = (path: string): Promise<unknown> => ask(path, { method: 'POST' });
