// Where the reader is: the part after `#`, so that any server and any link works.

export interface Route { view: string; id: string }

function read(): Route {
  const parts = location.hash.replace(/^#\/?/, '').split('/');
  return { view: parts[0] || 'cluster', id: decodeURIComponent(parts.slice(1).join('/')) };
}

export class Router {
  route = $state.raw<Route>(read());
  start(): () => void {
    const moved = (): void => { this.route = read(); window.scrollTo(0, 0); };
    addEventListener('hashchange', moved);
    return () => removeEventListener('hashchange', moved);
  }
}

export const topologyHref = (id: string): string => `#/topology/${encodeURIComponent(id)}`;
