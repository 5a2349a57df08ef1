// A termination warning as a story: what Nimbus wrote about one node, from the notice to drained.
import type { Event } from './api';

/** `passed`: not told itself (Nimbus was away, say), but a later one was. */
export interface Step { kind: string; title: string; time_ms: number | null; after_s: number | null; text: string; passed: boolean }
export interface Story { node: string; begun_ms: number; deadline_ms: number | null; steps: Step[]; done: boolean }

/** The steps in their order, with what they are called here. Nimbus cordons a node with its notice. */
const STEPS: [string, string][] = [
  ['notice', 'Notice, cordoned'],
  ['moving', 'Replacements start'],
  ['standby_ready', 'Standby ready'],
  ['switched', 'Switched'],
  ['drained', 'Drained'],
];
/** Steps that not every Nimbus tells: shown when told. */
const PERHAPS = new Set(['standby_ready']);

/** Stories of the newest warnings first. Moves are told by topology, so they count for the warning that is open then. */
export function stories(events: Event[]): Story[] {
  const found: Story[] = [];
  for (const [at, notice] of events.entries()) {
    if (notice.kind !== 'notice') continue;
    const rest = events.slice(at);
    const end = rest.findIndex((e) => e.node === notice.node && (e.kind === 'drained' || e.kind === 'retracted'));
    const own = end < 0 ? rest : rest.slice(0, end + 1);
    const told = STEPS.filter(([kind]) => !PERHAPS.has(kind) || own.some((e) => e.kind === kind));
    const steps = told.map(([kind, title]): Step => {
      const mine = own.filter((e) => e.kind === kind && (e.node === notice.node || e.node === ''));
      // The last of several topologies' moves is when the step was over.
      const e = kind === 'notice' ? notice : mine.at(-1);
      return { kind, title, time_ms: e?.time_ms ?? null, after_s: e ? (e.time_ms - notice.time_ms) / 1_000 : null, text: e?.text ?? '', passed: false };
    });
    for (const [i, step] of steps.entries()) step.passed = step.time_ms === null && steps.slice(i + 1).some((s) => s.time_ms !== null);
    const deadline = /\b\d{13}\b/.exec(notice.text);
    found.push({ node: notice.node, begun_ms: notice.time_ms, deadline_ms: deadline ? Number(deadline[0]) : null, steps, done: end >= 0 });
  }
  return found.reverse();
}
