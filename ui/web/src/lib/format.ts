// Numbers and times for people.

/** `1d 2h`, `3m 4s`: the two largest units. */
export function span(secs: number): string {
  const s = Math.max(0, Math.floor(secs));
  const parts: [number, string][] = [[Math.floor(s / 86_400), 'd'], [Math.floor(s / 3_600) % 24, 'h'], [Math.floor(s / 60) % 60, 'm'], [s % 60, 's']];
  const first = parts.findIndex(([n]) => n > 0);
  if (first < 0) return '0s';
  return parts.slice(first, first + 2).map(([n, u]) => `${n}${u}`).join(' ');
}

/** `12`, `1.2 k`, `3.4 M`. */
export function count(n: number): string {
  if (!Number.isFinite(n)) return '–';
  const a = Math.abs(n);
  if (a >= 1e9) return `${trim(n / 1e9)} G`;
  if (a >= 1e6) return `${trim(n / 1e6)} M`;
  if (a >= 1e4) return `${trim(n / 1e3)} k`;
  return trim(n);
}

function trim(n: number): string {
  const a = Math.abs(n);
  if (a >= 100 || Number.isInteger(n)) return Math.round(n).toLocaleString('en');
  return n.toFixed(a >= 10 ? 1 : 2).replace(/\.?0+$/, '');
}

/** Milliseconds as `0.034 ms`, `12 ms`, `1.2 s`; a dash for none. */
export function millis(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return '–';
  if (ms >= 1_000) return `${trim(ms / 1_000)} s`;
  if (ms >= 10) return `${ms.toFixed(0)} ms`;
  return `${ms.toFixed(ms >= 1 ? 1 : 3)} ms`;
}

export const percent = (share: number): string => `${(share * 100).toFixed(share < 0.1 && share > 0 ? 1 : 0)} %`;

const two = (n: number): string => String(n).padStart(2, '0');

/** The time of day where the reader is, with seconds. */
export function clock(ms: number): string {
  const d = new Date(ms);
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

/** Time of day without seconds, with the day where it is not today. */
export function moment(ms: number): string {
  const d = new Date(ms);
  const day = d.toDateString() === new Date().toDateString() ? '' : `${two(d.getMonth() + 1)}-${two(d.getDate())} `;
  return `${day}${two(d.getHours())}:${two(d.getMinutes())}`;
}

const TIME = /\b1[6-9]\d{11}\b|\b2\d{12}\b/g;
const UUID = /\b([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{8}([0-9a-f]{4})\b/g;

/** Addresses of nodes by their ids, as the last answer of the cluster had them: people know machines by those. */
const addresses = new Map<string, string>();
export function know(nodes: { id: string; host: string; port: number }[]): void {
  for (const n of nodes) addresses.set(n.id, `${n.host}:${n.port}`);
}
export const nodeName = (id: string): string => addresses.get(id) ?? short(id);

/** Nimbus writes times as milliseconds since 1970 and nodes by their whole ids; people read the time of day, and short names. */
export const readable = (text: string): string => text.replace(TIME, (ms) => clock(Number(ms))).replace(UUID, (id) => nodeName(id));

/** Integers of the wire, in units for people. */
export function measured(value: number, metric: string): string {
  if (metric === 'throughput') return `${trim(value / 1_000)} Mbit/s`;
  if (metric === 'capacity') return `${(value / 10).toFixed(1)} % of airtime`;
  if (metric === 'coverage') return `${(value / 10).toFixed(1)} dB spare`;
  return count(value);
}

export const short = (id: string): string => (id.length > 18 ? `${id.slice(0, 8)}…${id.slice(-4)}` : id);
