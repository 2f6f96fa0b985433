// Lines over time, as SVG: a large one with axis and a value under the pointer, and a small one for tiles.
import { useState } from "preact/hooks";
import { ceiling, nearest, positionOf, runs, WINDOW_MS } from "../lib/scale";

export interface Series {
  name: string;
  tone: 1 | 2 | 3 | 4; // a colour of the style sheet
  values: (number | null)[]; // null: a gap
}

const WIDTH = 600;
const HEIGHT = 160;
const TOP = 8;


interface Area {
  width: number;
  height: number;
  from: number; // the upper edge
  top: number; // the value there
}

// The pieces between gaps, newest at the right edge.
function pieces(values: (number | null)[], times: number[], { width, height, from, top }: Area) {
  return runs(values, times).map((run) =>
    run.map((index): [number, number] => [
      positionOf(times, index) * width,
      from + (height - from) * (1 - (values[index] ?? 0) / top),
    ]),
  );
}

const path = (points: [number, number][]) =>
  points.map(([x, y], index) => `${index ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("") +
  (points.length === 1 ? "h0.1" : "");

interface ChartProps {
  title: string;
  series: Series[];
  format: (value: number | null | undefined) => string;
  times: number[];
  base?: 1000 | 1024; // of the unit's prefixes
}

export function Chart({ title, series, format, times, base }: ChartProps) {
  const [under, setUnder] = useState<number | null>(null);
  const top = ceiling(series.flatMap((each) => each.values), base);
  const last = times.length - 1;
  const index = under === null ? last : Math.min(under, last);
  const move = (event: PointerEvent) => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    setUnder(nearest(times, (event.clientX - box.left) / box.width));
  };
  const ago = Math.round(((times[last] ?? 0) - (times[index] ?? 0)) / 1000);
  const now = series.map((each) => `${each.name} ${format(each.values[last])}`).join(", ");
  const cursor = positionOf(times, index) * WIDTH;
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
            pieces(each.values, times, { width: WIDTH, height: HEIGHT, from: TOP, top }).map((points, piece) => (
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
        <span>{WINDOW_MS / 60_000} min ago</span>
        <span>{under === null ? "now" : `${ago} s ago`}</span>
      </div>
    </figure>
  );
}

export function Spark({ values, times, tone = 1 }: { values: (number | null)[]; times: number[]; tone?: Series["tone"] }) {
  const area = { width: 120, height: 27, from: 2, top: ceiling(values) };
  return (
    <svg class={`spark tone-${tone}`} viewBox="0 0 120 28" preserveAspectRatio="none" aria-hidden="true">
      {pieces(values, times, area).map((points, piece) => <path key={piece} class="line" d={path(points)} />)}
    </svg>
  );
}
