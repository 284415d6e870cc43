import type { components, paths } from "./schema.js";

/** The models of requests and answers, by name: `Schemas["SearchAnswer"]`. */
export type Schemas = components["schemas"];

type Json<T> = T extends { content: { "application/json": infer Body } } ? Body : never;
type Verb = "get" | "post" | "put" | "delete";
type With<Method extends Verb> = {
  [Path in keyof paths]: paths[Path] extends { [M in Method]: object } ? Path : never;
}[keyof paths];
type Operation<Path extends keyof paths, Method extends Verb> = paths[Path] extends {
  [M in Method]: infer Found;
}
  ? Found
  : never;
type Answer<Found> = Found extends { responses: { 200: infer Given } | { 201: infer Given } } ? Json<Given> : never;
type Body<Found> = Found extends { requestBody: infer Wanted } ? Json<Wanted> : never;
type Query<Found> = Found extends { parameters: { query: infer Wanted } }
  ? Wanted
  : Found extends { parameters: { query?: infer Wanted } }
    ? Wanted | undefined
    : never;

/** A refusal of the service. */
export declare class ServiceError extends Error {
  /** Of the answer. */
  readonly status: number;
  /** Name of the error, such as `UnknownVertex`. */
  readonly type: string;
}

/** What the braces of a path stand for, such as `{ name: "handbook" }`. */
export type Names = Record<string, string>;

export interface Client {
  /** What a path answers; rejects with `ServiceError`. */
  get<Path extends With<"get">>(
    path: Path,
    ...query: [Query<Operation<Path, "get">>] extends [never | undefined]
      ? [query?: Record<string, never>, names?: Names]
      : [query: Query<Operation<Path, "get">>, names?: Names]
  ): Promise<Answer<Operation<Path, "get">>>;
  /** What a path answers to a body; rejects with `ServiceError`. */
  post<Path extends With<"post">>(
    path: Path,
    body: Body<Operation<Path, "post">>,
    names?: Names,
  ): Promise<Answer<Operation<Path, "post">>>;
  /** The same for a replacement. */
  put<Path extends With<"put">>(
    path: Path,
    body: Body<Operation<Path, "put">>,
    names?: Names,
  ): Promise<Answer<Operation<Path, "put">>>;
  /** What is gone then. */
  delete<Path extends With<"delete">>(
    path: Path,
    names?: Names,
  ): Promise<Answer<Operation<Path, "delete">>>;
  /** Add files to a collection; `told` hears of the progress. */
  upload(
    name: string,
    files: { name: string; content: string | Blob }[],
    told?: (progress: { stage: string; done: number; total: number }) => void,
  ): Promise<Schemas["WriteAnswer"]>;
}

/** A client of the service at `baseUrl`. */
export declare function createClient(options: {
  baseUrl: string;
  token?: string;
  fetch?: typeof globalThis.fetch;
}): Client;
