/** What every store must hold to, on a real Elasticsearch. */

import { testElasticsearch } from "../../services/elasticsearch.ts";
import { testElasticsearchContract } from "./contract.ts";

const server = await testElasticsearch();

testElasticsearchContract("Elasticsearch", () => server.url());
