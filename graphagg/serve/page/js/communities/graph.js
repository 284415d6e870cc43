/** The structure of a community on a canvas. */

import { color, shape } from "./palette.js";
import { drawnTies } from "./ties.js";

/** Sides of a vertex on which its name may stand, the best first, and the distance between the two. */
const SIDES = [[0, 1], [0, -1], [1, 0], [-1, 0], [1, 1], [-1, 1], [1, -1], [-1, -1]].map(([x, y]) => ({ x, y }));
const HALIGN = ["left", "center", "right"];
const VALIGN = ["top", "center", "bottom"];
const GAP = 3;

let cytoscape = null;

/** The drawing library; it loads when the first picture is needed. */
async function library() {
  cytoscape ??= (await import("../../vendor/cytoscape.esm.min.js")).default;
  return cytoscape;
}

/** Starts loading the library. */
export function prepare() {
  library().catch(() => {}); // Whoever draws meets the same error and says it.
}

export class Picture {
  #place;
  #pick;
  #cy = null;
  #order = [];
  #at = -1;

  /**
   * @param {HTMLElement} place takes the keyboard focus.
   * @param {(vertex: string, opener: HTMLElement) => void} pick opens a vertex.
   */
  constructor(place, pick) {
    this.#place = place;
    this.#pick = pick;
    place.addEventListener("keydown", (event) => this.#key(event));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.#cy?.style(styles(place));
    });
    new ResizeObserver(() => this.#cy?.resize()).observe(place);
  }

  /** Draws; resolves to the number of ties that are drawn. */
  async draw({ vertices, edges }) {
    const make = await library();
    const ties = drawnTies(edges, vertices);
    this.clear();
    this.#order = vertices.map(({ id }) => id);
    this.#cy = make({
      container: this.#place,
      elements: [...nodesOf(vertices), ...ties.map(tie)],
      style: styles(this.#place),
      layout: layout(vertices),
      minZoom: 0.05,
      maxZoom: 4,
      boxSelectionEnabled: false,
      selectionType: "single",
    });
    turn(this.#cy.nodes(), this.#place.clientWidth >= this.#place.clientHeight);
    let writing = 0;
    this.#cy.on("zoom pan", () => {
      clearTimeout(writing);
      writing = setTimeout(() => this.#cy && this.#write(), 80);
    });
    this.#cy.on("tap", "node", (event) => this.#open(event.target.id()));
    this.#cy.on("tap", (event) => event.target === this.#cy && this.mark(null));
    this.fit();
    return ties.length;
  }

  clear() {
    this.#cy?.destroy();
    this.#cy = null;
    this.#at = -1;
  }

  /** Rings a vertex and its ties. */
  mark(vertex) {
    if (!this.#cy) return;
    this.#cy.elements().removeClass("marked");
    if (vertex === null) return;
    const found = this.#cy.getElementById(vertex);
    found.union(found.connectedEdges()).addClass("marked");
    this.#at = this.#order.indexOf(vertex);
  }

  /** Fades all vertices but those of some sub-communities; null shows all. */
  only(belongs) {
    this.#cy?.nodes().forEach((item) => {
      item.toggleClass("faded", belongs !== null && !belongs(item.data("community")));
    });
    this.#cy?.edges().forEach((item) => {
      item.toggleClass("faded", item.connectedNodes(".faded").length > 0);
    });
  }

  fit() {
    if (!this.#cy) return;
    this.#cy.fit(undefined, 28);
    if (this.#cy.zoom() > 1.6) {
      this.#cy.zoom(1.6);
      this.#cy.center();
    }
    this.#write();
  }

  /**
   * Keeps the writing readable at a zoom. A name stands on the first side of its vertex where it is in
   * sight and covers no vertex and no better name; one without such a side is left out. A seed's stands
   * where it covers least.
   */
  #write(zoom = this.#cy.zoom()) {
    const size = 11 / zoom;
    this.#cy.batch(() => {
      this.#cy.nodes().style("font-size", size).removeClass("unnamed");
      this.#cy.nodes(".seed").style("font-size", size * 1.2);
    });
    const seen = this.#cy.extent();
    const isOut = ({ x1, x2, y1, y2 }) => zoom === this.#cy.zoom() && (x1 < seen.x1 || x2 > seen.x2 || y1 < seen.y1 || y2 > seen.y2);
    const items = this.#order.map((vertex) => this.#cy.getElementById(vertex));
    const taken = items.map((item) => item.boundingBox({ includeLabels: false, includeOverlays: false }));
    const placed = items.map((item, own) => {
      const name = item.boundingBox({ includeNodes: false, includeEdges: false, includeOverlays: false });
      const boxes = SIDES.map((side) => beside(taken[own], side, name.w, name.h));
      const isCovered = (box) => (other, i) => i !== own && covers(box, other);
      const isFree = (box) => (isOut(taken[own]) || !isOut(box)) && !taken.some(isCovered(box));
      const counts = item.hasClass("seed") ? boxes.map((box) => taken.filter(isCovered(box)).length) : null;
      const chosen = counts ? counts.indexOf(Math.min(...counts)) : boxes.findIndex(isFree);
      if (chosen >= 0) taken.push(boxes[chosen]);
      return chosen;
    });
    this.#cy.batch(() => items.forEach((item, i) => {
      if (placed[i] < 0) return item.addClass("unnamed");
      const { x, y } = SIDES[placed[i]];
      item.style({ "text-halign": HALIGN[x + 1], "text-valign": VALIGN[y + 1], "text-margin-x": GAP * x, "text-margin-y": GAP * y });
    }));
  }

  zoom(factor) {
    const { clientWidth: width, clientHeight: height } = this.#place;
    this.#cy?.zoom({ level: this.#cy.zoom() * factor, renderedPosition: { x: width / 2, y: height / 2 } });
  }

  /** The picture as a PNG blob, or null if there is none. */
  png() {
    if (!this.#cy) return null;
    const bg = getComputedStyle(this.#place).getPropertyValue("--surface").trim();
    this.#write(1);
    const picture = this.#cy.png({ output: "blob", full: true, scale: 2, bg, maxWidth: 4000, maxHeight: 4000 });
    this.#write();
    return picture;
  }

  #open(vertex) {
    this.mark(vertex);
    this.#pick(vertex, this.#place);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.#cy) return;
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const act = {
      Enter: () => this.#at >= 0 && this.#open(this.#order[this.#at]),
      "+": () => this.zoom(1.25),
      "-": () => this.zoom(0.8),
      0: () => this.fit(),
    }[event.key];
    if (step) this.#step(step);
    else if (act) act();
    else return;
    event.preventDefault();
  }

  #step(step) {
    const n = this.#order.length;
    this.#at = this.#at < 0 ? (step > 0 ? 0 : n - 1) : (this.#at + step + n) % n;
    const vertex = this.#order[this.#at];
    this.mark(vertex);
    const seen = this.#cy.getElementById(vertex).data();
    const about = `${vertex}, ${seen.seed ? "seed" : `place ${seen.rank}`}, group ${seen.community + 1}`;
    this.#place.setAttribute("aria-label", about);
    this.#place.dispatchEvent(new CustomEvent("at", { detail: about }));
  }
}

function nodesOf(vertices) {
  const seeds = vertices.filter((vertex) => vertex.seed).length;
  const best = Math.max(...vertices.map((vertex) => vertex.score ?? 0), 1e-300);
  return vertices.map(({ id, community, seed, score, x, y }, i) => {
    const size = seed ? 34 : 12 + 16 * Math.sqrt(Math.max(0, score ?? 0) / best);
    return {
      data: { id, label: short(id), community, seed, size, rank: i - seeds + 1 },
      position: { x: x * 100, y: y * 100 },
      classes: seed ? "seed" : "",
    };
  });
}

function tie({ source, target, weight, in_graph: joined }) {
  return { data: { source, target, weight, width: 0.6 + 2.4 * weight }, classes: joined === false ? "alike" : "" };
}

/** The box of a name of this width and height on a side of a vertex. */
function beside({ x1, x2, y1, y2 }, { x, y }, w, h) {
  const left = (x1 + x2 - w) / 2 + x * ((x2 - x1 + w) / 2 + GAP);
  const top = (y1 + y2 - h) / 2 + y * ((y2 - y1 + h) / 2 + GAP);
  return { x1: left, x2: left + w, y1: top, y2: top + h };
}

const covers = (a, b) => a.x1 < b.x2 && b.x1 < a.x2 && a.y1 < b.y2 && b.y1 < a.y2;

function short(id) {
  return id.length > 24 ? `${id.slice(0, 23)}…` : id;
}

/** From the service's positions a spring layout spreads what lies close; no chance is in it. */
function layout(vertices) {
  if (vertices.length > 400) return { name: "preset", fit: false };
  return {
    name: "cose",
    animate: false,
    randomize: false,
    fit: false,
    numIter: 400,
    nodeRepulsion: () => 12_000,
    idealEdgeLength: () => 46,
    nodeOverlap: 8,
    componentSpacing: 60,
    gravity: 0.6,
  };
}

/** Turns the picture so that it lies (or stands) along its longest direction, as the place does. */
function turn(nodes, lying) {
  const at = nodes.map((item) => item.position());
  const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
  const [mx, my] = [mean(at.map(({ x }) => x)), mean(at.map(({ y }) => y))];
  const moment = (f) => mean(at.map(({ x, y }) => f(x - mx, y - my)));
  const angle = 0.5 * Math.atan2(2 * moment((x, y) => x * y), moment((x, y) => x * x - y * y));
  const by = lying ? -angle : Math.PI / 2 - angle;
  const [cos, sin] = [Math.cos(by), Math.sin(by)];
  nodes.positions((item) => {
    const { x, y } = item.position();
    return { x: (x - mx) * cos - (y - my) * sin, y: (x - mx) * sin + (y - my) * cos };
  });
}

/** Cytoscape's styles, in the colors of the page. */
function styles(place) {
  const css = getComputedStyle(place);
  const of = (name) => css.getPropertyValue(name).trim();
  return [
    {
      selector: "node",
      style: {
        label: "data(label)",
        width: "data(size)",
        height: "data(size)",
        "background-color": (item) => color(item.data("community")),
        shape: (item) => shape(item.data("community")),
        "border-width": 1,
        "border-color": of("--surface"),
        color: of("--text"),
        "font-family": "system-ui, sans-serif",
        "font-size": 9,
        "text-valign": "bottom",
        "text-margin-y": 3,
        "text-outline-color": of("--surface"),
        "text-outline-width": 2,
      },
    },
    {
      selector: "edge",
      style: { width: "data(width)", "line-color": of("--tie"), "curve-style": "haystack", opacity: 0.7 },
    },
    { selector: "edge.alike", style: { "curve-style": "bezier", "line-style": "dashed", opacity: 0.6 } },
    {
      selector: "node.seed",
      style: {
        "border-width": 3,
        "border-color": of("--text"),
        "font-size": 12,
        "font-weight": "bold",
        "z-index": 10,
      },
    },
    { selector: "node.unnamed", style: { "text-opacity": 0 } },
    { selector: ".faded", style: { opacity: 0.12 } },
    {
      selector: "node.marked",
      style: { "overlay-color": of("--accent"), "overlay-opacity": 0.3, "overlay-padding": 5, "text-opacity": 1, "font-weight": "bold", "z-index": 20 },
    },
    { selector: "edge.marked", style: { "line-color": of("--accent"), opacity: 1 } },
  ];
}
