// Payloads for people: text, JSON or hexadecimal. Pure.

export type View = "text" | "json" | "hex";

export function decodeBase64(text: string): Uint8Array {
  const binary = atob(text);
  return Uint8Array.from(binary, (char) => char.charCodeAt(0));
}

// Null when it is no UTF-8. `cut`: the last character may be incomplete.
export function asText(data: Uint8Array, cut = false): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(data, { stream: cut });
  } catch {
    return null;
  }
}

// Indented; null when it is none.
export function asJson(data: Uint8Array): string | null {
  const text = asText(data);
  if (text === null) return null;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return null;
  }
}

const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

// What shows the most.
export function bestView(data: Uint8Array, cut = false): View {
  const text = asText(data, cut);
  if (text === null || CONTROL.test(text)) return "hex";
  const first = text.trimStart().charAt(0);
  return !cut && (first === "{" || first === "[") && asJson(data) !== null ? "json" : "text";
}

// 16 bytes a line: offset, bytes, what is printable of them.
export function asHex(data: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < data.length; at += 16) {
    const row = [...data.subarray(at, at + 16)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, "0"));
    const left = hex.slice(0, 8).join(" ").padEnd(23);
    const right = hex.slice(8).join(" ").padEnd(23);
    const shown = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${at.toString(16).padStart(4, "0")}  ${left}  ${right}  ${shown}`);
  }
  return lines.join("\n");
}

// One line, for a list.
export function preview(data: Uint8Array, cut = false): string {
  if (data.length === 0) return "(empty)";
  if (bestView(data, cut) === "hex") {
    const hex = [...data.subarray(0, 24)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    return data.length > 24 ? `${hex} …` : hex;
  }
  const line = (asText(data, cut) ?? "").replace(/\s+/g, " ");
  return line.length > 120 ? `${line.slice(0, 120)}…` : line;
}
