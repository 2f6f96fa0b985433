// Line icons of 20 by 20, drawn for this page.
const PATHS: Record<string, string> = {
  overview: "M3 16.5h14M5.5 13.5V9M10 13.5V4M14.5 13.5V7",
  clients:
    "M7.5 9.5a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM2.5 16.5c.4-3 2.3-4.6 5-4.6s4.6 1.6 5 4.6" +
    "M13 4.2a2.6 2.6 0 0 1 0 4.8M14.7 12.3c1.5.6 2.5 2 2.8 4.2",
  slow: "M10 5.5V10l3 2M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14Z",
  events: "M4 5h12M4 10h12M4 15h7",
  retained: "M5 3.5h10v13l-5-3.5-5 3.5Z",
  topics: "M3 10h3l2-5.5 4 11 2-5.5h3",
  explain: "M7.5 7.5a2.5 2.5 0 1 1 3.7 2.2c-.8.5-1.2 1-1.2 2M10 14.8v.1M10 17.5a7.5 7.5 0 1 0 0-15 7.5 7.5 0 0 0 0 15Z",
  partitions: "M3.5 3.5h5.5v5.5H3.5ZM11 3.5h5.5v5.5H11ZM3.5 11h5.5v5.5H3.5ZM11 11h5.5v5.5H11Z",
  config: "M3 6h8M15 6h2M3 14h2M9 14h8M13 8a2 2 0 1 0 0-4 2 2 0 0 0 0 4ZM7 16a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z",
};

export function Icon({ name }: { name: string }) {
  return (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
      <path d={PATHS[name]} fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round" />
    </svg>
  );
}
