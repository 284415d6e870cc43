/** Asks for a community and its structure; ids become strings, whatever the graph's are. */

import * as api from "../api.js";

/** @returns members, best first, and how they were found. */
export async function members(state, signal) {
  const answer = await api.community(request(state), signal);
  return {
    ...answer,
    members: answer.members.map((member) => ({
      ...member,
      id: String(member.id),
      reason: member.reason.map((shared) => ({ ...shared, seed: String(shared.seed) })),
    })),
  };
}

/** @returns the vertices with their place and sub-community, and the ties between them. */
export async function structure(state, signal) {
  const { vertices, edges } = await api.structure(request(state), signal);
  const sizes = [];
  for (const { community } of vertices) sizes[community] = (sizes[community] ?? 0) + 1;
  return {
    communities: sizes.map((size, id) => ({ id, size })),
    vertices: vertices.map((vertex) => ({ ...vertex, id: String(vertex.id) })),
    edges: edges.map((edge) => ({ ...edge, source: String(edge.source), target: String(edge.target) })),
  };
}

function request({ seeds, method, size }) {
  return { seeds, k: size, method };
}
