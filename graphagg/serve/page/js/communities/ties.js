/**
 * Which ties of a structure are drawn. Among much alike vertices nearly all pairs are tied: all of
 * them would be a blot. Drawn are a spanning forest, so that what hangs together is seen to
 * hang together, the edges of seeds, and the strongest few of every vertex: edges of the graph before
 * pairs that are only alike.
 */

const STRONGEST = 4;
const MOST = 1_200;

/**
 * @param {{source: string, target: string, weight: number, in_graph: boolean}[]} edges of the structure.
 * @param {{id: string, seed: boolean}[]} vertices of the structure.
 */
export function drawnTies(edges, vertices = []) {
  const seeds = new Set(vertices.filter(({ seed }) => seed).map(({ id }) => id));
  const first = ({ source, target, in_graph: joined }) => joined && (seeds.has(source) || seeds.has(target));
  const rank = (edge) => (first(edge) ? 0 : edge.in_graph ? 1 : 2);
  const ordered = edges
    .map((edge) => ({ edge, rank: rank(edge), chance: mixed(edge.source, edge.target) }))
    // Of equal weights, as in a clique, an even choice: first come would make one vertex a hub.
    .sort((a, b) => a.rank - b.rank || b.edge.weight - a.edge.weight || a.chance - b.chance)
    .map(({ edge }) => edge);
  const forest = spanning(ordered);
  const used = new Map();
  const taken = ordered.filter((edge) => {
    if (first(edge)) return true;
    const [a, b] = [used.get(edge.source) ?? 0, used.get(edge.target) ?? 0];
    if (!forest.has(edge) && (a >= STRONGEST || b >= STRONGEST)) return false;
    used.set(edge.source, a + 1);
    used.set(edge.target, b + 1);
    return true;
  });
  const more = Math.max(0, MOST - forest.size);
  let others = 0;
  return taken.filter((edge) => forest.has(edge) || (others += 1) <= more);
}

/** Kruskal's forest of edges that come heaviest first. */
function spanning(ordered) {
  const parent = new Map();
  const root = (vertex) => {
    let at = vertex;
    while (parent.has(at)) at = parent.get(at);
    if (at !== vertex) parent.set(vertex, at);
    return at;
  };
  return new Set(
    ordered.filter(({ source, target }) => {
      const [a, b] = [root(source), root(target)];
      if (a === b) return false;
      parent.set(a, b);
      return true;
    }),
  );
}

/** A 32-bit number from two texts (FNV-1a), the same on every machine. */
function mixed(source, target) {
  let hash = 0x811c9dc5;
  for (const character of `${source}\n${target}`) {
    hash = Math.imul(hash ^ character.codePointAt(0), 0x01000193);
  }
  return hash >>> 0;
}
