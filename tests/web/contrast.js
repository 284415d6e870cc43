// Every text that is shown, against what lies behind it: those with less contrast than WCAG 2.2
// (1.4.3) asks for, with the ratio. The body of a function.
const parse = (color) => {
  const values = color.match(/[\d.]+/g).map(Number);
  return [...values.slice(0, 3), values[3] ?? 1];
};
const over = ([r, g, b, a], [R, G, B]) =>
  [[r, R], [g, G], [b, B]].map(([above, below]) => above * a + below * (1 - a));
const linear = (value) =>
  value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4;
const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
const behind = (element) => {
  const layers = [];
  for (let at = element; at; at = at.parentElement) {
    layers.push(parse(getComputedStyle(at).backgroundColor));
    if (layers.at(-1)[3] === 1) break;
  }
  return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
};
const reads = (element) =>
  [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim()) ||
  (element.matches("input") && (element.value || element.placeholder));
const passed = ":disabled, .skip, .toast, .hidden, option, #graph *";
const poor = [];
for (const element of document.querySelectorAll("body *")) {
  if (!reads(element) || !element.checkVisibility() || element.matches(passed)) continue;
  const style = getComputedStyle(element);
  const size = parseFloat(style.fontSize);
  const back = behind(element);
  const [dark, bright] = [light(back), light(over(parse(style.color), back))].sort((a, b) => a - b);
  const ratio = (bright + 0.05) / (dark + 0.05);
  const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
  if (ratio < (large ? 3 : 4.5)) poor.push([ratio.toFixed(2), element.outerHTML.slice(0, 90)]);
}
return poor;
