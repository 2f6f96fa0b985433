// The nodes in a circle, as the node that served the page sees them: rings for their share of the partitions, lines for links.
import type { Member } from "../lib/types";

const WIDTH = 360;
const HEIGHT = 330;
const RING = 32;

function placeOf(index: number, many: number): [number, number] {
  if (many === 1) return [WIDTH / 2, HEIGHT / 2 - 8];
  if (many === 2) return [WIDTH / 2 + (index ? 95 : -95), HEIGHT / 2 - 8];
  const angle = -Math.PI / 2 + (index * 2 * Math.PI) / many;
  return [WIDTH / 2 + Math.cos(angle) * 118, HEIGHT / 2 - 14 + Math.sin(angle) * 104];
}

function stateOf(member: Member, silent: string[]): string {
  if (silent.includes(member.node) && member.state === "active") return "silent";
  return member.state;
}

interface Props {
  members: Member[];
  partitions: number;
  silent: string[];
}

export function ClusterMap({ members, partitions, silent }: Props) {
  const places = members.map((_, index) => placeOf(index, members.length));
  const self = members.findIndex((member) => member.self);
  const around = 2 * Math.PI * RING;
  const text = members
    .map((member) => `${member.node} is ${stateOf(member, silent)}, leads ${member.partitions} partitions` +
      (member.self ? "" : member.linked ? ", linked" : ", not linked"))
    .join("; ");
  return (
    <figure class="map panel">
      <figcaption><span class="chart-title">Cluster</span></figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={`Cluster map: ${text}`}>
        {members.map((member, index) => {
          const [x1, y1] = places[self] ?? [0, 0];
          const [x2, y2] = places[index] ?? [0, 0];
          if (index === self || self < 0) return null;
          return <line key={member.node} class={member.linked ? "peer" : "peer peer-down"} x1={x1} y1={y1} x2={x2} y2={y2} />;
        })}
        {members.map((member, index) => {
          const [x, y] = places[index] ?? [0, 0];
          const state = stateOf(member, silent);
          const share = partitions ? member.partitions / partitions : 0;
          return (
            <g key={member.node} class={`map-node map-${state}`}>
              <circle class="map-back" cx={x} cy={y} r={RING} />
              <circle
                class="map-share" cx={x} cy={y} r={RING} transform={`rotate(-90 ${x} ${y})`}
                stroke-dasharray={`${share * around} ${around}`}
              />
              <text class="map-count" x={x} y={y + 5}>{member.partitions}</text>
              <text class="map-name" x={x} y={y + RING + 19}>{member.node}{member.self ? " (this)" : ""}</text>
              <text class="map-state" x={x} y={y + RING + 33}>{state}</text>
            </g>
          );
        })}
      </svg>
      <div class="chart-foot" aria-hidden="true">
        <span>rings: share of {partitions} partitions</span>
        <span>lines: links of this node</span>
      </div>
    </figure>
  );
}
