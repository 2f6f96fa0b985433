// Lines over time, as SVG: a large one with axis and a value under the pointer, and a small one for tiles.
import { useState } from "preact/hooks";
import { ceiling } from "../lib/scale";

export interface Series {
  name: string;
  tone: 1 | 2 | 3 | 4; // a colour of the style sheet
  values: (number | null)[]; // null: a gap
}

const WIDTH = 600;
const HEIGHT = 160;
const TOP = 8;


// The pieces between gaps. The newest value is at the right edge, whatever there is on the left.
function pieces(values: (number | null)[], slots: number, top: number, width: number, height: number, from: number) {
  const found: [number, number][][] = [];
  let piece: [number, number][] = [];
  values.forEach((value, index) => {
    if (value === null) {
      if (piece.length) found.push(piece);
      piece = [];
      return;
    }
    const x = ((slots - values.length + index) / Math.max(1, slots - 1)) * width;
    piece.push([x, from + (height - from) * (1 - value / top)]);
  });
  if (piece.length) found.push(piece);
  return found;
}

const path = (points: [number, number][]) =>
  points.map(([x, y], index) => `${index ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("") +
  (points.length === 1 ? "h0.1" : "");

interface ChartProps {
  title: string;
  series: Series[];
  slots: number;
  format: (value: number | null | undefined) => string;
  times: number[];
  base?: 1000 | 1024; // of the unit's prefixes
}

export function Chart({ title, series, slots, format, times, base }: ChartProps) {
  const [under, setUnder] = useState<number | null>(null);
  const top = ceiling(series.flatMap((each) => each.values), base);
  const length = times.length;
  const index = under === null ? length - 1 : under;
  const move = (event: PointerEvent) => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    const slot = Math.round(((event.clientX - box.left) / box.width) * (slots - 1)) - (slots - length);
    setUnder(slot >= 0 && slot < length ? slot : null);
  };
  const ago = length ? Math.round(((times[length - 1] ?? 0) - (times[index] ?? 0)) / 1000) : 0;
  const now = series.map((each) => `${each.name} ${format(each.values[length - 1])}`).join(", ");
  const cursor = ((slots - length + index) / Math.max(1, slots - 1)) * WIDTH;
  return (
    <figure class="chart panel">
      <figcaption>
        <span class="chart-title">{title}</span>
        <span class="legend">
          {series.map((each) => (
            <span key={each.name} class={`legend-item tone-${each.tone}`}>
              <i aria-hidden="true" />
              {each.name} <b>{format(each.values[index])}</b>
            </span>
          ))}
        </span>
      </figcaption>
      <div class="plot">
        <svg
          viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={`${title}: ${now}`}
          onPointerMove={move} onPointerLeave={() => setUnder(null)}
        >
          {[0, 0.5, 1].map((part) => (
            <line key={part} class="grid" x1="0" x2={WIDTH} y1={TOP + (HEIGHT - TOP) * part} y2={TOP + (HEIGHT - TOP) * part} />
          ))}
          {series.map((each) =>
            pieces(each.values, slots, top, WIDTH, HEIGHT, TOP).map((points, piece) => (
              <g key={`${each.name}${piece}`} class={`tone-${each.tone}`}>
                {each.tone === 1 && points.length > 1 && (
                  <path class="area" d={`${path(points)}L${points[points.length - 1]?.[0]} ${HEIGHT}L${points[0]?.[0]} ${HEIGHT}Z`} />
                )}
                <path class="line" d={path(points)} />
              </g>
            )),
          )}
          {under !== null && <line class="cursor" x1={cursor} x2={cursor} y1="0" y2={HEIGHT} />}
        </svg>
        <span class="axis axis-top" aria-hidden="true">{format(top)}</span>
        <span class="axis axis-bottom" aria-hidden="true">0</span>
      </div>
      <div class="chart-foot" aria-hidden="true">
        <span>{slots / 60} min ago</span>
        <span>{under === null ? "now" : `${ago} s ago`}</span>
      </div>
    </figure>
  );
}

export function Spark({ values, slots, tone = 1 }: { values: (number | null)[]; slots: number; tone?: Series["tone"] }) {
  const top = ceiling(values);
  return (
    <svg class={`spark tone-${tone}`} viewBox="0 0 120 28" preserveAspectRatio="none" aria-hidden="true">
      {pieces(values, slots, top, 120, 27, 2).map((points, piece) => <path key={piece} class="line" d={path(points)} />)}
    </svg>
  );
}
