// The graph in layers: each component right of those it listens to, ordered so that few lines cross.
import type { Edge, GraphNode } from './api';

export interface Placed { node: GraphNode; x: number; y: number }
export interface Line { edge: Edge; path: string; x: number; y: number }
export interface Layout { nodes: Placed[]; lines: Line[]; width: number; height: number }

export const BOX = { width: 190, height: 84 };
const GAP = { x: 130, y: 34 };
const MARGIN = 14;
/** Times that the order is improved; more changes nothing for graphs that fit a screen. */
const SWEEPS = 8;

/** Longest path from a source; edges that close a cycle are left out of it. */
function ranks(nodes: GraphNode[], edges: Edge[]): Map<string, number> {
  const rank = new Map<string, number>();
  const under = new Set<string>();
  const into = new Map<string, string[]>();
  for (const e of edges) into.set(e.to, [...(into.get(e.to) ?? []), e.from]);
  const of = (id: string): number => {
    const known = rank.get(id);
    if (known !== undefined) return known;
    if (under.has(id)) return -1;
    under.add(id);
    const r = 1 + Math.max(-1, ...(into.get(id) ?? []).map(of));
    under.delete(id);
    rank.set(id, r);
    return r;
  };
  nodes.forEach((n) => of(n.id));
  return rank;
}

/** Orders each layer by the middle of its neighbours in the layer before (and after, on the way back). */
function order(layers: string[][], edges: Edge[]): void {
  const near = (id: string, others: string[]): number => {
    const at = edges.flatMap((e) => (e.to === id ? [others.indexOf(e.from)] : e.from === id ? [others.indexOf(e.to)] : [])).filter((i) => i >= 0);
    return at.length ? at.reduce((a, b) => a + b, 0) / at.length : -1;
  };
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const back = sweep % 2 === 1;
    for (let k = 1; k < layers.length; k++) {
      const here = layers[back ? layers.length - 1 - k : k] ?? [];
      const other = layers[back ? layers.length - k : k - 1] ?? [];
      const middle = new Map(here.map((id, i) => { const m = near(id, other); return [id, m < 0 ? i : m]; }));
      here.sort((a, b) => (middle.get(a) ?? 0) - (middle.get(b) ?? 0));
    }
  }
}

/** Places every component; `upright` puts layers below one another, for narrow screens. */
export function layout(nodes: GraphNode[], edges: Edge[], upright: boolean): Layout {
  const rank = ranks(nodes, edges);
  const layers: string[][] = [];
  for (const n of nodes) (layers[rank.get(n.id) ?? 0] ??= []).push(n.id);
  for (let i = 0; i < layers.length; i++) layers[i] ??= [];
  order(layers, edges);
  const along = upright ? BOX.height + 64 : BOX.width + GAP.x;
  const across = upright ? BOX.width + 18 : BOX.height + GAP.y;
  const most = Math.max(1, ...layers.map((l) => l.length));
  const by = new Map(nodes.map((n) => [n.id, n]));
  const at = new Map<string, Placed>();
  layers.forEach((layer, k) => layer.forEach((id, i) => {
    const node = by.get(id);
    if (!node) return;
    const side = ((most - layer.length) / 2 + i) * across + MARGIN;
    const depth = k * along + MARGIN;
    at.set(id, { node, x: upright ? side : depth, y: upright ? depth : side });
  }));
  const deep = layers.length * along - (upright ? 64 : GAP.x) + 2 * MARGIN;
  const wide = most * across - (upright ? 18 : GAP.y) + 2 * MARGIN;
  return {
    nodes: [...at.values()],
    lines: edges.flatMap((e) => line(e, at, edges, upright)),
    width: upright ? wide : deep,
    height: upright ? deep : wide,
  };
}

/** A curve from box to box; several streams between the same two are spread a little. */
function line(edge: Edge, at: Map<string, Placed>, edges: Edge[], upright: boolean): Line[] {
  const [a, b] = [at.get(edge.from), at.get(edge.to)];
  if (!a || !b) return [];
  const twins = edges.filter((e) => e.from === edge.from && e.to === edge.to);
  const off = (twins.indexOf(edge) - (twins.length - 1) / 2) * 24;
  const [x1, y1] = upright ? [a.x + BOX.width / 2 + off, a.y + BOX.height] : [a.x + BOX.width, a.y + BOX.height / 2 + off];
  const [x2, y2] = upright ? [b.x + BOX.width / 2 + off, b.y] : [b.x, b.y + BOX.height / 2 + off];
  const [mx, my] = [(x1 + x2) / 2, (y1 + y2) / 2];
  const path = upright ? `M${x1} ${y1}C${x1} ${my} ${x2} ${my} ${x2} ${y2}` : `M${x1} ${y1}C${mx} ${y1} ${mx} ${y2} ${x2} ${y2}`;
  return [{ edge, path, x: mx, y: my }];
}
