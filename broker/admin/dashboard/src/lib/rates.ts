// What happens in a second, told from two answers of /overview. Pure.
import type { NodeOverview, Overview, Percentiles } from "./types";

export interface Rates {
  messagesIn: number | null; // a second; null: not known
  messagesOut: number | null;
  bytesIn: number | null;
  bytesOut: number | null;
  dropped: number | null;
}

const COUNTERS = {
  messagesIn: "messages_in_total",
  messagesOut: "messages_out_total",
  bytesIn: "bytes_in_total",
  bytesOut: "bytes_out_total",
  dropped: "dropped_total",
} as const;

type Name = keyof Rates;
const NAMES = Object.keys(COUNTERS) as Name[];

const UNKNOWN: Rates = { messagesIn: null, messagesOut: null, bytesIn: null, bytesOut: null, dropped: null };

// A counter that went down belongs to a node that was restarted: nothing is known about the time between.
export function rateOf(before: number | undefined, after: number | undefined, milliseconds: number): number | null {
  if (before === undefined || after === undefined || milliseconds <= 0 || after < before) return null;
  return ((after - before) * 1000) / milliseconds;
}

export function ratesOfNode(before: Overview | null, after: Overview, node: string): Rates {
  const old = before?.nodes.find((each) => each.node === node);
  const now = after.nodes.find((each) => each.node === node);
  if (!before || !old || !now || now.uptime_seconds < old.uptime_seconds) return UNKNOWN;
  const rates = { ...UNKNOWN };
  for (const name of NAMES) rates[name] = rateOf(old[COUNTERS[name]], now[COUNTERS[name]], after.time - before.time);
  return rates;
}

// Of all nodes that are known in both answers; null when there is none.
export function ratesOfAll(before: Overview | null, after: Overview): Rates {
  const sums = { ...UNKNOWN };
  for (const { node } of after.nodes) {
    const rates = ratesOfNode(before, after, node);
    for (const name of NAMES) {
      const rate = rates[name];
      if (rate !== null) sums[name] = (sums[name] ?? 0) + rate;
    }
  }
  return sums;
}

type Sum = "connections" | "sessions" | "subscriptions" | "queued_messages" | "outbox_messages";

export function total(overview: Overview, field: Sum): number {
  return overview.nodes.reduce((sum, node) => sum + (node[field] ?? 0), 0);
}

// Every node has all retained messages.
export function retained(overview: Overview): number {
  return Math.max(0, ...overview.nodes.map((node) => node.retained_messages ?? 0));
}

// Percentiles of several nodes cannot be merged, so it is the worst node's.
export function worstLatency(nodes: NodeOverview[], kind: "publish_ack" | "publish_deliver"): Percentiles {
  const worst = (field: keyof Percentiles) => {
    const known = nodes.map((node) => node.latency?.[kind]?.[field]).filter((value) => typeof value === "number");
    return known.length ? Math.max(...known) : null;
  };
  return { p50: worst("p50"), p99: worst("p99") };
}
