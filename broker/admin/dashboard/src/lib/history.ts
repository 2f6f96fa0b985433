// The last minutes of the cluster, a sample for each answer of /overview. Pure.
import { ratesOfAll, retained, total, worstLatency, type Rates } from "./rates";
import type { Overview, Percentiles } from "./types";

export const SAMPLES = 200; // the oldest goes when there are more: three minutes and some

export interface Sample extends Rates {
  time: number;
  connections: number;
  sessions: number;
  subscriptions: number;
  retained: number;
  queued: number;
  ack: Percentiles;
  deliver: Percentiles;
}

export interface History {
  overview: Overview | null; // the last one
  before: Overview | null; // the one before, for the rates of nodes
  samples: Sample[];
}

export const NO_HISTORY: History = { overview: null, before: null, samples: [] };

export function remember(history: History, overview: Overview): History {
  const before = history.overview;
  const sample: Sample = {
    time: overview.time,
    ...ratesOfAll(before, overview),
    connections: total(overview, "connections"),
    sessions: total(overview, "sessions"),
    subscriptions: total(overview, "subscriptions"),
    retained: retained(overview),
    queued: total(overview, "queued_messages"),
    ack: worstLatency(overview.nodes, "publish_ack"),
    deliver: worstLatency(overview.nodes, "publish_deliver"),
  };
  return { overview, before, samples: [...history.samples, sample].slice(-SAMPLES) };
}
