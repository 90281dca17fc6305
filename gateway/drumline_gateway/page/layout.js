// A drawing of a graph in layers, from the top down. Pure: the same graph is always drawn the same.

export const SIZE = { height: 34, gapX: 28, gapY: 38, char: 7.4, pad: 26, min: 64, max: 210, margin: 18 };

const SWEEPS = 6;

// nodes: [{id, label}], edges: [{source, target, conditional, label}]
// -> {width, height, nodes: [{id, label, x, y, width, height}], edges: [{...edge, points: [[x, y]...], back}]}
export function layout(nodes, edges) {
  const known = new Map(nodes.map((node, index) => [node.id, index]));
  const wanted = edges.filter((edge) => known.has(edge.source) && known.has(edge.target));
  const forward = turned(nodes, wanted);
  const rank = ranks(nodes, forward);
  const { layers, chains } = layered(nodes, forward, rank);
  order(layers, chains);
  return placed(nodes, layers, chains, forward);
}

export function widthOf(label) {
  return Math.min(SIZE.max, Math.max(SIZE.min, label.length * SIZE.char + SIZE.pad));
}

// Edges that would close a circle are turned round (`back`); an edge to itself has no direction (`self`).
function turned(nodes, edges) {
  const out = new Map(nodes.map((node) => [node.id, []]));
  for (const edge of edges) out.get(edge.source).push(edge);
  const state = new Map();
  const back = new Set();
  for (const root of nodes) {
    if (state.has(root.id)) continue;
    const stack = [[root.id, 0]];
    state.set(root.id, "open");
    while (stack.length) {
      const top = stack[stack.length - 1];
      const edge = out.get(top[0])[top[1]++];
      if (edge === undefined) {
        state.set(top[0], "done");
        stack.pop();
      } else if (state.get(edge.target) === "open") {
        back.add(edge);
      } else if (!state.has(edge.target)) {
        state.set(edge.target, "open");
        stack.push([edge.target, 0]);
      }
    }
  }
  return edges.map((edge) => ({
    edge, self: edge.source === edge.target, back: back.has(edge),
    from: back.has(edge) ? edge.target : edge.source, to: back.has(edge) ? edge.source : edge.target,
  }));
}

// The longest way from above decides how far down a node stands.
function ranks(nodes, forward) {
  const rank = new Map(nodes.map((node) => [node.id, 0]));
  const incoming = new Map(nodes.map((node) => [node.id, 0]));
  const out = new Map(nodes.map((node) => [node.id, []]));
  for (const { from, to, self } of forward) {
    if (self) continue;
    incoming.set(to, incoming.get(to) + 1);
    out.get(from).push(to);
  }
  const ready = nodes.map((node) => node.id).filter((id) => incoming.get(id) === 0);
  while (ready.length) {
    const id = ready.shift();
    for (const to of out.get(id)) {
      rank.set(to, Math.max(rank.get(to), rank.get(id) + 1));
      incoming.set(to, incoming.get(to) - 1);
      if (incoming.get(to) === 0) ready.push(to);
    }
  }
  return rank;
}

// Layers of cells. A chain is the cells that an edge passes, from its upper node to its lower one.
function layered(nodes, forward, rank) {
  const layers = [];
  const cell = (at, width, id) => {
    const made = { at, width, id, index: 0, x: 0 };
    (layers[at] ??= []).push(made);
    return made;
  };
  const cells = new Map(nodes.map((node) => [node.id, cell(rank.get(node.id), widthOf(node.label), node.id)]));
  const chains = forward.map((edge) => {
    if (edge.self) return [cells.get(edge.from)];
    const chain = [cells.get(edge.from)];
    for (let at = rank.get(edge.from) + 1; at < rank.get(edge.to); at++) chain.push(cell(at, 8, null));
    return [...chain, cells.get(edge.to)];
  });
  const filled = layers.filter(Boolean);
  filled.forEach((layer, at) => layer.forEach((each, index) => Object.assign(each, { at, index })));
  return { layers: filled, chains };
}

// Each layer by the mean place of its neighbours above, then below, and again: fewer edges cross.
function order(layers, chains) {
  const above = new Map();
  const below = new Map();
  const add = (map, cell, other) => map.set(cell, [...(map.get(cell) ?? []), other]);
  for (const chain of chains) {
    for (let at = 1; at < chain.length; at++) {
      add(above, chain[at], chain[at - 1]);
      add(below, chain[at - 1], chain[at]);
    }
  }
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const near = sweep % 2 ? below : above;
    for (const layer of sweep % 2 ? [...layers].reverse() : layers) {
      const mean = new Map(layer.map((cell) => [cell, meanOf(near.get(cell), cell.index)]));
      layer.sort((a, b) => mean.get(a) - mean.get(b) || a.index - b.index);
      layer.forEach((cell, index) => (cell.index = index));
    }
  }
}

function meanOf(cells, otherwise) {
  return cells?.length ? cells.reduce((sum, cell) => sum + cell.index, 0) / cells.length : otherwise;
}

function placed(nodes, layers, chains, forward) {
  const widths = layers.map((layer) => layer.reduce((sum, cell) => sum + cell.width + SIZE.gapX, -SIZE.gapX));
  const inner = widths.reduce((a, b) => Math.max(a, b), 0);
  layers.forEach((layer, at) => {
    let x = SIZE.margin + (inner - widths[at]) / 2;
    for (const cell of layer) {
      cell.x = x + cell.width / 2;
      cell.y = SIZE.margin + SIZE.height / 2 + at * (SIZE.height + SIZE.gapY);
      x += cell.width + SIZE.gapX;
    }
  });
  const labels = new Map(nodes.map((node) => [node.id, node.label]));
  const cells = layers.flat();
  const right = SIZE.margin + inner;
  const loops = forward.filter(({ self }) => self).length;
  return {
    width: right + SIZE.margin + (loops ? 30 : 0),
    height: 2 * SIZE.margin + layers.length * (SIZE.height + SIZE.gapY) - (layers.length ? SIZE.gapY : 0),
    nodes: cells
      .filter((cell) => cell.id !== null)
      .map((cell) => ({
        id: cell.id, label: labels.get(cell.id), x: cell.x, y: cell.y, width: cell.width, height: SIZE.height,
      })),
    edges: forward.map((way, index) => ({ ...way.edge, back: way.back, self: way.self, points: points(chains[index], way) })),
  };
}

function points(chain, way) {
  if (way.self) {
    const { x, y, width } = chain[0];
    const edge = x + width / 2;
    return [[edge, y - 8], [edge + 24, y - 8], [edge + 24, y + 8], [edge, y + 8]];
  }
  const shift = way.back ? 12 : 0; // so that it does not lie on the edge that goes the other way
  const line = chain.map((cell, at) => {
    const y = at === 0 ? cell.y + SIZE.height / 2 : at === chain.length - 1 ? cell.y - SIZE.height / 2 : cell.y;
    return [cell.x + shift, y];
  });
  return way.back ? line.reverse() : line;
}
