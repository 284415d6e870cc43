/**
 * Colors of sub-communities: Okabe and Ito's, which people with any color vision tell apart.
 * Shapes differ too, for print and for those who see no color at all.
 */

const COLORS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442"];
const SHAPES = ["ellipse", "round-rectangle", "diamond", "triangle", "hexagon"];

/** Sub-communities that have a color of their own; the others are gray. */
export const DISTINCT = COLORS.length;
export const REST = "#8b93a1";

export function color(community) {
  return COLORS[community] ?? REST;
}

export function shape(community) {
  return community < DISTINCT ? SHAPES[community % SHAPES.length] : "ellipse";
}
