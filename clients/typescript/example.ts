/** Checked by `make client`: paths, bodies and answers have their types. */
import { createClient, ServiceError, type Schemas } from "./index.js";

const client = createClient({ baseUrl: "http://127.0.0.1:8321", token: "t" });

const found = await client.post("/v1/passages/search", { question: "Who led the works?", k: 3 });
const hits: Schemas["PassageHit"][] = found.hits;
const listed = await client.get("/v1/communities/vertices", { prefix: "Val" });
const first: string | number | undefined = listed.vertices[0]?.id;
const info = await client.get("/v1/info");

// @ts-expect-error the question is missing
void client.post("/v1/passages/search", { k: 3 });
// @ts-expect-error there is no such path
void client.get("/v1/nothing");
// @ts-expect-error an answer has no such field
void found.answers;

export { first, hits, info, ServiceError };
