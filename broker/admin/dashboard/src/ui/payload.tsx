// One payload, as text, JSON or hexadecimal.
import { useMemo, useState } from "preact/hooks";
import { bytes } from "../lib/format";
import { asHex, asJson, asText, bestView, type View } from "../lib/payload";

const VIEWS: [View, string][] = [["text", "Text"], ["json", "JSON"], ["hex", "Hex"]];

export function Payload({ data, size }: { data: Uint8Array; size: number }) {
  const cut = size > data.length;
  const [chosen, setChosen] = useState<View | null>(null);
  const view = chosen ?? bestView(data, cut);
  const shown = useMemo(() => {
    if (view === "hex") return asHex(data);
    if (view === "json") return asJson(data) ?? "This is no JSON.";
    return asText(data, cut) ?? "This is no UTF-8 text.";
  }, [data, cut, view]);
  return (
    <div class="payload">
      <div class="row">
        <div class="segments" role="group" aria-label="Show the payload as">
          {VIEWS.map(([key, name]) => (
            <button key={key} type="button" aria-pressed={view === key} onClick={() => setChosen(key)}>{name}</button>
          ))}
        </div>
        <span class="quiet">{cut ? `the first ${bytes(data.length)} of ${bytes(size)}` : bytes(size)}</span>
      </div>
      <pre tabIndex={0} aria-label="Payload">{size === 0 ? "(empty)" : shown}</pre>
    </div>
  );
}
