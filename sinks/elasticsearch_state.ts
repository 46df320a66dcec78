/** How the sink of searched events does: it goes from the worker to who started it. */

import { SINK_STARTING, type SinkState } from "./sink_state.ts";

export interface ElasticsearchState extends SinkState {
  /** Events since the process began that were older than the retention, and so left out. */
  readonly tooOld: number;
}

export const ELASTICSEARCH_STARTING: ElasticsearchState = { ...SINK_STARTING, tooOld: 0 };
