// An MQTT client over WebSocket, for trying topics. MQTT.js is loaded when it is first needed.
import type { MqttClient } from "mqtt";

export interface Incoming {
  number: number;
  topic: string;
  payload: Uint8Array;
  qos: number;
  retain: boolean;
  time: Date;
}

export interface ConnectFields {
  url: string;
  clientId: string;
  username: string;
  password: string;
}

export interface Hooks {
  incoming: (message: Incoming) => void;
  closed: (why: string) => void;
}

const WAIT_MS = 10_000;

// The address that the browser can reach, of a listener whose own may be 0.0.0.0 or the loopback of the node.
export function reachable(url: string, page: { hostname: string }): string {
  try {
    const made = new URL(url);
    if (["0.0.0.0", "[::]", "127.0.0.1", "[::1]", "localhost"].includes(made.hostname)) made.hostname = page.hostname;
    return made.href;
  } catch {
    return url;
  }
}

export class TryClient {
  private number = 0;

  private constructor(private readonly client: MqttClient) {}

  static async connect(fields: ConnectFields, hooks: Hooks): Promise<TryClient> {
    const { default: mqtt } = await import("mqtt");
    const client = mqtt.connect(fields.url, {
      protocolVersion: 5,
      clientId: fields.clientId,
      username: fields.username || undefined,
      password: fields.password || undefined,
      clean: true,
      reconnectPeriod: 0,
      connectTimeout: WAIT_MS,
      resubscribe: false,
      timerVariant: "native", // others start a worker from a blob, which the page forbids
    });
    const made = new TryClient(client);
    await new Promise<void>((resolve, reject) => {
      let last = "the listener does not answer, or is no WebSocket listener";
      client.once("connect", () => resolve());
      client.on("error", (error) => {
        last = error.message;
        reject(error);
      });
      client.on("disconnect", (packet) => {
        const reason = packet.properties?.reasonString;
        last = `the broker ended the connection (0x${(packet.reasonCode ?? 0).toString(16)})${reason ? `: ${reason}` : ""}`;
      });
      client.on("close", () => {
        reject(new Error(last));
        hooks.closed(last);
      });
    });
    client.on("message", (topic, payload, packet) => {
      made.number += 1;
      const message = { number: made.number, topic, payload: new Uint8Array(payload), qos: packet.qos, retain: packet.retain };
      hooks.incoming({ ...message, time: new Date() });
    });
    return made;
  }

  async subscribe(filter: string, qos: 0 | 1 | 2): Promise<void> {
    await this.client.subscribeAsync(filter, { qos });
  }

  async unsubscribe(filter: string): Promise<void> {
    await this.client.unsubscribeAsync(filter);
  }

  async publish(topic: string, payload: string, qos: 0 | 1 | 2, retain: boolean): Promise<void> {
    await this.client.publishAsync(topic, payload, { qos, retain });
  }

  end(): void {
    this.client.removeAllListeners("close");
    this.client.end(false);
  }
}
