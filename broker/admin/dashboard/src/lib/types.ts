// What the admin API answers. docs/operations.md describes it.

export interface Percentiles {
  p50: number | null; // seconds
  p99: number | null;
}

export interface NodeOverview {
  node: string;
  version: string;
  state: string;
  linked: number; // how many nodes it reaches
  uptime_seconds: number;
  connections: number;
  sessions: number;
  subscriptions: number;
  routes: number;
  retained_messages: number;
  queued_messages: number;
  messages_in_total: number;
  messages_out_total: number;
  bytes_in_total: number;
  bytes_out_total: number;
  dropped_total: number;
  partitions: number;
  outbox_messages: number;
  latency?: { publish_ack?: Percentiles | null; publish_deliver?: Percentiles | null } | null;
  websocket_listeners?: { name: string; url: string }[];
}

export interface Overview {
  time: number; // milliseconds since 1970
  nodes: NodeOverview[];
  silent_nodes: string[];
}

export interface Member {
  node: string;
  number: number;
  address: string;
  state: string;
  self: boolean;
  linked: boolean;
  partitions: number;
}

export interface Cluster {
  node: string;
  version: string;
  cluster: string;
  coordinator: string;
  lease: boolean | null;
  state: string;
  ready: boolean;
  partitions: number;
  moving: number;
  members: Member[];
}

export interface PartitionRow {
  partition: number;
  epoch: number;
  node: string | null;
}

export interface Client {
  client_id: string;
  node: string | null;
  owner: string | null;
  connected: boolean;
  listener: string | null;
  protocol_version: string | null;
  username: string | null;
  address: string | null;
  connected_at: string | null;
  durable: boolean;
  session_expiry_seconds: number | null;
  keep_alive_seconds: number | null;
  subscriptions: number;
  queued_messages: number;
  queued_bytes: number;
  inflight: number;
}

export interface Subscription {
  filter: string;
  qos: number;
  no_local?: boolean;
  retain_as_published?: boolean;
  retain_handling?: number;
  identifier?: number | null;
  share?: string | null;
}

export interface ClientDetail extends Client {
  subscription_list: Subscription[];
}

export interface ClientList {
  clients: Client[];
  next: string | null;
  silent_nodes?: string[];
}

export interface QueuedMessage {
  topic: string | null; // null, with what follows from it: QoS 2, received, waits for PUBCOMP only
  qos: number;
  retain: boolean;
  packet_id?: number | null; // null: not sent yet
  payload_bytes: number | null;
  payload_base64: string | null;
  received_at: string | null;
  expires_at: string | null;
}

export interface RetainedMessage {
  topic: string;
  qos: number;
  payload_bytes: number;
  payload_base64: string;
  stored_at: string | null;
  expires_at: string | null;
}

export interface BrokerEvent {
  id: number;
  time: string;
  node: string;
  kind: string;
  client_id?: string | null;
  listener?: string | null;
  address?: string | null;
  reason?: string | null;
}

export interface ConfigValue {
  key: string;
  value: unknown;
  source: string;
}

export interface Receiver {
  client_id: string;
  node: string | null;
  filter: string;
  qos: number;
  share?: string | null;
  connected: boolean;
  would: string;
  why: string | null;
  rule?: string | null;
}

export interface Explanation {
  topic: string;
  publisher?: { client_id?: string; allowed?: boolean; rule?: string | null; why?: string | null } | null;
  retained: boolean;
  receivers: Receiver[];
  silent_nodes?: string[];
}
