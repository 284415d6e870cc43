/** The page of the API, made from the service's own document. */

import { byId, h, put } from "./dom.js";
import { askToken, storedToken } from "./token.js";

async function read() {
  let token = storedToken();
  for (;;) {
    const headers = token ? { authorization: `Bearer ${token}` } : {};
    const response = await fetch("openapi.json", { headers, credentials: "same-origin" });
    if (response.status !== 401) return response.json();
    token = await askToken(Boolean(token));
    if (!token) throw new Error("The service asks for a token.");
  }
}

function resolved(document, schema) {
  if (!schema?.$ref) return schema ?? {};
  return document.components.schemas[schema.$ref.split("/").at(-1)] ?? {};
}

function typeOf(document, schema) {
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.anyOf) return schema.anyOf.map((each) => typeOf(document, each)).join(" | ");
  if (schema.type === "array") return `list of ${typeOf(document, schema.items ?? {})}`;
  return schema.type ?? "any";
}

function table(document, rows) {
  const cells = rows.map(({ name, schema, required, about }) =>
    h("tr", {}, h("th", { scope: "row" }, h("code", {}, name), required ? "" : h("span", { class: "quiet" }, " optional")), h("td", {}, h("code", {}, typeOf(document, schema))), h("td", {}, about ?? schema.description ?? "", schema.default !== undefined && schema.default !== null ? h("span", { class: "quiet" }, ` Default ${JSON.stringify(schema.default)}.`) : "")),
  );
  return h("div", { class: "table", tabindex: "0", role: "group", "aria-label": "Fields" }, h("table", {}, h("tbody", {}, cells)));
}

function fields(document, schema) {
  const { properties = {}, required = [] } = resolved(document, schema);
  return Object.entries(properties).map(([name, each]) => ({ name, schema: each, required: required.includes(name) }));
}

function operation(document, path, method, about) {
  const body = about.requestBody?.content?.["application/json"]?.schema;
  const answer = about.responses?.[200]?.content?.["application/json"]?.schema;
  const parameters = (about.parameters ?? []).map((each) => ({ ...each, about: each.description }));
  const sent = method === "get" ? "" : ` -X ${method.toUpperCase()}${body ? " -H 'Content-Type: application/json' -d '{…}'" : ""}`;
  return h(
    "details",
    { class: "operation" },
    h("summary", {}, h("span", { class: "method" }, method.toUpperCase()), h("code", {}, path), h("span", { class: "quiet" }, about.description?.split("\n")[0] ?? about.summary ?? "")),
    h(
      "div",
      {},
      about.description?.includes("\n") ? h("p", {}, about.description) : null,
      parameters.length ? [h("h3", {}, "Parameters"), table(document, parameters)] : null,
      body ? [h("h3", {}, "Body"), table(document, fields(document, body))] : null,
      answer ? [h("h3", {}, "Answer"), table(document, fields(document, answer))] : null,
      h("pre", { tabindex: "0" }, h("code", {}, `curl${sent} ${location.origin}${location.pathname.replace(/docs$/, "")}${path.slice(1)}`)),
    ),
  );
}

async function start() {
  try {
    const document = await read();
    byId("version").textContent = `v${document.info.version}`;
    const groups = new Map();
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const [method, about] of Object.entries(methods)) {
        const below = path.includes("/collections/{name}/") && !about.tags?.includes("collections") ? " of a collection" : "";
        const tag = `${about.tags?.[0] ?? "other"}${below}`;
        groups.set(tag, [...(groups.get(tag) ?? []), operation(document, path, method, about)]);
      }
    }
    put(byId("operations"), [...groups].map(([tag, operations]) => h("section", {}, h("h2", {}, tag), operations)));
  } catch (error) {
    put(byId("notice"), h("p", { class: "notice" }, error.message));
  }
}

start();
